package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
)

// A transfer takes the next look of the old owner, its drain, and the next look of
// the new one, which is notified at once.
const (
	lookPause = 1200 * time.Millisecond // the longest between two looks, at leases of ten seconds
	crashTime = 10*time.Second + 2*lookPause
)

func TestS14NewcomerReceivesItsHalf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, log := newCrew(t, manyShards(6)...), &logs{}
		one := c.hire("one", config{Logger: logger(log)}, nil)
		pass(5 * time.Second)
		c.wantShare(one, 6, 6)
		two := c.hire("two", config{Logger: logger(log)}, nil)
		for range 100 { // records come all the while
			pass(100 * time.Millisecond)
			c.write()
		}
		pass(2 * time.Second)
		c.wantShare(one, 3, 3)
		c.wantShare(two, 3, 3)
		c.wantOnce()
		c.finale()
		if s := one.Stats(); s.Transferred != 3 || s.Acquired != 6 || s.Lost != 0 || s.Workers != 2 || s.Leases != 3 {
			t.Errorf("the first: %+v", s)
		}
		if s := two.Stats(); s.Received != 3 || s.Acquired != 0 || s.Lost != 0 || s.Workers != 2 || s.Leases != 3 {
			t.Errorf("the second: %+v", s)
		}
		if log.count(`"acquired shards" shards=6 of=6`) != 1 || log.count(`"received shards"`) == 0 || log.count(" shards=0 ") > 0 {
			t.Errorf("the log:\n%s", log.b.String())
		}
		wantStop(t, two.worker)
		wantStop(t, one.worker)
	})
}

func TestS14RollingRestartOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(23)...)
		hands := c.hireAll("a1", "b1", "c1", "d1", "e1")
		c.movedSince()
		settled := func(change string) {
			t.Helper()
			for range 10 {
				pass(time.Second)
				c.write()
			}
			for shard, n := range c.movedSince() {
				if n > 1 {
					t.Errorf("%s: %s moved %d times", change, shard, n)
				}
			}
		}
		for i, h := range hands {
			go h.cancel()
			settled("stop of " + h.name)
			next := c.hire(string(rune('a'+i))+"2", config{}, nil)
			settled("start of " + next.name)
			c.wantShare(next, 4, 5)
		}
		pass(2 * time.Second)
		c.wantOnce()
		c.finale()
	})
}

// A settled worker group moves nothing.
func TestS14NothingMovesWithoutAChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(7)...)
		c.hireAll("one", "two", "three")
		pass(10 * time.Second)
		c.movedSince()
		pass(5 * time.Minute)
		if moves := c.movedSince(); len(moves) > 0 {
			t.Errorf("moved: %v", moves)
		}
	})
}

// Hundreds of shards and many workers, all at once.
func TestS15ColdStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(300)...)
		c.stream.pageSize = 100
		var hands []*hand
		for i := range 5 {
			hands = append(hands, c.hire(fmt.Sprint("w", i), config{}, nil))
		}
		pass(10 * time.Second)
		for _, h := range hands {
			c.wantShare(h, 60, 60)
		}
		c.finale()
	})
}

// mimic sends heartbeats of a worker that does nothing else, until the test ends.
func (c *crew) mimic(name string) {
	w := membership.Worker{Owner: lease.Owner{Worker: name, Session: name}, LeaseDuration: 10 * time.Second}
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			w.Counter++
			w.RenewedAt = time.Now()
			c.control.set(func() {
				c.control.items[membership.WorkerKey(daemons(c.stream.arn), name)] = w.Encode(daemons(c.stream.arn))
			})
			select {
			case <-time.After(w.LeaseDuration / 3):
			case <-ended:
				return
			}
		}
	}()
	c.t.Cleanup(func() { close(ended); <-stopped })
}

// The worker that is to acquire a lease lives, and does not acquire it.
func TestS16FreeLeasesThatNobodyAcquires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		c.mimic("idler")
		one := c.hire("one", config{}, nil)
		pass(5 * time.Second)
		c.wantShare(one, 2, 2)
		pass(10*time.Second + lookPause)
		if n := len(one.got()); n != 4 {
			t.Errorf("%d of 4 shards were read", n)
		}
		wantStop(t, one.worker)
	})
}

