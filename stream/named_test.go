package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
)

// twoGroups starts the daemon's group and another, of two workers each.
func twoGroups(t *testing.T, shards int) (daemon, other *crew) {
	t.Helper()
	daemon = newCrew(t, manyShards(shards)...)
	other = daemon.beside("replay-1")
	daemon.hireAll("d1", "d2")
	other.hireAll("r1", "r2")
	return daemon, other
}

// Each group gets every record once, and does its work as if it were alone.
func TestTwoGroupsSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		daemon, other := twoGroups(t, 4)
		daemon.write()
		pass(2 * time.Second)
		daemon.roll("s00")
		pass(5 * time.Second)
		daemon.write()
		pass(5 * time.Second)
		for _, c := range []*crew{daemon, other} {
			c.wantOnce()
			c.finale()
			for _, h := range c.hands {
				c.wantShare(h, 2, 3)
				if s := h.Stats(); s.Workers != 2 {
					t.Errorf("%s counts %d workers", h.name, s.Workers)
				}
			}
		}
	})
}

// A crash in one group is that group's alone.
func TestCrashBesideAnotherGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		daemon, other := twoGroups(t, 4)
		before := daemon.movedSince()
		other.hands[0].gate.shut()
		daemon.write()
		other.until("the new owner", func() bool { return len(other.hands[1].reads()) == 4 })
		pass(2 * time.Second)
		other.wantOnce()
		daemon.wantOnce()
		if moved := daemon.movedSince(); len(moved) > 0 {
			t.Errorf("leases of the daemon moved: %v (before: %v)", moved, before)
		}
		if s := daemon.hands[0].Stats(); s.Expired+s.Lost > 0 {
			t.Errorf("%+v", s)
		}
		other.hands[0].gate.thaw()
		pass(10 * time.Second)
		daemon.write()
		pass(5 * time.Second)
		daemon.wantOnce()
		daemon.finale()
		other.finale()
	})
}

// Crashes, freezes, stops and splits at random in both groups. The referees hold every
// write and every delivery against the rules of each group.
func TestTwoGroupsAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { twoGroupsAtRandom(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func twoGroupsAtRandom(t *testing.T, rng *rand.Rand) {
	daemon, other := twoGroups(t, 4)
	hired := 0
	for range 25 {
		c := []*crew{daemon, other}[rng.IntN(2)]
		h := c.hands[rng.IntN(len(c.hands))]
		switch rng.IntN(6) {
		case 0:
			h.gate.shut()
		case 1:
			h.gate.thaw()
		case 2:
			h.gate.shutAt([]string{"Put SHARD#", "answer to Put SHARD#", "Put WORKER#", "Records", "Handle", "Get READERS"}[rng.IntN(6)])
		case 3:
			if hired++; len(c.hands) < 5 {
				c.hire(fmt.Sprintf("h%d", hired), config{}, nil)
			}
		case 4:
			if open := c.openShards(); len(open) < 12 {
				daemon.roll(open[rng.IntN(len(open))])
			}
		}
		daemon.write()
		pass(time.Duration(rng.IntN(8000)) * time.Millisecond)
	}
	for _, c := range []*crew{daemon, other} {
		for _, h := range c.hands {
			h.gate.thaw()
		}
	}
	pass(time.Minute)
	daemon.write()
	pass(time.Minute)
	daemon.finale()
	other.finale()
	for _, c := range []*crew{daemon, other} {
		for _, h := range c.hands {
			wantStop(t, h.worker)
		}
	}
}

// openShards returns the shards that have not ended.
func (c *crew) openShards() (open []string) {
	c.stream.edit(func() {
		for _, s := range c.stream.shards {
			if !s.closed {
				open = append(open, s.id)
			}
		}
	})
	return open
}

// wantRefusedGroup checks that a worker has ended, since another group has the place.
func (c *crew) wantRefusedGroup(h *hand, other string) {
	c.t.Helper()
	e := wantError[*GroupsError](c.t, h.ended(c.t))
	if e.Group != c.group || e.Other != other || e.Worker == "" {
		c.t.Errorf("%+v", e)
	}
}

// wantReaders checks which group has the place beside the daemon's.
func (c *crew) wantReaders(want ...string) {
	c.t.Helper()
	c.control.mu.Lock()
	defer c.control.mu.Unlock()
	r, err := membership.DecodeReaders(c.control.items[membership.ReadersKey(c.stream.arn)])
	if err != nil || !slices.Equal(r.Groups, want) {
		c.t.Errorf("the readers are %v (%v), want %v", r.Groups, err, want)
	}
}

// A third group is refused by name while both others live, and notices fast.
func TestThirdGroupIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		daemon, other := twoGroups(t, 2)
		third := daemon.beside("replay-2")
		begin := time.Now()
		third.wantRefusedGroup(third.hire("x", config{}, nil), "replay-1")
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("refused after %v", took)
		}
		for _, h := range other.hands {
			wantStop(t, h.worker)
		}
		x := third.hire("x", config{}, nil)
		begin = time.Now()
		third.until("the place", func() bool { return len(x.reads()) == 2 })
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("read after %v, want at once: nobody of the other group is there", took)
		}
		third.wantReaders("replay-2")
		pass(5 * time.Second)
		daemon.finale()
		third.finale()
		other.wantRefusedGroup(other.hire("r3", config{}, nil), "replay-2")
	})
}

