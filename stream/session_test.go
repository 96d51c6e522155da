package stream

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
	"github.com/postroom/postroom/stream/internal/shard"
)

// inHalf starts two workers, each with half of some shards, and records for them.
func inHalf(c *crew) (one, two *hand) {
	c.t.Helper()
	hands := c.hireAll("one", "two")
	c.write()
	pass(2 * time.Second)
	c.wantShare(hands[0], 2, 2)
	c.wantShare(hands[1], 2, 2)
	return hands[0], hands[1]
}

func TestS5CrashedWorkerIsTakenOver(t *testing.T) {
	t.Parallel()
	for _, victim := range []int{0, 1} { // the leader, and a follower
		t.Run(fmt.Sprint(victim), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(4)...)
				one, two := inHalf(c)
				dead, next := []*hand{one, two}[victim], []*hand{one, two}[1-victim]
				dead.gate.shut()
				c.write()
				took := c.until("the new owner", func() bool { return len(next.reads()) == 4 })
				if took < 6*time.Second || took > crashTime { // a heartbeat may be a third of a lease old
					t.Errorf("acquired after %v, want the lease duration", took)
				}
				pass(2 * time.Second)
				c.wantOnce()
				c.wantShare(next, 4, 4)
				c.until("a leader", func() bool { return c.leader() == next })
			})
		})
	}
}

// The observer honours the longer lease of the worker that it observes.
func TestExpiryWaitsForTheLongerLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		patient := c.hire("patient", config{LeaseDuration: time.Minute}, nil)
		pass(time.Second)
		hasty := c.hire("hasty", config{LeaseDuration: time.Second}, nil)
		pass(20 * time.Second)
		c.wantShare(hasty, 1, 1)
		patient.gate.shut()
		pass(39 * time.Second)
		c.wantShare(hasty, 1, 1)
		pass(22 * time.Second)
		c.wantShare(hasty, 2, 2)
	})
}

// Two workers may have one name.
func TestWorkersOfOneName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(manyShards(4)...), newTable()
		one := work(t, s, c, config{Worker: "same"}, nil)
		two := work(t, s, c, config{Worker: "same"}, nil)
		pass(time.Minute)
		if a, b := one.Stats(), two.Stats(); a.Leases != 2 || b.Leases != 2 || a.Leads == b.Leads {
			t.Errorf("%+v and %+v", a, b)
		}
		if n := len(one.got()) + len(two.got()); n != 4 {
			t.Errorf("two readers of one name read %d records of 4", n)
		}
		wantStop(t, one)
		wantStop(t, two)
	})
}

// A worker freezes in the middle of a call of each kind, its session is expired,
// and it wakes up: it delivers and writes nothing more of what it had, notices, and
// rejoins.
func TestS5FrozenWorkerThatWakesUp(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		"Put WORKER#", "answer to Put WORKER#", "Put SHARD#", "answer to Put SHARD#", "Put LEADER", "answer to Put LEADER",
		"Query WORKER#", "answer to Query WORKER#", "Query SHARD#", "answer to Query SHARD#",
		"Iterator", "answer to Iterator", "Records", "answer to Records", "Shards", "answer to Shards", "Handle",
		"Children", "answer to Children",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(4)...)
				one, two := inHalf(c)
				one.gate.shutAt(call)
				// Something for every kind of call: records, the end of a shard, and an
				// iterator that is too old.
				reads := one.reads()
				c.stream.edit(func() { c.stream.fault = onceEach(reads, "Records", backend.KindExpired) })
				c.write()
				c.roll(reads[0])
				c.until("the freeze", one.gate.isShut)
				c.write()
				pass(30 * time.Second)
				c.wantShare(two, 5, 5)
				if two.Stats().Workers != 1 {
					t.Error("the frozen worker counts as alive")
				}
				before := len(one.got())
				c.write()
				one.gate.thaw()
				synctest.Wait()
				if n := len(one.got()); n > before+1 && call != "Handle" || n > before+2 {
					t.Errorf("after its session was expired it delivered %v", one.got()[before:])
				}
				pass(10 * time.Second)
				if s := one.Stats(); s.Expired != 1 || s.Workers != 2 {
					t.Errorf("the worker whose session was expired: %+v", s)
				}
				c.wantShare(one, 2, 3)
				c.wantShare(two, 2, 3)
				c.write()
				pass(5 * time.Second)
				c.finale()
				wantStop(t, one.worker)
				wantStop(t, two.worker)
			})
		})
	}
}

// onceEach fails one call of each shard.
func onceEach(shards []string, op string, kind backend.Kind) func(string, string) error {
	left := slices.Clone(shards)
	return func(called, of string) error {
		if i := slices.Index(left, of); called == op && i >= 0 {
			left = slices.Delete(left, i, i+1)
			return fail(op, kind)
		}
		return nil
	}
}