// The answer to the creation of a lease is lost: it is there, and acquired as soon
// as the shards are listed again. Until then nobody is idle.
// TestS16NextRoundComesSooner where leases are left for others to acquire.
func TestS16NextRoundComesSooner(t *testing.T) {
	t.Parallel()
	s := &session{opt: Options{LeaseDuration: 30 * time.Second}}
	s.group.members = &membership.Group{}
	for left, between := range map[bool][2]time.Duration{
		false: {2400 * time.Millisecond, 3600 * time.Millisecond}, true: {800 * time.Millisecond, 1200 * time.Millisecond},
	} {
		s.group.left = left
		if pause := s.untilNextRound(); pause < between[0] || pause > between[1] {
			t.Errorf("the next round comes after %v where leases are left is %v, want %v", pause, left, between)
		}
	}
}

func TestS15LeaseWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		lost := map[string]bool{}
		c.control.lost = func(sk string) error {
			if strings.HasPrefix(sk, shardPrefix) && !lost[sk] {
				lost[sk] = true
				return &backend.Error{Op: "Put", Kind: backend.KindUnavailable}
			}
			return nil
		}
		one := c.hire("one", config{}, nil)
		for range 50 {
			pass(100 * time.Millisecond)
			if _, idle := one.IdleSince(); idle && len(one.got()) < 2 {
				t.Fatal("idle, with a shard that nobody reads")
			}
		}
		c.wantShare(one, 2, 2)
		c.finale()
		wantStop(t, one.worker)
	})
}

// Whatever an operator makes of a lease, who owns it by the table and who reads
// it are one and the same again after the next look at the leases.
func TestS16TableAndReadersAgreeAgain(t *testing.T) {
	t.Parallel()
	for what, meddle := range map[string]func(c *crew, one, two *hand){
		"given to the other": func(c *crew, _, two *hand) {
			run := c.control.lease(c.stream.arn, c.heldBy(two.name)[0]).Session
			c.change("s00", func(l *lease.Lease) { l.Worker, l.Session, l.Epoch = two.name, run, l.Epoch+1 })
		},
		"given to nobody there is": func(c *crew, _, _ *hand) {
			c.change("s00", func(l *lease.Lease) { l.Worker, l.Session, l.Epoch = "nobody", "none", l.Epoch+1 })
		},
		"freed": func(c *crew, _, _ *hand) {
			c.change("s00", func(l *lease.Lease) { l.Worker, l.Session = "", "" })
		},
		"removed": func(c *crew, _, _ *hand) { c.strike("s00") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(4)...)
				hands := c.hireAll("one", "two")
				c.wantShare(hands[0], 2, 2)
				if !slices.Contains(c.heldBy("one"), "s00") {
					slices.Reverse(hands)
				}
				meddle(c, hands[0], hands[1])
				pass(36*time.Second + 3*lookPause) // the longest between two listings, and what is to be transferred
				c.write()
				pass(time.Second)
				c.wantShare(hands[0], 1, 3)
				c.wantShare(hands[1], 1, 3)
				if held := append(c.heldBy("one"), c.heldBy("two")...); len(held) != 4 {
					t.Errorf("held are %v", held)
				}
				c.finale()
				wantStop(t, hands[0].worker)
				wantStop(t, hands[1].worker)
			})
		})
	}
}

// Children are read after their parents, whoever has those.
func TestS3ParentsAndChildrenOfSeveralWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(6)...)
		hands := c.hireAll("one", "two", "three")
		for _, h := range hands {
			h.keeps(keepAll) // so that parents stay unfinished
		}
		c.write()
		pass(time.Second)
		c.roll()
		pass(time.Minute)
		for _, h := range hands {
			if slices.ContainsFunc(h.got(), isChilds) {
				t.Errorf("%s was given a child: %v", h.name, h.got())
			}
			h.keeps(nil)
		}
		for _, h := range hands {
			for _, id := range h.got() {
				h.ack(id)
			}
			pass(time.Second)
		}
		pass(5 * time.Second)
		c.wantOnce()
		c.finale()
	})
}

// isChilds reports whether a record is of a shard that rolled out of another.
func isChilds(id string) bool { return strings.IndexByte(id, '/') > len("s00") }

// A shard that rolls waits for nobody and moves nothing: whoever has read it goes
// on with its children.
func TestS10RollingShardsStayWithTheirWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		one, two := inHalf(c)
		c.movedSince()
		for range 4 { // a shard of each in turn, so that they stay within one of another
			for _, h := range []*hand{one, two} {
				had := len(h.reads())
				c.roll(h.reads()[0])
				pass(100 * time.Millisecond)
				c.wantShare(h, had+1, had+1)
				pass(10 * time.Second)
			}
		}
		for shard, n := range c.movedSince() {
			if n != 1 {
				t.Errorf("%s moved %d times", shard, n)
			}
		}
		c.wantOnce()
		c.finale()
	})
}