// A group that has crashed counts for its lease duration. When it wakes up in the end it
// has no place, and stops.
func TestThirdGroupAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		daemon, other := twoGroups(t, 2)
		for _, h := range other.hands {
			h.gate.shut()
		}
		third := daemon.beside("replay-2")
		x := third.hire("x", config{}, nil)
		took := third.until("the place", func() bool { return len(x.reads()) == 2 })
		if took < 6*time.Second || took > crashTime+5*time.Second {
			t.Errorf("read after %v, want the lease duration", took)
		}
		for _, h := range other.hands {
			h.gate.thaw()
		}
		for _, h := range other.hands {
			other.wantRefusedGroup(h, "replay-2")
		}
		daemon.wantReaders("replay-2")
		third.wantShare(x, 2, 2)
	})
}

// Two groups join at once, wherever the first is held up: one of them goes on.
func TestTwoGroupsJoinAtOnce(t *testing.T) {
	t.Parallel()
	for _, trap := range []string{
		"Put WORKER#", "answer to Put WORKER#", "Get READERS", "answer to Get READERS", "Query WORKER#", "Put READERS", "answer to Put READERS",
	} {
		t.Run(trap, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				daemon := newCrew(t, manyShards(2)...)
				daemon.hireAll("d1")
				slow, fast := daemon.beside("slow"), daemon.beside("fast")
				s := slow.hire("s", config{}, nil)
				s.gate.shutAt(trap)
				pass(time.Second)
				f := fast.hire("f", config{}, nil)
				pass(time.Second)
				s.gate.thaw()
				pass(time.Minute)
				left := 0
				for _, h := range []*hand{s, f} {
					select {
					case <-h.done:
						wantError[*GroupsError](t, h.err)
					default:
						left++
						if len(h.reads()) != 2 {
							t.Errorf("%s reads %v", h.name, h.reads())
						}
					}
				}
				if left != 1 {
					t.Errorf("%d of two groups have gone on", left)
				}
				daemon.finale()
			})
		})
	}
}

// Whatever happens to the item of the readers, the two that are there go on.
func TestReadersThatAreMeddledWith(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]func(c *crew, key backend.Key){
		"deleted": func(c *crew, key backend.Key) { c.control.set(func() { delete(c.control.items, key) }) },
		"damaged": func(c *crew, key backend.Key) { c.control.damage(key, "groups", nil) },
		"empty":   func(c *crew, key backend.Key) { c.control.damage(key, "groups", item.String("")) },
		"twice":   func(c *crew, key backend.Key) { c.control.damage(key, "groups", item.String("x x")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				daemon, other := twoGroups(t, 2)
				meddle(daemon, membership.ReadersKey(daemon.stream.arn))
				pass(2 * time.Minute)
				daemon.wantReaders("replay-1")
				daemon.write()
				pass(5 * time.Second)
				daemon.wantOnce()
				other.wantOnce()
				daemon.finale()
				other.finale()
			})
		})
	}
}

