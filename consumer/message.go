package consumer

import (
	"time"

	"github.com/postroom/postroom/backend"
)

// state is how far a message in flight has come:
//
//	received ──► waiting ──► handling ──► settling ──► settled
//	    │           └────────────────────────▲
//	    └────────────────────────────────────┘
//
// A message passes the handler by when it was handled before and only has to be
// deleted, when it waits behind a failure, and during a drain.
type state int

const (
	received state = iota // from the queue, not in a lane yet
	waiting               // in its lane
	handling              // a handler has it
	settling              // its disposition is decided, and the queue is being told
	settled               // the queue has answered: the message is not in flight any more
)

// message is one message in flight. All of it is under the mutex of [inFlight].
//
// Until it is settled, a message is extended whenever that is due, also between two
// attempts to settle it, but never while another call names its receipt.
type message struct {
	backend.Delivery // only its Receipt changes, to the newest one

	state       state
	lane        *lane
	disposition disposition // from settling on
	receivedAt  time.Time
	extendAt    time.Time
	unextended  bool // it cannot be extended any more
	calling     bool // a call that names the receipt is under way
	pending     bool // it is settled when that call ends
	blocking    bool // it was received again while it goes back: see inFlight.blocked
}

// disposition is what the queue has to do about a message.
type disposition struct {
	action action
	hide   time.Duration // after a failure, for how long
	reason string        // of a dead letter
}

type action int

const (
	handled      action = iota // delete it: the handler succeeded
	dropped                    // delete it: the handler does not want it
	deadLettered               // send it to the dead-letter queue, then delete it
	hidden                     // hide it for a while: the handler failed
	released                   // show it at once: no handler had it
)

func (a action) deletes() bool { return a == handled || a == dropped }
func (a action) returns() bool { return a == hidden || a == released }

// renew records a new receipt.
func (m *message) renew(receipt string, now time.Time, visibility time.Duration) {
	m.Receipt, m.receivedAt, m.unextended = receipt, now, false
	m.extendAt = now.Add(extendAfter(visibility))
}

// visibilityLeft returns for how long from now on the message can be hidden, in
// whole seconds. Source: SQS API reference, ChangeMessageVisibility: twelve hours
// from the receive on.
func (m *message) visibilityLeft(now time.Time) time.Duration {
	return max(0, backend.MaxVisibility-now.Sub(m.receivedAt)).Truncate(time.Second)
}

// sizeBytes is what a message counts for in [Stats].InFlightBytes.
func (m *message) sizeBytes() int {
	n := len(m.Body)
	for name, value := range m.Attributes {
		n += len(name) + len(value)
	}
	return n
}

// call is one entry of a call to the queue.
type call struct {
	*message

	receipt string        // the newest one when the call was made
	hide    time.Duration // for how long, where the call hides the message
}
