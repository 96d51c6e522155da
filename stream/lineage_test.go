package stream

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

func TestS1LastBatchWithNilIteratorIsProcessedAndFinishedOnlyWhenAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1", "2").close(), openShard("b", "a", "3"))
		c := newTable()
		w := work(t, s, c, config{}, func(r *Record) bool { return r.Sequence == "2" })
		pass(time.Minute)
		w.wants(t, "a/1", "a/2")
		if l := c.lease(s.arn, "a"); l.Finished || l.Checkpoint.Sequence != "1" {
			t.Errorf("before the acknowledgement the lease is %+v", l)
		}
		w.ack("a/2")
		synctest.Wait()
		if l := c.lease(s.arn, "a"); !l.Finished || l.Checkpoint.Sequence != "2" || l.FinishedAt.IsZero() {
			t.Errorf("after the acknowledgement the lease is %+v", l)
		}
		w.wants(t, "a/1", "a/2", "b/3")
		wantStop(t, w)
	})
}

func TestS2ChildrenStartAtTheTrimHorizon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s := newStream(a)
		w := work(t, s, newTable(), config{}, nil)
		pass(time.Second)
		s.edit(func() { // a split: the children hold records before they are found
			a.close()
			s.shards = append(s.shards, openShard("b", "a", "2", "4"), openShard("c", "a", "3"))
		})
		pass(100 * time.Millisecond)
		w.wantsSet(t, "a/1", "b/2", "b/4", "c/3")
		for _, at := range s.opens {
			if at.Type != backend.TrimHorizon {
				t.Errorf("a shard was opened at %+v", at)
			}
		}
		wantStop(t, w)
	})
}

func TestS3ChildWaitsForItsParentAlsoAcrossARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("c", "b", "3"), openShard("b", "a", "2").close(), openShard("a", "", "1").close())
		c := newTable()
		first := work(t, s, c, config{}, keepAll)
		pass(time.Minute)
		first.wants(t, "a/1")
		wantStop(t, first)

		second := work(t, s, c, config{}, func(r *Record) bool { return r.Shard == "b" })
		pass(time.Minute)
		second.wants(t, "a/1", "b/2")
		wantStop(t, second)

		third := work(t, s, c, config{}, nil)
		pass(time.Minute)
		third.wants(t, "b/2", "c/3")
		wantStop(t, third)
	})
}

func TestS3UnknownParentBlocksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("b", "trimmed long ago", "2"), openShard("c", "", "3"))
		w := work(t, s, newTable(), config{}, nil)
		pass(time.Second)
		w.wantsSet(t, "b/2", "c/3")
		wantStop(t, w)
	})
}

func TestS7AllPagesOfTheListing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream()
		s.pageSize = 100
		for i := range 250 {
			s.shards = append(s.shards, openShard(fmt.Sprintf("s%03d", i), "", "1"))
		}
		w := work(t, s, newTable(), config{}, nil)
		pass(10 * time.Second)
		if n := len(w.got()); n != 250 {
			t.Errorf("%d of 250 shards were read", n)
		}
		// One call to learn the stream's name, one for each page.
		if n := s.count("Shards"); n != 4 {
			t.Errorf("%d listing calls in ten seconds, want 4", n)
		}
		wantStop(t, w)
	})
}

// loopingStream has a listing whose cursor leads back to its start.
type loopingStream struct{ *fakeStream }

func (l loopingStream) Shards(ctx context.Context, _ string) (backend.ShardPage, error) {
	page, err := l.fakeStream.Shards(ctx, "")
	page.Last = "a"
	return page, err
}

func TestS7CursorThatLoops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1"))
		w := work(t, loopingStream{s}, newTable(), config{}, nil)
		pass(time.Minute)
		w.wants(t, "a/1") // what was found is used
		if n := s.count("Shards"); n > 60 {
			t.Errorf("%d listing calls in a minute", n)
		}
		wantStop(t, w)
	})
}

func TestS8FailedPageKeepsWhatWasFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The child is on the page that comes, its parent on the one that fails.
		s := newStream(openShard("x", "", "1"), openShard("c", "p", "3"), openShard("p", "", "2").close())
		s.pageSize = 2
		broken := true
		s.fault = func(op, of string) error {
			if op == "Shards" && of == "c" && broken {
				return fail(op, backend.KindThrottled)
			}
			return nil
		}
		w := work(t, s, newTable(), config{}, nil)
		pass(time.Minute)
		w.wants(t, "x/1") // and not the child, whose parent may be on the other page
		s.edit(func() { broken = false })
		pass(time.Minute)
		w.wants(t, "x/1", "p/2", "c/3")
		wantStop(t, w)
	})
}

