package stream

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
)

// What is in flight when a shard is to be transferred is waited for: the new owner
// begins after it, and not before.
func TestS13TransferWaitsForAcknowledgements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		one := c.hire("one", config{DrainTimeout: time.Minute}, keepAll)
		pass(5 * time.Second)
		two := c.hire("two", config{}, nil)
		pass(30 * time.Second)
		c.wantShare(two, 0, 0)
		one.ack("s00/1")
		one.ack("s01/2")
		pass(2 * lookPause)
		c.wantShare(one, 1, 1)
		c.wantShare(two, 1, 1)
		c.write()
		pass(time.Second)
		c.wantOnce()
		wantStop(t, two.worker)
	})
}

func TestS13TransferWhoseAcknowledgementsNeverComeIsMade(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1000, 2} { // room for more, and none
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(4)...)
				one := c.hire("one", config{DrainTimeout: 5 * time.Second, MaxInFlight: limit}, keepAll)
				pass(5 * time.Second)
				two := c.hire("two", config{}, nil)
				took := c.until("the transfer", func() bool { return len(c.heldBy("two")) == 2 })
				// Where the in-flight limit is used up by other shards the transferred ones
				// may have nothing to wait for.
				if took < 5*time.Second && limit > 4 || took > 5*time.Second+2*lookPause {
					t.Errorf("transferred after %v, want the drain timeout", took)
				}
				pass(2 * lookPause)
				c.wantShare(two, 2, 2)
				if n := len(two.got()); n != 2 { // read again, or for the first time
					t.Errorf("%d records came with two shards", n)
				}
				one.keeps(nil)
				for _, id := range one.got() {
					one.ack(id) // late for those that were transferred, and without effect
				}
				pass(5 * time.Second)
				c.wantShare(one, 2, 2)
				c.finale()
				wantStop(t, one.worker)
			})
		})
	}
}

// A handler that blocks is asked to end when its shard is to be transferred.
func TestS13TransferOfAShardWhoseHandlerBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(manyShards(2)...), newTable()
		one := &worker{}
		one.start(t, newReader(s, c, Handler(func(ctx context.Context, _ []*Record) error {
			<-ctx.Done()
			return ctx.Err()
		}), config{}))
		pass(time.Second)
		two := work(t, s, c, config{}, nil)
		pass(2 * lookPause)
		if n := len(two.got()); n != 1 {
			t.Errorf("%d records of the shard that was to be transferred", n)
		}
		wantStop(t, one)
		pass(2 * lookPause)
		two.wantsSet(t, "s00/1", "s01/2")
		wantStop(t, two)
	})
}

// The new owner dies before the transfer, or just after.
func TestS13NewOwnerDies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		one := c.hire("one", config{DrainTimeout: time.Minute}, keepAll)
		pass(5 * time.Second)
		two := c.hire("two", config{}, nil)
		pass(2 * lookPause)
		two.gate.shut()
		pass(crashTime)
		for _, id := range one.got() {
			one.ack(id)
		}
		one.keeps(nil)
		c.write()
		pass(15 * time.Second)
		c.wantShare(one, 4, 4)
		c.finale()
		two.gate.thaw()
		pass(10 * time.Second)
		c.wantShare(one, 2, 2)
		c.wantShare(two, 2, 2)
		c.write()
		pass(5 * time.Second)
		c.finale()
	})
}

// transferTable answers late when a shard is transferred, and may lose the answer.
type transferTable struct {
	*fakeTable
	given func(backend.Item) (yes bool, err error)
}

func (c transferTable) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	units, err := c.fakeTable.Put(ctx, item, condition)
	if given, lost := c.given(item); given && err == nil {
		time.Sleep(2 * lookPause)
		return units, lost
	}
	return units, err
}

// The new owner of a shard may transfer it back before the old one has noted that it
// is gone.
func TestShardTransferredBackAtOnce(t *testing.T) {
	t.Parallel()
	for _, lost := range []error{nil, fail("Put", backend.KindUnavailable)} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, c := newStream(manyShards(2)...), newTable()
				guest := membership.Worker{Owner: lease.Owner{Worker: "guest", Session: "guest"}, LeaseDuration: 10 * time.Second}
				given := false
				w := work(t, s, transferTable{c, func(item backend.Item) (bool, error) {
					l, err := lease.Decode(item)
					if err != nil || l.Shard == "" || l.Session != guest.Session {
						return false, nil
					}
					own := c.lease(s.arn, "s00")
					if l.Shard == "s00" {
						own = c.lease(s.arn, "s01")
					}
					l.Worker, l.Session, l.Epoch = own.Worker, own.Session, l.Epoch+1
					c.set(func() {
						c.items[lease.Key(daemons(s.arn), l.Shard)] = l.Encode(daemons(s.arn))
						delete(c.items, membership.WorkerKey(daemons(s.arn), guest.Session)) // and leaves
					})
					given = true
					return true, lost
				}}, config{}, nil)
				pass(5 * time.Second)
				c.set(func() {
					c.items[membership.WorkerKey(daemons(s.arn), guest.Session)] = guest.Encode(daemons(s.arn))
				})
				pass(6 * lookPause)
				if n := len(w.Progress()); n != 2 || !given {
					t.Errorf("%d shards are read, of two that it has; one was transferred: %v", n, given)
				}
			})
		})
	}
}
