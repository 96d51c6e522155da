package consumer

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/postroom/postroom/backend"
)

// handledMemory bounds how many handled messages are remembered that the queue
// refused to delete.
const handledMemory = 10_000

// hand is the messages of a worker between receipt and settlement.
type hand struct {
	max, maxBytes int
	visibility    time.Duration
	// deletes, changes and letters carry messages to those who tell the queue.
	// Each message in hand is in at most one of them once, so that sending to
	// them, under mu, never blocks.
	deletes, changes, letters chan *held

	mu       sync.Mutex
	room     sync.Cond // max or maxBytes may allow more
	work     sync.Cond // ready has more
	messages map[string]*held
	bytes    int // of the messages
	lanes    map[string]*lane
	// barred counts, for each group, the messages that were received again while
	// they are being hidden or given back. What comes behind such a one goes back
	// too: handled now it would be out of order.
	barred   map[string]int
	ready    []*lane // with messages waiting and none being handled
	reserved int     // room given to receives under way
	draining bool
	burying  bool                         // letters may be sent to
	telling  bool                         // deletes and changes may be sent to
	handled  *lru.Cache[string, struct{}] // handled, and not deleted
	stats    Stats
	// emptySince is, for each receiver, the time of the first of its last
	// receives that brought nothing; zero while it brought something.
	emptySince  []time.Time
	lastSettled time.Time
	askedSince  time.Time // the first receive since the last that was answered; zero: none
}

func newHand(o Options) *hand {
	handled, _ := lru.New[string, struct{}](handledMemory) // fails for a size below one only
	h := &hand{
		max:        o.MaxBuffered,
		maxBytes:   o.MaxBufferedBytes,
		visibility: o.Visibility,
		deletes:    make(chan *held, o.MaxBuffered),
		changes:    make(chan *held, o.MaxBuffered),
		letters:    make(chan *held, o.MaxBuffered),
		burying:    true,
		telling:    true,
		messages:   make(map[string]*held),
		lanes:      make(map[string]*lane),
		barred:     make(map[string]int),
		handled:    handled,
		emptySince: make([]time.Time, o.Receivers),
	}
	h.room.L, h.work.L = &h.mu, &h.mu
	return h
}

// reserve waits for room and takes it, for at most limit messages. It returns
// zero once ctx is done.
func (h *hand) reserve(ctx context.Context, limit int) int {
	defer context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.room.Broadcast()
	})()
	h.mu.Lock()
	defer h.mu.Unlock()
	for ctx.Err() == nil {
		if free := h.max - len(h.messages) - h.reserved; free > 0 && h.bytes < h.maxBytes {
			n := min(free, limit)
			h.reserved += n
			if h.askedSince.IsZero() {
				h.askedSince = time.Now()
			}
			return n
		}
		h.room.Wait()
	}
	return 0
}

// unreserve gives room back that a failed receive did not use.
func (h *hand) unreserve(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reserved -= n
	h.room.Signal()
}

// admit takes in what a receive brought, and gives its reserved room back.
func (h *hand) admit(receiver, reserved int, brought []backend.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.reserved -= reserved
	h.askedSince = time.Time{}
	switch {
	case len(brought) > 0:
		h.emptySince[receiver] = time.Time{}
	case h.emptySince[receiver].IsZero():
		h.emptySince[receiver] = now
	}
	for _, d := range brought {
		h.stats.Received++
		h.admitOne(d, now)
	}
	h.room.Signal()
}

func (h *hand) admitOne(d backend.Delivery, now time.Time) {
	if m := h.messages[d.MessageID]; m != nil {
		h.stats.Duplicates++
		m.renewed(d.Receipt, now, h.visibility)
		if m.state == acknowledging && m.fate.verdict.returns() && !m.barring {
			m.barring = true
			h.barred[m.GroupID]++
		}
		return
	}
	m := &held{Delivery: d}
	m.renewed(d.Receipt, now, h.visibility)
	h.messages[d.MessageID] = m
	h.bytes += m.sizeBytes()
	if h.handled.Remove(d.MessageID) {
		h.stats.Duplicates++
		h.acknowledge(m, fate{verdict: handled})
		return
	}
	if h.draining || m.GroupID != "" && h.barred[m.GroupID] > 0 {
		h.acknowledge(m, fate{verdict: givenBack})
		return
	}
	h.enqueue(m)
}

// next waits for the next message to handle. Nil: there will be none.
func (h *hand) next() (*held, backend.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.ready) == 0 && !h.draining {
		h.work.Wait()
	}
	if h.draining {
		return nil, backend.Delivery{}
	}
	m := h.take()
	return m, m.Delivery
}

// concluded settles a message that a handler had. Its lane goes on, but for a
// failure: then what waits behind it goes back too.
func (h *hand) concluded(m *held, f fate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch f.verdict {
	case handled:
		h.stats.Delivered++
	case dropped:
		h.stats.Dropped++
	default:
		h.stats.Failed++
	}
	h.acknowledge(m, f)
	if f.verdict == hidden {
		h.giveBackLane(m.lane)
	}
	h.free(m.lane)
}

func (h *hand) snapshot() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.InFlight, s.InFlightBytes = int64(len(h.messages)), int64(h.bytes)
	return s
}

func (h *hand) idleSince() (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.messages) > 0 {
		return time.Time{}, false
	}
	since := h.lastSettled
	for _, t := range h.emptySince {
		if t.IsZero() {
			return time.Time{}, false
		}
		if t.After(since) {
			since = t
		}
	}
	return since, true
}