func TestS10ChildrenAppearLate(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 300 * time.Millisecond, 3 * time.Second, time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := openShard("b", "a", "2")
				b.hidden = true
				s := newStream(openShard("a", "", "1").close(), b)
				w := work(t, s, newTable(), config{}, nil)
				pass(10 * time.Millisecond)
				before := s.count("Shards")
				pass(after)
				s.edit(func() { b.hidden = false })
				wait := time.Second + 2*time.Second/10
				if after == time.Minute { // the look-ups are over: the periodic listing finds it
					wait = 36 * time.Second
				}
				pass(wait)
				w.wants(t, "a/1", "b/2")
				if n := s.count("Shards") - before; n > 16 {
					t.Errorf("%d listings for one child", n)
				}
				wantStop(t, w)
			})
		})
	}
}

// The last reader stopped after it had finished a shard and before it found the
// children.
func TestS10ChildrenAppearLateAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := openShard("b", "a", "2")
		b.hidden = true
		s, c := newStream(openShard("a", "", "1").close(), b), newTable()
		w := work(t, s, c, config{}, nil)
		pass(10 * time.Millisecond)
		wantStop(t, w)
		w = work(t, s, c, config{}, nil)
		pass(100 * time.Millisecond)
		s.edit(func() { b.hidden = false })
		pass(time.Second)
		w.wants(t, "b/2")
		wantStop(t, w)
	})
}

// A generation that nobody read, between what was read and what is listed.
func TestS6MissingGenerationIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1").close()
		s, c, log := newStream(a), newTable(), &logs{}
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		wantStop(t, w)
		pass(25 * time.Hour)
		s.edit(func() { a.gone = true; s.shards = append(s.shards, openShard("c", "b", "3")) })
		w = work(t, s, c, config{Logger: logger(log)}, nil)
		if loss := wantError[*DataLossError](t, w.ended(t)); loss.Shard != "b" || loss.AfterTime.IsZero() {
			t.Errorf("the loss is %+v", loss)
		}
		if log.count("DATA LOSS") != 1 || c.lease(s.arn, "c").Lost == "" {
			t.Errorf("logged:\n%s", log.b.String())
		}
		w = work(t, s, c, config{}, nil) // it is recorded, and does not halt twice
		pass(time.Minute)
		w.wants(t, "c/3")
		wantStop(t, w)
	})
}

func TestS19FinishedShardIsNotReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := openShard("a", "", "1").close(), openShard("b", "a", "2")
		s, c := newStream(a, b), newTable()
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		wantStop(t, w)

		slow := config{MaxIdle: time.Hour, LeaseDuration: time.Hour, CheckpointInterval: time.Hour, SyncInterval: time.Hour}
		w = work(t, s, c, slow, nil)
		pass(time.Minute)
		w.wants(t)
		pass(60 * time.Hour) // still listed, long after its records are gone
		if !c.lease(s.arn, "a").Finished {
			t.Error("the lease of a listed shard was forgotten")
		}
		s.edit(func() { a.gone = true })
		pass(2 * time.Hour)
		if c.lease(s.arn, "a").Epoch != 0 {
			t.Error("the lease of a shard that is no longer listed was kept")
		}
		if l := c.lease(s.arn, "b"); l.Epoch != 3 || l.Checkpoint.Sequence != "2" {
			t.Errorf("the lease of its child is %+v", l)
		}
		s.edit(func() { b.records = append(b.records, backend.Record{Sequence: "3"}) })
		pass(time.Second)
		w.wants(t, "b/3")
		wantStop(t, w)
	})
}

func TestS25OnlyANilIteratorEndsAShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s, c := newStream(a, openShard("b", "a", "9")), newTable()
		w := work(t, s, c, config{}, nil)
		pass(10 * time.Minute) // of empty pages, with a child listed
		w.wants(t, "a/1")
		s.edit(func() { a.records = append(a.records, backend.Record{Sequence: "2"}) })
		pass(gatherTime)
		w.wants(t, "a/1", "a/2")
		if c.lease(s.arn, "a").Finished {
			t.Error("the shard counts as finished")
		}
		s.edit(func() { a.closed = true })
		pass(time.Second)
		w.wants(t, "a/1", "a/2", "b/9")
		wantStop(t, w)
	})
}

func TestS25StuckParentIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &logs{}
		w := work(t, newStream(openShard("a", ""), openShard("b", "a", "9")), newTable(), config{Logger: logger(log)}, nil)
		pass(20 * time.Minute)
		if n := log.count("does not end"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		if _, ok := w.IdleSince(); ok {
			t.Error("a child waits, and the reader says that it is idle")
		}
		wantStop(t, w)
	})
}
