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

// held is one message in hand.
type held struct {
	backend.Delivery // of it only Receipt changes, to the newest, under mu

	lane       *lane
	receivedAt time.Time // the newest receipt
	extendAt   time.Time
	unextended bool // cannot be extended any more
	extending  bool // a call is under way
	settling   bool // not to be extended any more
	// deferred is the settlement that waits for the extension under way.
	deferred *settlement
}

// settlement is how a message leaves the hand: deleted, or visible again after
// a time.
type settlement struct {
	*held

	delete  bool
	visible time.Duration
	failed  bool // after a failure, rather than unhandled
}

// lane is the messages of one group, handled one after the other.
type lane struct {
	key     string
	waiting []*held
	busy    bool // one is being handled
}

// hand is the messages of a worker between receipt and settlement.
type hand struct {
	max        int
	visibility time.Duration
	// deletes and changes carry settlements to those who call the queue. Each
	// message in hand is in at most one of them once, so that sending to them,
	// under mu, never blocks.
	deletes, changes chan settlement

	mu       sync.Mutex
	room     sync.Cond // max may allow more
	work     sync.Cond // ready has more
	messages map[string]*held
	lanes    map[string]*lane
	ready    []*lane // with messages waiting and none being handled
	reserved int     // room given to receives under way
	draining bool
	closed   bool
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
		visibility: o.Visibility,
		deletes:    make(chan settlement, o.MaxBuffered),
		changes:    make(chan settlement, o.MaxBuffered),
		messages:   make(map[string]*held),
		lanes:      make(map[string]*lane),
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
		if free := h.max - len(h.messages) - h.reserved; free > 0 {
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

// admit takes in what a receive brought, and gives its reserved room back.
func (h *hand) admit(receiver, reserved int, received []backend.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.reserved -= reserved
	h.askedSince = time.Time{}
	switch {
	case len(received) > 0:
		h.emptySince[receiver] = time.Time{}
	case h.emptySince[receiver].IsZero():
		h.emptySince[receiver] = now
	}
	for _, d := range received {
		h.stats.Received++
		h.admitOne(d, now)
	}
	h.room.Signal()
}

func (h *hand) admitOne(d backend.Delivery, now time.Time) {
	if m := h.messages[d.MessageID]; m != nil {
		h.stats.Duplicates++
		m.Receipt = d.Receipt
		m.received(now, h.visibility)
		return
	}
	m := &held{Delivery: d}
	m.received(now, h.visibility)
	h.messages[d.MessageID] = m
	if h.handled.Remove(d.MessageID) {
		h.stats.Duplicates++
		h.settleLocked(settlement{held: m, delete: true})
		return
	}
	if h.draining {
		h.settleLocked(settlement{held: m})
		return
	}
	h.enqueue(m)
}

func (m *held) received(now time.Time, visibility time.Duration) {
	m.receivedAt, m.unextended = now, false
	m.extendAt = now.Add(extendAfter(visibility))
}

// enqueue puts m at the end of its lane.
func (h *hand) enqueue(m *held) {
	key := m.GroupID
	if key == "" {
		key = "\x00" + m.MessageID // no group has this character in its name
	}
	m.lane = h.lanes[key]
	if m.lane == nil {
		m.lane = &lane{key: key}
		h.lanes[key] = m.lane
	}
	m.lane.waiting = append(m.lane.waiting, m)
	if !m.lane.busy && len(m.lane.waiting) == 1 {
		h.makeReady(m.lane)
	}
}

func (h *hand) makeReady(l *lane) {
	h.ready = append(h.ready, l)
	h.work.Signal()
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
	l := h.ready[0]
	h.ready[0] = nil
	h.ready = h.ready[1:]
	m := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	l.busy = true
	return m, m.Delivery
}

// succeeded settles a handled message and lets its lane go on.
func (h *hand) succeeded(m *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.Delivered++
	h.settleLocked(settlement{held: m, delete: true})
	h.free(m.lane)
}

// failed hides a message for a while and gives back those that wait behind it.
func (h *hand) failed(m *held, retryIn time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.Failed++
	h.settleLocked(settlement{held: m, visible: retryIn, failed: true})
	h.giveBackLane(m.lane)
	h.free(m.lane)
}

// free lets a lane go on after one of its messages.
func (h *hand) free(l *lane) {
	l.busy = false
	if len(l.waiting) > 0 {
		h.makeReady(l)
		return
	}
	delete(h.lanes, l.key)
}

func (h *hand) giveBackLane(l *lane) {
	for _, m := range l.waiting {
		h.settleLocked(settlement{held: m})
	}
	l.waiting = nil
}

// drain gives back what no handler has begun. After it next returns nothing.
func (h *hand) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for key, l := range h.lanes {
		h.giveBackLane(l)
		if !l.busy {
			delete(h.lanes, key)
		}
	}
	h.ready = nil
	h.work.Broadcast()
}

// close ends the flow of settlements. Messages still in hand stay there.
func (h *hand) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	close(h.deletes)
	close(h.changes)
}

func (h *hand) snapshot() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.InFlight = int64(len(h.messages))
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
