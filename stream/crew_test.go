package stream

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

// crew is a worker group of readers on one stream, under the eyes of a referee.
type crew struct {
	*referee
	control *fakeTable
	hands   []*hand
	written int // records, so that each has a number of its own
}

// hand is one worker of a crew, which can be frozen.
type hand struct {
	*worker
	name string
	gate *gate
}

func newCrew(t *testing.T, shards ...*fakeShard) *crew {
	s, c := newStream(shards...), newTable()
	return &crew{referee: newReferee(t, s, c, DefaultGroup), control: c, written: 10_000}
}

// beside returns a crew of another group on the same stream.
func (c *crew) beside(group string) *crew {
	return &crew{referee: newReferee(c.t, c.stream, c.control, group), control: c.control}
}

func (c *crew) id() lease.GroupID { return lease.GroupID{ARN: c.stream.arn, Name: c.group} }

// manyShards makes so many open shards, s00 and so on, of one record each.
func manyShards(n int) (shards []*fakeShard) {
	for i := range n {
		shards = append(shards, openShard(fmt.Sprintf("s%02d", i), "", fmt.Sprint(i+1)))
	}
	return shards
}

// hire starts a worker.
func (c *crew) hire(name string, o config, keep func(*Record) bool) *hand {
	c.t.Helper()
	h := &hand{worker: &worker{keep: keep, before: c.does}, name: name, gate: newGate()}
	o.Worker, o.Group = name, c.group
	handler := Handler(func(ctx context.Context, records []*Record) error {
		h.gate.pass("Handle")
		c.delivered(name, records)
		return h.handle(ctx, records)
	})
	h.start(c.t, newReader(gatedStream{c.stream, h.gate}, gatedTable{c.control, h.gate, name}, handler, o))
	c.t.Cleanup(h.gate.thaw)
	c.hands = append(c.hands, h)
	return h
}

// hireAll starts workers one after the other, and waits until they have settled.
func (c *crew) hireAll(names ...string) (hands []*hand) {
	for _, name := range names {
		hands = append(hands, c.hire(name, config{}, nil))
		pass(5 * time.Second)
	}
	return hands
}

// write appends a record to each shard, or to those named.
func (c *crew) write(shards ...string) {
	c.stream.edit(func() {
		for _, s := range c.stream.shards {
			if !s.closed && (len(shards) == 0 || slices.Contains(shards, s.id)) {
				c.written++
				s.records = append(s.records, backend.Record{Sequence: fmt.Sprint(c.written), CreatedAt: time.Now()})
			}
		}
	})
}

// roll ends shards, each for two children that hold a record.
func (c *crew) roll(parents ...string) {
	c.stream.edit(func() {
		for _, s := range slices.Clone(c.stream.shards) {
			if s.closed || len(parents) > 0 && !slices.Contains(parents, s.id) {
				continue
			}
			s.close()
			for _, half := range []string{"l", "r"} {
				c.written++
				c.stream.shards = append(c.stream.shards, openShard(s.id+half, s.id, fmt.Sprint(c.written)))
			}
		}
	})
}

// heldBy returns the unfinished shards whose leases are of a worker, as the
// control table says.
func (c *crew) heldBy(name string) (shards []string) {
	c.control.set(func() {
		for _, item := range c.control.items {
			l, err := lease.Decode(item)
			if err == nil && l.Shard != "" && l.Worker == name && !l.Finished && c.sees(backend.KeyOf(item)) {
				shards = append(shards, l.Shard)
			}
		}
	})
	slices.Sort(shards)
	return shards
}

// reads returns the shards that a worker reads.
func (h *hand) reads() (shards []string) {
	for _, p := range h.Progress() {
		shards = append(shards, p.Shard)
	}
	return shards
}

func (c *crew) wantShare(h *hand, least, most int) {
	c.t.Helper()
	held, reads := c.heldBy(h.name), h.reads()
	if !slices.Equal(held, reads) {
		c.t.Errorf("%s holds %v and reads %v", h.name, held, reads)
	}
	if n := len(held); n < least || n > most {
		c.t.Errorf("%s has %d shards, want %d to %d", h.name, n, least, most)
	}
}

// wantOnce checks that every record was delivered to exactly one worker, once.
func (c *crew) wantOnce() {
	c.t.Helper()
	times := map[string]int{}
	for _, h := range c.hands {
		for _, id := range h.got() {
			times[id]++
		}
	}
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	for _, s := range c.stream.shards {
		for _, rec := range s.records {
			if id := s.id + "/" + rec.Sequence; times[id] != 1 {
				c.t.Errorf("%s was delivered %d times", id, times[id])
			}
		}
	}
}

// until lets virtual time go by until something holds, and returns how long that
// took.
func (c *crew) until(what string, holds func() bool) time.Duration {
	c.t.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > 10*time.Minute {
			c.t.Fatalf("never came: %s", what)
		}
		pass(10 * time.Millisecond)
	}
	return time.Since(begin)
}

// leader is the worker that leads.
func (c *crew) leader() *hand {
	for _, h := range c.hands {
		if h.Stats().Leads && !h.gate.isShut() {
			return h
		}
	}
	return nil
}

// change makes of a lease something else, as an operator might.
func (c *crew) change(shard string, change func(*lease.Lease)) {
	key := lease.Key(c.id(), shard)
	l := c.control.lease(c.stream.arn, shard)
	change(&l)
	c.control.set(func() { c.control.items[key] = l.Encode(c.id()) })
	c.meddle(l)
}

// strike removes a lease, as an operator might.
func (c *crew) strike(shard string) {
	c.control.set(func() { delete(c.control.items, lease.Key(c.id(), shard)) })
	c.meddle(lease.Lease{Shard: shard})
}
