package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
)

func TestS4CheckpointStaysAtTheContiguousPrefix(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1", "2", "3", "4")), newTable()
		w := work(t, s, c, config{}, keepAll)
		for _, step := range []struct{ ack, checkpoint string }{
			{"a/3", ""}, {"a/1", "1"}, {"a/1", "1"}, {"a/2", "3"}, {"a/4", "4"},
		} {
			pass(2 * time.Second)
			w.ack(step.ack)
			pass(2 * time.Second)
			if got := c.lease(s.arn, "a").Checkpoint.Sequence; got != step.checkpoint {
				t.Errorf("after %s the checkpoint is %q, want %q", step.ack, got, step.checkpoint)
			}
		}
		wantStop(t, w)
	})
}

func TestS4MissingAcknowledgementIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1", "2", "3").close(), openShard("b", "a", "4")), newTable()
		w := work(t, s, c, config{}, func(r *Record) bool { return r.Sequence == "2" })
		pass(time.Minute)
		wantStop(t, w)
		w = work(t, s, c, config{}, nil)
		pass(time.Minute)
		w.wants(t, "a/2", "a/3", "b/4")
		wantStop(t, w)
	})
}

func TestS6TrimmedIsAnIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1", "2", "3")
		s, c, log := newStream(a, openShard("z", "", "7")), newTable(), &logs{}
		made := a.records[0].CreatedAt
		w := work(t, s, c, config{}, func(r *Record) bool { return r.Sequence == "2" })
		pass(time.Minute)
		wantStop(t, w)
		s.edit(func() { a.trimmed = "2" })
		w = work(t, s, c, config{Logger: logger(log)}, nil)
		loss := wantError[*DataLossError](t, w.ended(t))
		if loss.Shard != "a" || loss.After != "1" || !loss.AfterTime.Equal(made) || backend.KindOf(loss) != backend.KindTrimmed {
			t.Errorf("the loss is %+v", loss)
		}
		if log.count("DATA LOSS") != 1 {
			t.Error("the loss was not logged once")
		}
		if l := c.lease(s.arn, "a"); l.Lost == "" || l.Checkpoint.Sequence != "1" {
			t.Errorf("the lease is %+v", l)
		}
		// Whoever took care of it deletes the lease, as the error says.
		c.set(func() { delete(c.items, lease.Key(s.arn, "a")) })
		w = work(t, s, c, config{}, nil)
		pass(time.Minute)
		w.wants(t, "a/3")
		wantStop(t, w)
	})
}

func TestS6TrimmedWhileReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s := newStream(a)
		w := work(t, s, newTable(), config{PollInterval: time.Hour, MaxIdle: time.Hour}, nil)
		pass(time.Minute)
		s.edit(func() {
			a.records = append(a.records, backend.Record{Sequence: "2"})
			a.trimmed = "2"
		})
		loss := wantError[*DataLossError](t, w.ended(t))
		if loss.Shard != "a" || loss.After != "1" {
			t.Errorf("the loss is %+v", loss)
		}
	})
}

// DynamoDB Local says that an iterator that waits in an empty shard is trimmed
// when the first record comes. Nothing is.
func TestS6TrimmedAndNothingLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "")
		s, c, log := newStream(a), newTable(), &logs{}
		w := work(t, s, c, config{Logger: logger(log)}, nil)
		pass(time.Minute)
		refused := false
		s.edit(func() {
			a.records = append(a.records, backend.Record{Sequence: "1"})
			s.fault = func(op, _ string) error {
				if op != "Records" || refused {
					return nil
				}
				refused = true
				return fail(op, backend.KindTrimmed)
			}
		})
		pass(time.Minute)
		w.wants(t, "a/1")
		if log.count("DATA LOSS") != 0 {
			t.Error("a loss was logged")
		}
		wantStop(t, w)
	})
}

// A reader that was away from a shard for longer than a stream keeps records
// cannot know that nothing was lost, though it had read nothing of the shard.
func TestS6TrimmedAfterADayWithoutReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, start := newStream(openShard("a", "")), time.Now()
		s.fault = func(op, _ string) error {
			if op == "Records" && time.Since(start) > time.Hour {
				return fail(op, backend.KindTrimmed)
			}
			return nil
		}
		w := work(t, s, newTable(), config{
			PollInterval: 30 * time.Hour, MaxIdle: 30 * time.Hour, LeaseDuration: time.Hour, CheckpointInterval: time.Hour, SyncInterval: time.Hour,
		}, nil)
		pass(40 * time.Hour)
		wantError[*DataLossError](t, w.ended(t))
	})
}

func TestS6ShardGoneBeforeItWasFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s, c := newStream(a, openShard("b", "a", "2")), newTable()
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		wantStop(t, w)
		s.edit(func() { a.gone = true })
		for range 2 { // and again, until somebody takes care of it
			w = work(t, s, c, config{}, nil)
			loss := wantError[*DataLossError](t, w.ended(t))
			if loss.Shard != "a" || loss.After != "1" {
				t.Errorf("the loss is %+v", loss)
			}
			w.wants(t)
		}
		if c.lease(s.arn, "a").Lost == "" {
			t.Error("the loss does not stand in the lease")
		}
		c.set(func() { delete(c.items, lease.Key(s.arn, "a")) })
		w = work(t, s, c, config{}, nil)
		pass(time.Minute)
		w.wants(t, "b/2")
		wantStop(t, w)
	})
}

// A listing can show shards whose records have expired. At the very first start
// nobody was promised them.
func TestS6ShardThatExpiredBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", ""), openShard("b", "a", "2")), newTable()
		s.fault = func(op, of string) error {
			if op == "Iterator" && of == "a" {
				return fail(op, backend.KindNotFound)
			}
			return nil
		}
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		w.wants(t, "b/2")
		wantStop(t, w)
	})
}

func TestS6NotFoundForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1"))
		failures := 0
		s.fault = func(op, _ string) error {
			if failures++; op == "Iterator" && failures < 5 {
				return fail(op, backend.KindNotFound)
			}
			return nil
		}
		w := work(t, s, newTable(), config{}, nil)
		pass(time.Minute)
		w.wants(t, "a/1")
		wantStop(t, w)
	})
}

func TestS9ExpiredIteratorGoesOnAfterTheLastRecordRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1", "2", "3", "4")), newTable()
		w := work(t, s, c, config{MaxInFlight: 2}, func(r *Record) bool { return r.Sequence == "2" })
		pass(20 * time.Minute) // a page waits for room, its iterator grows old
		w.wants(t, "a/1", "a/2")
		s.mu.Lock()
		s.opens = nil
		s.mu.Unlock()
		w.ack("a/2")
		synctest.Wait()
		w.wants(t, "a/1", "a/2", "a/3", "a/4")
		if want := (backend.Position{Type: backend.AfterSequence, Sequence: "4"}); !slices.Equal(s.opens, []backend.Position{want}) {
			t.Errorf("opened at %+v, want once at %+v", s.opens, want)
		}
		wantStop(t, w)
	})
}

func TestS9IteratorsThatExpireAtOnceAreNoTightLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1"))
		s.fault = func(op, _ string) error {
			if op == "Records" {
				return fail(op, backend.KindExpired)
			}
			return nil
		}
		w := work(t, s, newTable(), config{}, nil)
		pass(time.Minute)
		if n := s.count("Records"); n > 20 {
			t.Errorf("%d reads in a minute", n)
		}
		for _, at := range s.opens {
			if at.Type != backend.TrimHorizon {
				t.Errorf("opened at %+v", at)
			}
		}
		wantStop(t, w)
	})
}

func TestS18RepeatedRecordsAndNumbersOfDifferentLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// As text, 99… is greater than 100….
		s, c := newStream(openShard("a", "", "99999999999999999999", "100000000000000000000", "99999999999999999999")), newTable()
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		if n := len(w.got()); n != 3 {
			t.Errorf("%d records were delivered", n)
		}
		if got := c.lease(s.arn, "a").Checkpoint.Sequence; got != "100000000000000000000" {
			t.Errorf("the checkpoint is %s", got)
		}
		wantStop(t, w)
	})
}

func TestS18ExpiredIteratorAfterNumbersOfDifferentLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "99999999999999999999", "100000000000000000000"))
		w := work(t, s, newTable(), config{MaxIdle: time.Hour, PollInterval: time.Hour}, nil)
		pass(2 * time.Hour)
		if n := len(w.got()); n != 2 {
			t.Errorf("%d records were delivered", n)
		}
		if last := s.opens[len(s.opens)-1]; last.Sequence != "100000000000000000000" {
			t.Errorf("opened after %q", last.Sequence)
		}
		wantStop(t, w)
	})
}

func TestS20CheckpointsByTimeAndByCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s, c := newStream(a), newTable()
		sk := lease.Key(s.arn, "a").SK
		w := work(t, s, c, config{CheckpointInterval: time.Minute, CheckpointCount: 100}, nil)
		pass(59 * time.Second)
		if n := c.written(sk); n != 2 { // found and taken
			t.Errorf("%d writes before the flush is due", n)
		}
		pass(time.Second)
		if n := c.written(sk); n != 3 {
			t.Errorf("%d writes after a minute", n)
		}
		pass(time.Hour)
		if n := c.written(sk); n != 3 {
			t.Errorf("%d writes after an idle hour", n)
		}
		s.edit(func() {
			for i := range 100 {
				a.records = append(a.records, backend.Record{Sequence: fmt.Sprint(i + 2)})
			}
		})
		pass(gatherTime)
		if n := c.written(sk); n != 4 {
			t.Errorf("%d writes after a hundred records at once", n)
		}
		wantStop(t, w)
	})
}

func TestS23IdleShardsBackOffAndWritesWakeThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s := newStream(a)
		w := work(t, s, newTable(), config{PollInterval: time.Second, MaxIdle: time.Minute}, nil)
		pass(time.Hour)
		if n := s.count("Records"); n < 60 || n > 90 {
			t.Errorf("%d reads of an idle shard in an hour, want about 65", n)
		}
		s.edit(func() { a.records = append(a.records, backend.Record{Sequence: "2"}) })
		pass(gatherTime)
		w.wants(t, "a/1", "a/2")
		wantStop(t, w)
	})
}

func TestS23WriteWhileAnEmptyPageIsReadIsNotMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "")
		s := newStream(a)
		s.read = func(page backend.RecordPage) {
			if len(page.Records) == 0 && len(a.records) == 0 {
				a.records = append(a.records, backend.Record{Sequence: "1"})
				close(s.changed)
				s.changed = make(chan struct{})
			}
		}
		w := work(t, s, newTable(), config{PollInterval: time.Hour, MaxIdle: time.Hour}, nil)
		pass(gatherTime)
		w.wants(t, "a/1")
		wantStop(t, w)
	})
}

func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream()
		for i := range 20 {
			one := openShard(fmt.Sprintf("s%02d", i), "")
			for j := range 50 {
				one.records = append(one.records, backend.Record{Sequence: fmt.Sprint(j + 1)})
			}
			s.shards = append(s.shards, one)
		}
		w := work(t, s, newTable(), config{MaxInFlight: 7}, keepAll)
		acked, most := 0, 0
		for acked < 20*50 {
			pass(time.Second)
			w.mu.Lock()
			most = max(most, len(w.seen)-acked)
			if len(w.seen) == acked {
				w.mu.Unlock()
				t.Fatalf("nothing goes on after %d records", acked)
			}
			for _, r := range w.seen[acked:] {
				r.Ack()
				acked++
			}
			w.mu.Unlock()
		}
		if most != 7 {
			t.Errorf("%d records were out at once, want 7", most)
		}
		wantStop(t, w)
	})
}

func TestThrottledShardRecoversAndIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := newStream(), &logs{}
		for i := range 50 {
			s.shards = append(s.shards, openShard(fmt.Sprintf("s%02d", i), "", "1"))
		}
		s.fault = func(op, _ string) error {
			if op == "Shards" {
				return nil
			}
			return fail(op, backend.KindThrottled)
		}
		w := work(t, s, newTable(), config{Logger: logger(log)}, nil)
		pass(time.Minute)
		if n := s.count("Iterator s01"); n > 15 {
			t.Errorf("%d calls of a throttled shard in a minute", n)
		}
		s.edit(func() { s.fault = nil })
		pass(15 * time.Second)
		if n := len(w.got()); n != 50 {
			t.Errorf("%d of 50 records after the recovery", n)
		}
		pass(10 * time.Second) // of calm
		if a, b := log.count("reading records fails"), log.count("reading records works again"); a != 1 || b != 1 {
			t.Errorf("logged %d times that it fails and %d times that it works again", a, b)
		}
		wantStop(t, w)
	})
}

func TestHandlerErrorStopsTheReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, boom := newStream(openShard("a", "", "1", "2", "3"), openShard("b", "", "4")), newTable(), errors.New("boom")
		other := make(chan struct{})
		r := newReader(s, c, HandlerFunc(func(_ context.Context, records []*Record) error {
			if records[0].Shard == "b" {
				close(other)
				return nil
			}
			<-other
			records[0].Ack()
			err := boom
			go records[1].Ack() // too late to matter
			return err
		}), config{})
		begin := time.Now()
		if err := r.Run(t.Context()); !errors.Is(err, boom) {
			t.Errorf("error is %v", err)
		}
		// Of b nothing was acknowledged: the drain waits for it, and for nothing of a.
		if took := time.Since(begin); took != time.Second {
			t.Errorf("stopped after %v", took)
		}
		if l, err := membership.DecodeLeader(c.items[membership.LeaderKey(s.arn)]); err != nil || l.Worker != "" {
			t.Errorf("the leader's lock was not released: %+v, %v", l, err)
		}
	})
}

func TestBlockedHandlerHoldsItsShardOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1"), openShard("b", "", "2"))
		var others atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		r := newReader(s, newTable(), HandlerFunc(func(ctx context.Context, records []*Record) error {
			if records[0].Shard == "a" {
				<-ctx.Done()
				return ctx.Err()
			}
			others.Add(1)
			records[0].Ack()
			return nil
		}), config{})
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		pass(time.Hour) // longer than any lease: renewal does not depend on handlers
		if others.Load() != 1 {
			t.Error("the other shard was held up")
		}
		begin := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("stopping took %v: a refused record was waited for", took)
		}
	})
}

func TestIdleSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1").close()
		b := openShard("b", "a", "2")
		b.hidden = true
		s := newStream(a, b)
		w := work(t, s, newTable(), config{}, func(r *Record) bool { return r.Sequence == "2" })
		idle := func(want bool) time.Time {
			t.Helper()
			since, ok := w.IdleSince()
			if ok != want {
				t.Errorf("idle is %v, want %v", ok, want)
			}
			return since
		}
		idle(false) // has hardly begun
		pass(100 * time.Millisecond)
		idle(false) // the children of a are looked for
		s.edit(func() { b.hidden = false })
		pass(5 * time.Second)
		idle(false) // 2 is not acknowledged
		w.ack("b/2")
		acked := time.Now()
		if since := idle(true); !since.Equal(acked) {
			t.Errorf("idle since %v, want since the last acknowledgement, %v", since, acked)
		}
		pass(10 * time.Second)
		if since := idle(true); !since.Equal(acked) {
			t.Errorf("idle since %v, want since the last acknowledgement, %v", since, acked)
		}
		s.edit(func() { b.records = append(b.records, backend.Record{Sequence: "3"}) })
		pass(time.Second)
		if since := idle(true); !since.After(acked) {
			t.Errorf("idle since %v, before the last record", since)
		}
		wantStop(t, w)
		idle(false)
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []config{{LeaseDuration: time.Millisecond}, {LeaseDuration: -1}} {
		if err := newReader(newStream(), newTable(), nil, o).Run(t.Context()); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestReadStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1").close(), openShard("b", "a", "2"), openShard("c", "b")), newTable()
		if got, err := ReadStatus(t.Context(), s, c); err != nil || got.Leader != (LeaderStatus{}) || len(got.Shards) != 3 {
			t.Errorf("before the first start: %+v, %v", got, err)
		}
		w := work(t, s, c, config{Worker: "one"}, nil)
		pass(time.Minute)
		got, err := ReadStatus(t.Context(), s, c)
		if err != nil {
			t.Fatal(err)
		}
		if o := got.Leader; o.Worker != "one" || o.Epoch != 1 || o.Counter < 10 || time.Since(o.RenewedAt) > 4*time.Second {
			t.Errorf("the owner is %+v", o)
		}
		a, b, child := got.Shards[0], got.Shards[1], got.Shards[2]
		if !a.Finished || a.FinishedAt.IsZero() || a.Checkpoint != "1" || !a.Listed {
			t.Errorf("a is %+v", a)
		}
		if b.Finished || b.Checkpoint != "2" || b.CheckpointTime.IsZero() || b.Parent != "a" || b.Worker != "one" || b.Epoch != 2 {
			t.Errorf("b is %+v", b)
		}
		if child != (ShardStatus{Shard: "c", Parent: "b", Listed: true, Epoch: 1}) {
			t.Errorf("c is %+v", child)
		}
		wantStop(t, w)
	})
}

// TestS23SmallPagesAreNotReadInARow: a handler that writes to the table it reads
// finds its own writes in the stream, a few at a time.
func TestS23SmallPagesAreNotReadInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s := newStream(a)
		s.changed = nil                     // a server that tells nobody
		s.read = func(backend.RecordPage) { // each read is followed by a write
			a.records = append(a.records, backend.Record{Sequence: fmt.Sprint(len(a.records) + 1)})
		}
		w := work(t, s, newTable(), config{PollInterval: 200 * time.Millisecond}, nil)
		pass(10 * time.Second)
		if n := s.count("Records"); n < 40 || n > 65 {
			t.Errorf("%d reads in 10 s, want about 50", n)
		}
		wantStop(t, w)
	})
}
