package stream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/membership"
)

// destined is a config with a destination.
func destined(to string) config { return config{Destination: to} }

// wantRefused checks that a worker has ended, and names both destinations.
func (c *crew) wantRefused(h *hand, group, own string) {
	c.t.Helper()
	e := wantError[*DestinationError](c.t, h.ended(c.t))
	if e.Group != group || e.Own != own || e.Worker == "" || !strings.Contains(e.Error(), group) || !strings.Contains(e.Error(), own) {
		c.t.Errorf("%+v", e)
	}
}

// wantDestination checks what the control table says.
func (c *crew) wantDestination(want string) {
	c.t.Helper()
	status, err := ReadStatus(c.t.Context(), c.stream, c.control, "")
	if err != nil || status.Destination != want {
		c.t.Errorf("the destination is %q (%v), want %q", status.Destination, err, want)
	}
}

// TestF2SecondDestinationIsRefused: the group goes on and notices nothing, and one
// with the group's destination joins.
func TestF2SecondDestinationIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		one := c.hire("one", destined("queue a"), nil)
		pass(5 * time.Second)
		begin := time.Now()
		c.wantRefused(c.hire("two", destined("queue b"), nil), "queue a", "queue b")
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("refused after %v", took)
		}
		c.wantShare(one, 4, 4)
		if n := one.Stats().Transferred; n > 0 {
			t.Errorf("%d leases were transferred", n)
		}
		three := c.hire("three", destined("queue a"), nil)
		pass(5 * time.Second)
		c.wantShare(one, 2, 2)
		c.wantShare(three, 2, 2)
		c.wantDestination("queue a")
	})
}

// TestF2DestinationChangesWithAllWorkersStopped: at once.
func TestF2DestinationChangesWithAllWorkersStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		one := c.hire("one", destined("queue a"), nil)
		pass(5 * time.Second)
		wantStop(t, one.worker)
		var log logs
		o := destined("queue b")
		o.Logger = logger(&log)
		two := c.hire("two", o, nil)
		pass(3 * time.Second)
		c.wantShare(two, 2, 2)
		c.wantDestination("queue b")
		if log.count(`another destination now" destination="queue b" before="queue a"`) != 1 {
			t.Errorf("the log:\n%s", log.b.String())
		}
		c.wantRefused(c.hire("one again", destined("queue a"), nil), "queue b", "queue a")
	})
}

// TestF2DestinationAfterACrash: the heartbeats that still stand are waited for, and
// who wakes up later is refused.
func TestF2DestinationAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		one := c.hire("one", destined("queue a"), nil)
		pass(5 * time.Second)
		one.gate.shut()
		two := c.hire("two", destined("queue b"), nil)
		pass(9 * time.Second)
		c.wantDestination("queue a")
		pass(10 * time.Second)
		c.wantShare(two, 4, 4)
		c.wantDestination("queue b")
		one.gate.thaw()
		c.wantRefused(one, "queue b", "queue a")
		c.wantShare(two, 4, 4)
	})
}

// TestF2TwoFirstStartsAtOnce: one wins, and the other is refused.
func TestF2TwoFirstStartsAtOnce(t *testing.T) {
	t.Parallel()
	for _, trap := range []string{"Get DESTINATION", "Put WORKER#", "answer to Put WORKER#", "Put DESTINATION", "answer to Put DESTINATION"} {
		t.Run(trap, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(2)...)
				slow := c.hire("slow", destined("queue a"), nil)
				slow.gate.shutAt(trap)
				pass(time.Second)
				fast := c.hire("fast", destined("queue b"), nil)
				pass(time.Second)
				slow.gate.thaw()
				pass(20 * time.Second)
				c.wantOneLeft(slow, fast)
			})
		})
	}
}

// TestF2ChangeBesideAStart: one worker changes the destination while another joins
// with the old one. Wherever the first is held up, both never work.
func TestF2ChangeBesideAStart(t *testing.T) {
	t.Parallel()
	for _, trap := range []string{
		"answer to Get DESTINATION", "Put WORKER#", "answer to Put WORKER#", "Query WORKER#", "answer to Query WORKER#",
		"Put DESTINATION", "answer to Put DESTINATION",
	} {
		t.Run(trap, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(2)...)
				before := c.hire("before", destined("queue a"), nil)
				pass(time.Second)
				wantStop(t, before.worker)
				changes := c.hire("changes", destined("queue b"), nil)
				changes.gate.shutAt(trap)
				pass(time.Second)
				joins := c.hire("joins", destined("queue a"), nil)
				pass(time.Second)
				changes.gate.thaw()
				pass(30 * time.Second)
				c.wantOneLeft(changes, joins)
			})
		})
	}
}

// wantOneLeft checks that of two workers one has been refused, and the destination is
// that of the other, which reads everything.
func (c *crew) wantOneLeft(a, b *hand) {
	c.t.Helper()
	left := a
	for _, h := range []*hand{a, b} {
		select {
		case <-h.done:
			wantError[*DestinationError](c.t, h.err)
		default:
			left = h
			continue
		}
		if h == left {
			left = b
		}
	}
	if n := len(c.heldBy(a.name)) + len(c.heldBy(b.name)); n != 2 {
		c.t.Errorf("%d of 2 shards are held", n)
	}
	c.wantShare(left, 2, 2)
	c.wantDestination(left.opt.Destination)
}

// TestF2DamagedDestination: whoever works goes on, and the first that starts with
// nobody else alive replaces it.
func TestF2DamagedDestination(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		one := c.hire("one", destined("queue a"), nil)
		pass(5 * time.Second)
		key := membership.DestinationKey(daemons(c.stream.arn))
		c.control.damage(key, "destination", item.Int(1))
		two := c.hire("two", destined("queue a"), nil)
		pass(5 * time.Second)
		c.wantShare(one, 1, 1)
		wantDamaged(t, two.Damaged(), false, key)
		wantStop(t, one.worker)
		wantStop(t, two.worker)
		log, replaces := &logs{}, destined("queue a")
		replaces.Logger = logger(log)
		three := c.hire("three", replaces, nil)
		pass(5 * time.Second)
		c.wantShare(three, 2, 2)
		wantDamaged(t, three.Damaged(), false)
		if log.count("was damaged, and was replaced") != 1 {
			t.Errorf("the log does not say once that it was replaced:\n%s", log.b.String())
		}
		c.wantDestination("queue a")
	})
}

// TestF2DestinationOutlastsAnOutage: no answer is no refusal.
func TestF2DestinationOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		calls := 0
		c.control.fault = func(op, sk string) error {
			if calls++; sk == "DESTINATION" && calls < 5 {
				return fail(fmt.Sprint(op, " ", sk), backend.KindUnavailable)
			}
			return nil
		}
		one := c.hire("one", destined("queue a"), nil)
		pass(20 * time.Second)
		c.wantShare(one, 2, 2)
		c.wantDestination("queue a")
	})
}