// All groups of a table's stream are listed, and one of them can be removed once its
// workers are gone: then it begins anew.
func TestRemovedGroupBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		daemon, other := twoGroups(t, 2)
		wantGroups(t, daemon, "projector from trim-horizon: 2 workers, 0 of 2", "replay-1 from trim-horizon: 2 workers, 0 of 2")
		wantError[*GroupAliveError](t, RemoveGroup(ctx, daemon.stream, daemon.control, "replay-1"))
		wantStop(t, other.hands[0].worker)
		other.hands[1].gate.shut()
		begin := time.Now()
		daemon.control.set(func() { daemon.control.removedBy = nil }) // the referee knows no removal
		if err := RemoveGroup(ctx, daemon.stream, daemon.control, "replay-1"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 6*time.Second || took > 15*time.Second {
			t.Errorf("removed after %v, want the lease duration", took)
		}
		wantGroups(t, daemon, "projector from trim-horizon: 2 workers, 0 of 2")
		for key := range daemon.control.items {
			if id, ok := lease.ParsePartition(key.PK); ok && id.Name != DefaultGroup {
				t.Errorf("%q is left", key)
			}
		}
		again := daemon.beside("replay-1")
		again.hireAll("r3")
		daemon.write()
		pass(5 * time.Second)
		again.wantOnce()
		daemon.wantOnce()
		for _, name := range []string{DefaultGroup, "", "a#b", "a/b"} {
			if err := RemoveGroup(ctx, daemon.stream, daemon.control, name); err == nil {
				t.Errorf("%q was removed", name)
			}
		}
		if err := RemoveGroup(ctx, daemon.stream, daemon.control, "nobody"); err != nil {
			t.Error(err)
		}
	})
}

func wantGroups(t *testing.T, c *crew, want ...string) {
	t.Helper()
	all, err := ReadGroups(t.Context(), c.stream, c.control)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]int{} // what was read of the control table, by partition and prefix
	control := backend.Intercept(c.control, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		if q, ok := call.Request.(backend.Query); ok && q.After == (backend.Key{}) {
			read[call.Key.PK+" "+call.Key.SK]++
		}
		return next(ctx)
	})
	s, err := ReadStatus(t.Context(), c.stream, control, DefaultGroup)
	if err != nil {
		t.Fatal(err)
	}
	beside, err := s.Groups(t.Context(), control)
	if err != nil {
		t.Fatal(err)
	}
	for what, n := range read {
		if n > 1 {
			t.Errorf("%q was read %d times", what, n)
		}
	}
	for _, all := range [][]GroupStatus{all, beside} {
		var got []string
		for _, g := range all {
			got = append(got, fmt.Sprintf("%s from %s: %d workers, %d of %d", g.Group, g.Start, g.Workers, g.Finished, g.Shards))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the groups are %q, want %q", got, want)
		}
	}
}

// Whoever reads the stream while all daemons are down does not keep them out, nor does an
// item of a program that knew of no such place.
func TestDaemonsAlwaysHaveAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		daemon := newCrew(t, manyShards(2)...)
		first, second := daemon.beside("replay-1"), daemon.beside("replay-2")
		first.hireAll("r1")
		second.wantRefusedGroup(second.hire("x", config{}, nil), "replay-1")
		d := daemon.hire("d", config{}, nil)
		if took := daemon.until("the daemon", func() bool { return len(d.reads()) == 2 }); took > 5*time.Second {
			t.Errorf("the daemon reads after %v", took)
		}
		key := membership.ReadersKey(daemon.stream.arn)
		for _, groups := range []string{"replay-1 replay-2", "projector replay-1"} {
			daemon.control.damage(key, "groups", item.String(groups))
			wantStop(t, d.worker)
			d = daemon.hire("d", config{}, nil)
			daemon.until("the daemon", func() bool { return len(d.reads()) == 2 })
		}
		second.wantRefusedGroup(second.hire("x", config{}, nil), "replay-1")
		for _, h := range first.hands {
			wantStop(t, h.worker)
		}
		x := second.hire("x", config{}, nil)
		second.until("the place", func() bool { return len(x.reads()) == 2 })
		second.wantReaders("replay-2")
		daemon.write()
		pass(5 * time.Second)
		daemon.finale()
		second.finale()
	})
}