// A worker freezes while it transfers a shard, and its session is expired.
func TestS5FrozenWhileTransferring(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Put SHARD#", "answer to Put SHARD#"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(4)...)
				one := c.hire("one", config{}, nil)
				pass(5 * time.Second)
				one.gate.shutAt(call) // nothing else is to be written
				two := c.hire("two", config{}, nil)
				c.until("the freeze", one.gate.isShut)
				pass(30 * time.Second)
				c.wantShare(two, 4, 4)
				one.gate.thaw()
				pass(10 * time.Second)
				c.wantShare(one, 2, 2)
				c.wantShare(two, 2, 2)
				c.write()
				pass(5 * time.Second)
				c.finale()
			})
		})
	}
}

// A worker freezes while it acquires leases that others may acquire then.
func TestS5FrozenWhileAcquiring(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Put SHARD#", "answer to Put SHARD#"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(6)...)
				hands := c.hireAll("one", "two", "three")
				hands[1].gate.shutAt(call)
				wantStop(t, hands[0].worker)
				pass(30 * time.Second)
				c.write()
				hands[1].gate.thaw()
				pass(10 * time.Second)
				c.wantShare(hands[1], 3, 3)
				c.wantShare(hands[2], 3, 3)
				c.write()
				pass(5 * time.Second)
				c.finale()
			})
		})
	}
}

// A checkpoint alone tells a worker that a shard is another's.
func TestS5CheckpointOfAShardThatIsAnothers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1"), openShard("b", "", "2")), newTable()
		w := work(t, s, c, config{LeaseDuration: time.Hour, SyncInterval: time.Hour}, keepAll)
		pass(time.Second)
		other := c.lease(s.arn, "a")
		other.Worker, other.Session, other.Epoch = "other", "x", other.Epoch+1
		key := lease.Key(s.arn, "a")
		c.set(func() { c.items[key] = other.Encode(s.arn) })
		w.ack("a/1")
		w.ack("b/2")
		pass(time.Minute)
		if s := w.Stats(); s.Lost != 1 || s.Leases != 1 || s.Expired != 0 {
			t.Errorf("%+v", s)
		}
		if l := c.lease(s.arn, "a"); l != other {
			t.Errorf("the other's lease is %+v", l)
		}
		if l := c.lease(s.arn, "b"); l.Checkpoint.Sequence != "2" {
			t.Errorf("the other shard's lease is %+v", l)
		}
		wantStop(t, w)
	})
}

// An acknowledgement that comes while a shard is transferred does not change the
// checkpoint in the new owner's lease.
func TestS13TransferredLeaseIsNotWrittenByItsOldOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		one := c.hire("one", config{DrainTimeout: time.Second, CheckpointInterval: time.Second}, keepAll)
		pass(5 * time.Second)
		one.gate.shutAt("answer to Put SHARD#")
		two := c.hire("two", config{}, keepAll)
		c.until("the transfer", func() bool { return one.gate.isShut() && len(c.heldBy("two")) == 1 })
		for _, id := range one.got() {
			one.ack(id)
		}
		pass(1500 * time.Millisecond) // a flush of both shards begins
		one.gate.thaw()
		pass(5 * time.Second)
		if l := c.control.lease(c.stream.arn, c.heldBy("two")[0]); l.Checkpoint.Sequence != "" {
			t.Errorf("the new owner's lease says %s", l.Checkpoint.Sequence)
		}
		for _, id := range two.got() {
			two.ack(id)
		}
		pass(5 * time.Second)
		c.finale()
		wantStop(t, two.worker)
		wantStop(t, one.worker)
	})
}

// Two workers find the same session silent, and one of them sleeps over it.
func TestTwoExpireTheSameSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(6)...)
		hands := c.hireAll("one", "two", "three")
		victim, run := hands[2], hands[2].current.Load().self.Session
		victim.gate.shut()
		for _, h := range hands[:2] {
			h.gate.shutAt("Put WORKER#" + run)
		}
		c.until("both are about to expire it", func() bool { return hands[0].gate.isShut() && hands[1].gate.isShut() })
		hands[0].gate.thaw()
		hands[1].gate.thaw()
		pass(10 * time.Second)
		if a, b := hands[0].Stats(), hands[1].Stats(); a.Expired+b.Expired != 0 || a.Workers != 2 || b.Workers != 2 {
			t.Errorf("%+v and %+v", a, b)
		}
		c.wantShare(hands[0], 3, 3)
		victim.gate.thaw()
		pass(10 * time.Second)
		for _, h := range hands {
			c.wantShare(h, 2, 2)
		}
		if n := victim.Stats().Expired; n != 1 {
			t.Errorf("the victim was expired %d times", n)
		}
	})
}

