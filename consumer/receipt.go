package consumer

import (
	"time"

	"github.com/postroom/postroom/backend"
)

// state is how far a message in hand has come:
//
//	received ──► waiting ──► handling ──► acknowledging ──► settled
//	    │           └─────────────────────────▲
//	    └─────────────────────────────────────┘
//
// The ways past a handler are those of what was handled before and only has to
// be deleted, of what waits behind a failure, and of a drain.
type state int

const (
	received      state = iota // from the queue, not in a lane yet
	waiting                    // in its lane
	handling                   // a handler has it
	acknowledging              // its fate is decided, and the queue is being told
	settled                    // the queue knows, or refuses to: no longer in hand
)

// held is one message in hand. All of it is under the hand's mu.
//
// At most one call that names its receipt is under way at a time, and so an
// extension can neither overtake what settles the message nor come after it.
// Until it is settled it is extended whenever that is due, also between two
// attempts to settle it.
type held struct {
	backend.Delivery // of it only Receipt changes, to the newest

	state      state
	lane       *lane
	fate       fate // once it is acknowledging
	receivedAt time.Time
	extendAt   time.Time
	unextended bool // cannot be extended any more
	calling    bool // a call that names the receipt is under way
	owed       bool // settling waits for that call to end
	barring    bool // it was received again while it leaves: see hand.barred
}

// fate is what is to become of a message.
type fate struct {
	verdict verdict
	hide    time.Duration // for how long, after a failure
	reason  string        // of a dead letter
}

type verdict int

const (
	handled   verdict = iota // deleted
	dropped                  // deleted unhandled, as the handler wanted
	letter                   // sent to the dead-letter queue, and then deleted
	hidden                   // comes again after a while: it failed
	givenBack                // comes again at once: no handler had it
)

func (v verdict) deletes() bool { return v == handled || v == dropped }
func (v verdict) returns() bool { return v == hidden || v == givenBack }

// renewed notes a receipt.
func (m *held) renewed(receipt string, now time.Time, visibility time.Duration) {
	m.Receipt, m.receivedAt, m.unextended = receipt, now, false
	m.extendAt = now.Add(extendAfter(visibility))
}

// visibilityLeft is how long the queue lets the message be hidden from now on,
// in whole seconds. Source: SQS API reference, ChangeMessageVisibility: twelve
// hours from the receive on.
func (m *held) visibilityLeft(now time.Time) time.Duration {
	return max(0, backend.MaxVisibility-now.Sub(m.receivedAt)).Truncate(time.Second)
}

// sizeBytes is what a message counts for in MaxBufferedBytes.
func (m *held) sizeBytes() int {
	n := len(m.Body)
	for name, value := range m.Attributes {
		n += len(name) + len(value)
	}
	return n
}

// call is a part of a call to the queue that names a message's receipt.
type call struct {
	*held

	receipt string // the newest when the call was made
}

// begin takes from a batch the messages that may be named in a call now. The
// others come again by themselves when the call that names them has ended.
func (h *hand) begin(batch []*held) []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := make([]call, 0, len(batch))
	for _, m := range batch {
		if m.calling {
			m.owed = true
			continue
		}
		m.calling = true
		calls = append(calls, call{m, m.Receipt})
	}
	return calls
}

// ended lets go on what waited for a call to end.
func (h *hand) ended(m *held) {
	m.calling = false
	if m.owed {
		m.owed = false
		h.submit(m)
	}
}
