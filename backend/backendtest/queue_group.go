package backendtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

func queueGroupTests() []test {
	return []test{
		{"the order in a group is the order of sending", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			entries := numbered("g", "m", 25)
			var want, got []string
			for batch := range slices.Chunk(entries, 4) {
				send(t, q, batch...)
			}
			for _, e := range entries {
				want = append(want, e.Body)
			}
			for len(got) < len(want) {
				ds := take(t, q, 1, hidden)
				got = append(got, bodies(ds)...)
				remove(t, q, ds...)
			}
			wantEqual(t, got, want)
			takeNone(t, q)
		}},
		{"one receive may return several of a group, in order", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.GroupReceivedTogether, "GroupReceivedTogether") {
				return
			}
			q := newQueue(t, h, fifo)
			send(t, q, numbered("g", "m", 3)...)
			got, err := q.Receive(t.Context(), 10, never, hidden)
			must(t, err)
			wantEqual(t, bodies(got), []string{"m-00", "m-01", "m-02"})
		}},
		{"Q7: a group is blocked while its first message is in flight, other groups are not", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("a", "a1"))
			a1 := takeOne(t, q, "a1", hidden)
			send(t, q, entry("a", "a2"), entry("b", "b1"))
			b1 := takeOne(t, q, "b1", hidden)
			takeNone(t, q)
			remove(t, q, b1)
			takeNone(t, q)
			remove(t, q, a1)
			takeOne(t, q, "a2", hidden)
		}},
		{"a message behind one in flight waits, even if earlier ones were deleted", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.GroupReceivedTogether, "GroupReceivedTogether") {
				return
			}
			q := newQueue(t, h, fifo)
			send(t, q, numbered("g", "m", 3)...)
			ds := take(t, q, 2, hidden)
			remove(t, q, ds[0])
			takeNone(t, q)
			remove(t, q, ds[1])
			takeOne(t, q, "m-02", hidden)
		}},
		{"Q7: released messages are received again in their order, before their successors", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.GroupReceivedTogether, "GroupReceivedTogether") {
				return
			}
			q := newQueue(t, h, fifo)
			send(t, q, numbered("g", "m", 3)...)
			ds := take(t, q, 2, hidden)
			change(t, q, 0, ds[1], ds[0])
			wantEqual(t, bodies(take(t, q, 3, hidden)), []string{"m-00", "m-01", "m-02"})
		}},
		{"releasing the first message of a group does not free the second", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.GroupReceivedTogether, "GroupReceivedTogether") {
				return
			}
			q := newQueue(t, h, fifo)
			send(t, q, numbered("g", "m", 3)...)
			ds := take(t, q, 2, hidden)
			change(t, q, 0, ds[0])
			got, err := q.Receive(t.Context(), 10, never, hidden)
			must(t, err)
			wantEqual(t, bodies(got), []string{"m-00"})
			remove(t, q, got...)
			takeNone(t, q)
			remove(t, q, ds[1])
			takeOne(t, q, "m-02", hidden)
		}},
		{"many receivers: every message arrives once and in its group's order, and no group is in flight at two receivers", testManyReceivers},
	}
}

func testManyReceivers(t *testing.T, h Harness) {
	q := newQueue(t, h, fifo)
	const groups, each, receivers = 7, 12, 4
	for i := range each {
		batch := make([]backend.SendEntry, groups)
		for g := range batch {
			batch[g] = entry(fmt.Sprintf("g%d", g), fmt.Sprintf("g%d-%02d", g, i))
		}
		send(t, q, batch...)
	}
	hands := &hands{held: map[string]int{}, got: map[string][]string{}, left: groups * each}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var g errgroup.Group
	for i := range receivers {
		g.Go(func() error { return hands.receive(ctx, i, q) })
	}
	must(t, g.Wait())
	for name, got := range hands.got {
		if len(got) != each || !slices.IsSorted(got) {
			t.Errorf("group %s arrived as %q", name, got)
		}
	}
	wantEqual(t, len(hands.got), groups)
}