// A session that is about to be expired sends a heartbeat.
func TestExpiryOfASessionThatLivesFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		one, two := inHalf(c)
		two.gate.shut()
		c.expiresInVain(one, two)
	})
}

// The same while the leases are looked at, when nothing is read again before shards
// are acquired.
func TestExpiryThatFailsDuringALookAcquiresNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		one, two := inHalf(c)
		two.gate.shut()
		pass(9 * time.Second) // for a lease of ten, and seen within lookPause
		r := one.current.Load()
		r.group.look.Store(true)
		one.gate.shutAt("Query " + shardPrefix)
		signal(r.lookNow)
		c.until("the look", one.gate.isShut)
		pass(2500 * time.Millisecond)
		one.gate.thaw()
		c.expiresInVain(one, two)
	})
}

// expiresInVain lets a frozen worker send a heartbeat just before another expires
// its session, and checks that nothing comes of that.
func (c *crew) expiresInVain(one, frozen *hand) {
	c.t.Helper()
	c.movedSince()
	one.gate.shutAt("Put WORKER#" + frozen.current.Load().self.Session)
	c.until("the expiry", one.gate.isShut)
	frozen.gate.thaw()
	pass(time.Second) // its heartbeat
	one.gate.thaw()
	pass(5 * time.Second)
	if n := frozen.Stats().Expired + one.Stats().Expired; n != 0 || len(c.movedSince()) > 0 {
		c.t.Errorf("a session that lives was expired %d times, or its shards moved", n)
	}
	c.write()
	pass(2 * time.Second)
	c.wantOnce()
}

// While the control table cannot be reached nobody can send a heartbeat, and no
// session is expired for that.
func TestOutageLongerThanTheLeaseHoldsAndGoesOn(t *testing.T) {
	t.Parallel()
	for outage := 5 * time.Second; outage < 2*time.Minute; outage += 7700 * time.Millisecond {
		t.Run(outage.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, log := newCrew(t, manyShards(6)...), &logs{}
				one := c.hire("one", config{Logger: logger(log)}, nil)
				pass(2 * time.Second)
				c.hireAll("two", "three")
				c.write()
				pass(5 * time.Second)
				c.movedSince()
				c.control.set(func() {
					c.control.fault = func(op, _ string) error { return fail(op, backend.KindUnavailable) }
				})
				pass(min(outage, 20*time.Second))
				got := len(one.got())
				c.write()
				pass(outage - min(outage, 20*time.Second))
				if n := len(one.got()); outage > 20*time.Second && n != got {
					t.Error("delivered without a lease: the shard might be another's by now")
				}
				c.control.set(func() { c.control.fault = nil })
				pass(25 * time.Second)
				for _, h := range c.hands {
					if s := h.Stats(); s.Expired > 0 || s.Lost > 0 || s.Workers != 3 {
						t.Errorf("%s: %+v", h.name, s)
					}
				}
				if moves := c.movedSince(); len(moves) > 0 {
					t.Errorf("moved: %v", moves)
				}
				c.wantOnce()
				c.finale()
				if a, b := log.count("sending a heartbeat fails"), log.count("sending a heartbeat works again"); a != b || a > 1 {
					t.Errorf("the outage was logged %d times and its end %d times", a, b)
				}
				for _, h := range c.hands {
					wantStop(t, h.worker)
				}
			})
		})
	}
}

// While its lease has run out a worker writes no checkpoint, though it could.
func TestS5NoCheckpointWithoutALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1", "2").close()), newTable()
		w := work(t, s, c, config{}, keepAll)
		pass(time.Minute)
		c.set(func() {
			c.fault = func(op, sk string) error {
				if op == "Put" && strings.HasPrefix(sk, workerPrefix) {
					return fail(op, backend.KindUnavailable)
				}
				return nil
			}
		})
		pass(20 * time.Second)
		w.ack("a/1")
		pass(time.Minute)
		w.ack("a/2")
		pass(time.Minute)
		if l := c.lease(s.arn, "a"); l.Checkpoint.Sequence != "" || l.Finished {
			t.Errorf("without a lease it wrote %+v", l)
		}
		c.set(func() { c.fault = nil })
		pass(12 * time.Second)
		if l := c.lease(s.arn, "a"); l.Checkpoint.Sequence != "2" || !l.Finished {
			t.Errorf("with its lease again it wrote %+v", l)
		}
		wantStop(t, w)
	})
}

// slowTable answers late.
type slowTable struct{ *fakeTable }

func (c slowTable) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	units, err := c.fakeTable.Put(ctx, item, condition)
	time.Sleep(2 * time.Second)
	return units, err
}

