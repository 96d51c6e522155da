package projector

import (
	"fmt"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	// The window of the circuit: the last records that had an end, and none that
	// had it longer ago. A count alone would remember the damage of last week
	// where little is written; a time alone would let hundreds of thousands
	// through where much is.
	circuitRecords = 1000
	circuitPeriod  = 10 * time.Minute

	// circuitLeast is how many records of the window may be set aside whatever
	// their share is: what is damaged may well come together, since one producer
	// damaged it.
	circuitLeast = 50
)

// CircuitError says that so many of the last records could not be projected
// that the program or the table must be at fault, not the records. The projector
// has stopped: what it has not done is not acknowledged, and comes again.
//
// A projector that starts anew begins with an empty window. While nothing is
// mended each start sets aside 50 records at most, whole, before it ends so.
type CircuitError struct {
	SetAside, Handled int // of the records within the window
	// Last is why the next record was to be set aside.
	Last error
}

func (e *CircuitError) Error() string {
	return fmt.Sprintf("%d of the last %d records were set aside and the next one would be, which points to the program or the table rather than to the records: "+
		"mend the cause and start again, and put back what is set aside; or allow a larger share (MaxSetAside). The last cause: %s",
		e.SetAside, e.Handled, trouble.Brief(e.Last))
}

func (e *CircuitError) Unwrap() error { return e.Last }

// circuit opens when more than a share of the last records would be set aside,
// and stays open. It is safe for concurrent use.
type circuit struct {
	share  float64
	opened func(*CircuitError) // called once, under the lock; must not block

	mu      sync.Mutex
	ends    []end // a ring, the oldest at first
	first   int
	count   int
	aside   map[backend.Key]struct{} // of the window
	pending int                      // being set aside just now
	err     *CircuitError
}

// end is that of one record.
type end struct {
	at    time.Time
	aside backend.Key // zero: it got through
}

func newCircuit(share float64) *circuit {
	return &circuit{share: share, opened: func(*CircuitError) {}, ends: make([]end, circuitRecords), aside: map[backend.Key]struct{}{}}
}

// projected notes that n records got through.
func (c *circuit) projected(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range min(n, circuitRecords) {
		c.add(backend.Key{})
	}
}

// setAside sets one record aside by a call, unless the circuit is open or opens
// at this. The error is a *CircuitError then, or that of the call. A message that
// comes again, from the stream and from the log, is one.
func (c *circuit) setAside(key backend.Key, reason error, put func() error) error {
	if err := c.begin(key, reason); err != nil {
		return err
	}
	err := put()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending--
	if _, again := c.aside[key]; err == nil && !again {
		c.add(key)
	}
	return err
}

// begin counts the record in advance: several may be on their way.
func (c *circuit) begin(key backend.Key, reason error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.expire()
	aside, handled := len(c.aside)+c.pending, c.count+c.pending
	_, again := c.aside[key]
	if !again && aside >= circuitLeast && float64(aside+1) > c.share*float64(handled+1) {
		c.err = &CircuitError{SetAside: aside, Handled: handled, Last: reason}
		c.opened(c.err)
		return c.err
	}
	c.pending++
	return nil
}

// state is the share of the window that is set aside, and the error once the
// circuit is open.
func (c *circuit) state() (share float64, err *CircuitError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	return float64(len(c.aside)) / float64(max(1, c.count)), c.err
}

func (c *circuit) add(aside backend.Key) {
	if c.expire(); c.count == len(c.ends) {
		c.drop()
	}
	c.ends[(c.first+c.count)%len(c.ends)] = end{time.Now(), aside}
	c.count++
	if aside != (backend.Key{}) {
		c.aside[aside] = struct{}{}
	}
}

func (c *circuit) expire() {
	for c.count > 0 && time.Since(c.ends[c.first].at) > circuitPeriod {
		c.drop()
	}
}

func (c *circuit) drop() {
	delete(c.aside, c.ends[c.first].aside)
	c.first = (c.first + 1) % len(c.ends)
	c.count--
}
