package consumer

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/postroom/postroom/backend"
)

const (
	// maxBytes bounds the messages in flight by their size: above it no receive
	// begins. One that has begun may bring ten messages of 1 MiB more.
	maxBytes = 64 << 20
	// handledMemory bounds how many messages are remembered that were handled and
	// that the queue refused to delete.
	handledMemory = 10_000
)

// inFlight is the set of a worker's messages, from their receipt until they are
// settled.
type inFlight struct {
	max, maxBytes int
	visibility    time.Duration
	// Messages to be settled leave through one of these channels. Each message is
	// in at most one of them, once, so a send under mu never blocks.
	deletes, changes, deadLetters chan *message

	mu       sync.Mutex
	room     sync.Cond // signalled when another receive may be allowed
	work     sync.Cond // signalled when ready grows
	messages map[string]*message
	bytes    int // of the messages
	lanes    map[string]*lane
	ready    []*lane // with messages waiting and none being handled
	// blocked counts, for each group, the messages that were received again while
	// they were being hidden or released. Messages received behind one of them are
	// released too: handled now, they would be out of order.
	blocked    map[string]int
	reserved   int // room for the receives under way
	draining   bool
	noLetters  bool                         // deadLetters is closed
	noSettling bool                         // deletes and changes are closed
	handled    *lru.Cache[string, struct{}] // by message id: handled and not deleted
	stats      Stats
	// emptySince has, for each receiver, when the first of its latest empty
	// receives ended; zero if the latest brought something.
	emptySince  []time.Time
	lastSettled time.Time
	askedSince  time.Time     // see Worker.AskedSince
	waited      time.Duration // see ages
}

func newInFlight(o Options, size int) *inFlight {
	handled, _ := lru.New[string, struct{}](handledMemory) // fails only for a size below one
	f := &inFlight{
		max:         size,
		maxBytes:    maxBytes,
		visibility:  o.Visibility,
		deletes:     make(chan *message, size),
		changes:     make(chan *message, size),
		deadLetters: make(chan *message, size),
		messages:    make(map[string]*message),
		lanes:       make(map[string]*lane),
		blocked:     make(map[string]int),
		handled:     handled,
		emptySince:  make([]time.Time, o.Receivers),
	}
	f.room.L, f.work.L = &f.mu, &f.mu
	return f
}

// reserve waits for room for up to a batch of messages, and reserves it. It returns
// zero once ctx is done.
func (f *inFlight) reserve(ctx context.Context) int {
	defer context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.room.Broadcast()
	})()
	f.mu.Lock()
	defer f.mu.Unlock()
	for ctx.Err() == nil {
		if free := f.max - len(f.messages) - f.reserved; free > 0 && f.bytes < f.maxBytes {
			n := min(free, backend.MaxQueueBatch)
			f.reserved += n
			if f.askedSince.IsZero() {
				f.askedSince = time.Now()
			}
			return n
		}
		f.room.Wait()
	}
	return 0
}

// unreserve frees the room of a receive that failed.
func (f *inFlight) unreserve(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved -= n
	f.room.Signal()
}

// admit adds the messages of a receive, and frees the room reserved for it.
func (f *inFlight) admit(receiver, reserved int, brought []backend.Delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.reserved -= reserved
	f.askedSince = time.Time{}
	switch {
	case len(brought) > 0:
		f.emptySince[receiver] = time.Time{}
	case f.emptySince[receiver].IsZero():
		f.emptySince[receiver] = now
	}
	f.waited = 0
	for _, d := range brought {
		if d.ReceiveCount == 1 {
			f.waited = max(f.waited, now.Sub(d.SentAt))
		}
		f.stats.Received++
		f.admitOne(d, now)
	}
	f.room.Signal()
}

func (f *inFlight) admitOne(d backend.Delivery, now time.Time) {
	if m := f.messages[d.MessageID]; m != nil {
		f.stats.Duplicates++
		m.renew(d.Receipt, now, f.visibility)
		if m.state == settling && m.disposition.action.returns() && !m.blocking {
			m.blocking = true
			f.blocked[m.GroupID]++
		}
		return
	}
	m := &message{Delivery: d}
	m.renew(d.Receipt, now, f.visibility)
	f.messages[d.MessageID] = m
	f.bytes += m.sizeBytes()
	switch {
	case f.handled.Remove(d.MessageID):
		f.stats.Duplicates++
		f.decide(m, disposition{action: handled})
	case f.draining || m.GroupID != "" && f.blocked[m.GroupID] > 0:
		f.decide(m, disposition{action: released})
	default:
		f.enqueue(m)
	}
}

// decide decides a message's disposition, and submits it to be carried out.
func (f *inFlight) decide(m *message, d disposition) {
	m.state, m.disposition = settling, d
	f.submit(m)
}

// submit passes a message to the goroutines that settle it. At the end of a drain
// these are gone, and the message stays in flight until its visibility is over.
func (f *inFlight) submit(m *message) {
	switch a := m.disposition.action; {
	case a == deadLettered && !f.noLetters:
		f.deadLetters <- m
	case a == deadLettered || f.noSettling:
	case a.deletes():
		f.deletes <- m
	default:
		f.changes <- m
	}
}

// next waits for the next message to handle, and returns nil if there will be
// none.
func (f *inFlight) next() (*message, backend.Delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.ready) == 0 && !f.draining {
		f.work.Wait()
	}
	if f.draining {
		return nil, backend.Delivery{}
	}
	m := f.dequeue()
	return m, m.Delivery
}

// finish decides the disposition of a message that a handler has returned. Its
// lane goes on, unless the message failed: then the messages that wait behind it
// are released.
func (f *inFlight) finish(m *message, d disposition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch d.action {
	case handled:
		f.stats.Delivered++
	case dropped:
		f.stats.Dropped++
	default:
		f.stats.Failed++
	}
	f.decide(m, d)
	if d.action == hidden {
		f.releaseLane(m.lane)
	}
	f.advance(m.lane)
}

// closeDeadLetters ends the sending of dead letters.
func (f *inFlight) closeDeadLetters() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noLetters = true
	close(f.deadLetters)
}

// closeSettling ends all other settling.
func (f *inFlight) closeSettling() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noSettling = true
	close(f.deletes)
	close(f.changes)
}

func (f *inFlight) snapshot() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.InFlight, s.InFlightBytes = int64(len(f.messages)), int64(f.bytes)
	return s
}

func (f *inFlight) idleSince() (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.messages) > 0 {
		return time.Time{}, false
	}
	since := f.lastSettled
	for _, t := range f.emptySince {
		if t.IsZero() {
			return time.Time{}, false
		}
		if t.After(since) {
			since = t
		}
	}
	return since, true
}