func TestSessionIsValidFromBeforeTheHeartbeatWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReader(newStream(), slowTable{newTable()}, nil, config{})
		opt, err := r.opt.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(r, opt, shard.NewInFlight(1, 1), incident.NewLog(opt.Logger))
		for _, act := range []func() error{
			func() error { return s.join(t.Context()) },
			func() error { return s.heartbeat.Beat(t.Context()) },
		} {
			sent := time.Now()
			if err := act(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(sent.Add(10*time.Second - 1)))
			if !s.heartbeat.Valid() {
				t.Error("the session is in doubt too early")
			}
			time.Sleep(time.Nanosecond)
			if s.heartbeat.Valid() {
				t.Error("the session is valid for longer than since its heartbeat was sent")
			}
		}
	})
}

// Answers are lost after writes of every kind: joining, acquiring, transferring,
// finishing, expiring and leaving included.
func TestLostAnswersDoNoHarm(t *testing.T) {
	t.Parallel()
	for _, inARow := range []int{1, 2} {
		for _, what := range []string{"", workerPrefix, shardPrefix, leaderSK} {
			t.Run(fmt.Sprintf("%d of %q", inARow, what), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := newCrew(t, manyShards(6)...)
					count := map[string]int{}
					c.control.lost = func(sk string) error {
						if !strings.HasPrefix(sk, what) {
							return nil
						}
						if count[sk]++; count[sk]%(inARow+1) != 0 { // the first answer included
							return fail("Put", backend.KindUnavailable)
						}
						return nil
					}
					removals := 0
					c.control.fault = func(op, _ string) error {
						if op == "BatchWrite" { // asked after it was done
							if removals++; removals%(inARow+1) != 0 {
								return fail(op, backend.KindUnavailable)
							}
						}
						return nil
					}
					hands := c.hireAll("one", "two", "three")
					pass(10 * time.Second)
					for range 5 {
						c.write()
						pass(5 * time.Second)
					}
					c.roll()
					pass(10 * time.Second)
					c.wantOnce()
					c.finale()
					for _, h := range hands {
						c.wantShare(h, 4, 4)
						if n := h.Stats().Expired; n != 0 {
							t.Errorf("%s was expired", h.name)
						}
					}
					hands[0].gate.shut() // the leader dies
					pass(crashTime + 10*time.Second)
					wantStop(t, hands[1].worker)
					pass(15 * time.Second)
					c.wantShare(hands[2], 12, 12)
					hands[0].gate.thaw()
					c.write()
					pass(15 * time.Second)
					c.finale()
					wantStop(t, hands[2].worker)
				})
			})
		}
	}
}

func TestWrongAtStartFailsAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []backend.Kind{backend.KindDenied, backend.KindInvalid, backend.KindNotFound} {
		for _, op := range []string{"Shards", "Put", "Query", "Get"} {
			t.Run(op+" "+kind.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, c := newStream(openShard("a", "", "1")), newTable()
					fault := func(called, _ string) error {
						if called == op {
							return fail(op, kind)
						}
						return nil
					}
					s.fault, c.fault = fault, fault
					begin := time.Now()
					w := work(t, s, c, config{}, nil)
					if err := w.ended(t); backend.KindOf(err) != kind {
						t.Errorf("error is %v", err)
					}
					most := time.Duration(0)
					if (op == "Query" || op == "Get") && kind != backend.KindDenied {
						most = patience + time.Minute // the table was found by then
					}
					if took := time.Since(begin); took > most {
						t.Errorf("failed after %v", took)
					}
				})
			})
		}
	}
}

func TestWrongLaterIsTriedForAWhile(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"Records", "Iterator", "Shards", "Query", "Get", "Put WORKER#", "Put LEADER", "Put SHARD#"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := openShard("a", "", "1")
				s, c := newStream(a), newTable()
				w := work(t, s, c, config{}, nil)
				pass(time.Minute)
				fault := func(op, of string) error {
					if strings.HasPrefix(op+" "+of, where) {
						return fail(op, backend.KindDenied)
					}
					return nil
				}
				s.edit(func() {
					s.fault = fault
					a.records = append(a.records, backend.Record{Sequence: "2"})
					clear(s.iterates) // so that one is asked for
				})
				c.set(func() { c.fault = fault })
				if where == "Get" { // it is asked for when there is no leader
					c.set(func() { delete(c.items, membership.LeaderKey(s.arn)) })
				}
				begin := time.Now()
				if err := w.ended(t); backend.KindOf(err) != backend.KindDenied {
					t.Errorf("error is %v", err)
				}
				if took := time.Since(begin); took < patience || took > patience+time.Minute {
					t.Errorf("given up after %v", took)
				}
			})
		})
	}
}
