package stream

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/membership"
	"github.com/postroom/postroom/stream/internal/shard"
)

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

// A worker whose session was expired does not join again once it is to stop.
func TestExpiredAndStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, log := newStream(openShard("a", "")), newTable(), &logs{}
		w := work(t, s, c, config{Logger: logger(log)}, nil)
		pass(time.Minute)
		self := w.current.Load().self
		c.set(func() {
			gone := membership.Worker{Owner: self, Counter: -1, LeaseDuration: 10 * time.Second, Expired: true}
			c.items[membership.WorkerKey(daemons(s.arn), self.Session)] = gone.Encode(daemons(s.arn))
		})
		for log.count("session was expired") == 0 {
			pass(10 * time.Millisecond)
		}
		before := s.count("Shards")
		wantStop(t, w)
		if n := s.count("Shards") - before; n != 0 {
			t.Errorf("the stream was listed %d times since", n)
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
		retry.Wake(r.lookNow)
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

func TestSessionIsValidFromBeforeTheHeartbeatWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &delayedTable{fakeTable: newTable()}
		slow := func(ctx context.Context, _ string) error { return retry.Sleep(ctx, 2*time.Second, nil) }
		c.delay.Store(&slow)
		r := newReader(newStream(), c, nil, config{})
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