// hands records the messages that several receivers have received and still hold.
type hands struct {
	mu   sync.Mutex
	held map[string]int      // messages of a group in flight
	by   map[string]int      // the receiver of these
	got  map[string][]string // bodies of a group, in order of arrival
	left int
}

func (h *hands) receive(ctx context.Context, who int, q backend.Queue) error {
	for !h.done() {
		ds, err := q.Receive(ctx, 3, time.Second, hidden)
		if err != nil {
			return err
		}
		for _, d := range ds {
			if err := h.take(who, d); err != nil {
				return err
			}
		}
		for _, d := range ds {
			// Recorded before the deletion frees the group for another receiver.
			h.putDown(d)
			if failed, err := q.Delete(ctx, []string{d.Receipt}); err != nil || len(failed) > 0 {
				return fmt.Errorf("delete %s: %v %w", d.Body, failed, err)
			}
		}
	}
	return nil
}

func (h *hands) done() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.left == 0
}

func (h *hands) take(who int, d backend.Delivery) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[string]int{}
	}
	if h.held[d.GroupID] > 0 && h.by[d.GroupID] != who {
		return fmt.Errorf("%s was received while its group was in other hands", d.Body)
	}
	if slices.Contains(h.got[d.GroupID], d.Body) {
		return fmt.Errorf("%s was received twice", d.Body)
	}
	h.by[d.GroupID] = who
	h.held[d.GroupID]++
	h.got[d.GroupID] = append(h.got[d.GroupID], d.Body)
	return nil
}

func (h *hands) putDown(d backend.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[d.GroupID]--
	h.left--
}

// deduplicationWindow is how long a FIFO queue remembers a deduplication id.
const deduplicationWindow = 5 * time.Minute

func queueDeduplicationTests() []test {
	return []test{
		{"a message sent again with its group and deduplication id is accepted and not stored", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, backend.SendEntry{Body: "first", GroupID: "g", DeduplicationID: "id"})
			send(t, q, backend.SendEntry{Body: "again", GroupID: "g", DeduplicationID: "id"})
			d := takeOne(t, q, "first", hidden)
			send(t, q, backend.SendEntry{Body: "in flight", GroupID: "g", DeduplicationID: "id"})
			remove(t, q, d)
			takeNone(t, q)
		}},
		{"deduplication works within a batch too", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			e := backend.SendEntry{Body: "m", GroupID: "g", DeduplicationID: "id"}
			send(t, q, e, e, e)
			remove(t, q, takeOne(t, q, "m", hidden))
			takeNone(t, q)
		}},
		{"Q12: a deduplication id is remembered for five minutes, even if the message was deleted", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.DeduplicationWindow, "DeduplicationWindow") {
				return
			}
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			remove(t, q, takeOne(t, q, "m", hidden))
			send(t, q, entry("g", "m"))
			takeNone(t, q)
			if !h.advance(t, deduplicationWindow-time.Second) {
				return
			}
			send(t, q, entry("g", "m"))
			takeNone(t, q)
			h.Advance(2 * time.Second)
			send(t, q, entry("g", "m"))
			takeOne(t, q, "m", hidden)
		}},
		{"the same deduplication id in another group is another message", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("a", "m"), entry("b", "m"))
			wantEqual(t, bodies(take(t, q, 2, hidden)), []string{"m", "m"})
		}},
		{"a refused message leaves its deduplication id free", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			failed, err := q.Send(t.Context(), []backend.SendEntry{{Body: "\x00", GroupID: "g", DeduplicationID: "id"}})
			wantRefused(t, failed, err)
			send(t, q, backend.SendEntry{Body: "m", GroupID: "g", DeduplicationID: "id"})
			takeOne(t, q, "m", hidden)
		}},
	}
}
