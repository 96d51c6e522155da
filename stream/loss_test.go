package stream

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

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
		c.set(func() { delete(c.items, lease.Key(daemons(s.arn), "a")) })
		w = work(t, s, c, config{}, nil)
		pass(time.Minute)
		w.wants(t, "a/3")
		wantStop(t, w)
	})
}

// An iterator that is not found need not mean that the shard is gone: a new one may be.
func TestS6NotFoundIsAskedForAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1"))
		s.fault = func(op, _ string) error {
			if op == "Records" && len(s.opens) == 1 {
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
		trimmed := true // the iterator that waits, however often it is used
		s.edit(func() {
			a.records = append(a.records, backend.Record{Sequence: "1"})
			s.fault = func(op, _ string) error {
				trimmed = trimmed && op != "Iterator"
				if op == "Records" && trimmed {
					return fail(op, backend.KindTrimmed)
				}
				return nil
			}
		})
		pass(time.Minute)
		w.wants(t, "a/1")
		if log.count("DATA LOSS") != 0 || log.count("trying again") != 0 {
			t.Error("a loss or a failure was logged")
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

// The same without an answer that says so: the iterator expired meanwhile, and one
// that is opened anew at the trim horizon brings what is left.
func TestS6FrozenForADayInAnEmptyShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, openShard("a", ""))
		one := c.hire("one", config{}, nil)
		pass(time.Minute)
		one.gate.shut()
		pass(25 * time.Hour)
		c.stream.edit(func() { c.stream.fault = onceEach([]string{"a"}, "Records", backend.KindExpired) })
		one.gate.thaw()
		pass(time.Minute)
		wantError[*DataLossError](t, one.ended(t))
	})
}

// Empty pages do not prove that a shard holds nothing: what is lost begins with the
// first record that was not processed, and not with them.
func TestS6EmptyPagesBeforeALoss(t *testing.T) {
	t.Parallel()
	throttled := func(string, string) error { return fail("Records", backend.KindThrottled) }
	for name, fiveHours := range map[string]func(t *testing.T, s *fakeStream, c *fakeTable, w *worker, write func()) *worker{
		"nobody reads": func(t *testing.T, s *fakeStream, c *fakeTable, w *worker, write func()) *worker {
			wantStop(t, w)
			write()
			pass(5 * time.Hour)
			s.shards[0].dry = true
			return work(t, s, c, config{}, nil)
		},
		"reads fail": func(_ *testing.T, s *fakeStream, _ *fakeTable, w *worker, write func()) *worker {
			s.edit(func() { s.fault = throttled })
			write()
			pass(5 * time.Hour)
			s.edit(func() { s.fault, s.shards[0].dry = nil, true })
			return w
		},
		"the record is in flight": func(_ *testing.T, s *fakeStream, _ *fakeTable, w *worker, write func()) *worker {
			w.keeps(keepAll)
			write()
			pass(5 * time.Hour)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := openShard("a", "", "1")
				s, c := newStream(a, openShard("z", "", "7")), newTable()
				w := work(t, s, c, config{}, nil)
				pass(2 * time.Minute)
				made := time.Now()
				w = fiveHours(t, s, c, w, func() { s.edit(func() { a.records = append(a.records, openShard("a", "", "2").records...) }) })
				pass(30 * time.Second)
				wantStop(t, w)
				s.edit(func() { a.dry, a.trimmed = false, "2" })
				loss := wantError[*DataLossError](t, work(t, s, c, config{}, nil).ended(t))
				if loss.Shard != "a" || loss.After != "1" || loss.AfterTime.After(made) {
					t.Errorf("the loss is %+v, and the record that is lost is of %v", loss, made)
				}
			})
		})
	}
}

// A shard that brings nothing for days is read for days: its lease says so, in few
// writes, and whoever goes on with it reports no loss.
func TestS6QuietForDays(t *testing.T) {
	t.Parallel()
	slow := config{
		PollInterval: 20 * time.Second, MaxIdle: 20 * time.Second, LeaseDuration: 5 * time.Minute,
		CheckpointInterval: 5 * time.Minute, SyncInterval: 5 * time.Minute,
	}
	for name, shard := range map[string]*fakeShard{"never written": openShard("a", ""), "written once": openShard("a", "", "1")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, shard)
				one := c.hire("one", slow, nil)
				for range 3 {
					pass(24 * time.Hour)
					c.stream.edit(func() { c.stream.fault = onceEach([]string{"a"}, "Records", backend.KindExpired) })
				}
				if n := c.control.written(shardPrefix + "a"); n > 3*24+5 {
					t.Errorf("the lease was written %d times in three days", n)
				}
				one.gate.shut() // dead, for all that the others know
				for range 2 {
					pass(20 * time.Hour)
					next := c.hire("next", slow, nil)
					pass(time.Hour)
					if age := time.Since(c.control.lease(c.stream.arn, "a").Checkpoint.At); age > 3*time.Hour {
						t.Errorf("the lease says that what is unread may be %v old", age)
					}
					wantStop(t, next.worker)
				}
				if l := c.control.lease(c.stream.arn, "a"); l.Lost != "" {
					t.Errorf("a loss was reported: %s", l.Lost)
				}
			})
		})
	}
}

// Where the backend says that there is no more, a run of seconds is enough for it.
func TestS6QuietForDaysInShortRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "")), newTable()
		s.tells = true
		for range 4 {
			w := work(t, s, c, config{}, nil)
			pass(5 * time.Second)
			wantStop(t, w)
			pass(20 * time.Hour)
		}
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
		c.set(func() { delete(c.items, lease.Key(daemons(s.arn), "a")) })
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
		a := openShard("a", "", "1")
		s, failures := newStream(a), 4
		s.fault = func(op, _ string) error {
			if failures > 0 && (op == "Iterator" || op == "Records") {
				failures--
				return fail(op, backend.KindNotFound)
			}
			return nil
		}
		w := work(t, s, newTable(), config{}, nil)
		pass(time.Minute)
		w.wants(t, "a/1")
		s.edit(func() { // as often again, and it was found in between
			failures = 4
			a.records = append(a.records, backend.Record{Sequence: "2"})
		})
		pass(time.Minute)
		w.wants(t, "a/1", "a/2")
		wantStop(t, w)
	})
}
