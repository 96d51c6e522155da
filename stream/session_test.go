package stream

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
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
		key := lease.Key(daemons(s.arn), "a")
		c.set(func() { c.items[key] = other.Encode(daemons(s.arn)) })
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
