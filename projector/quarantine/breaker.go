package quarantine

import (
	"fmt"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
)

const (
	// The window of the breaker: the last records that had an end, and none that
	// had it longer ago. A count alone would remember the damage of last week
	// where little is written; a time alone would let hundreds of thousands
	// through where much is.
	breakerRecords = 1000
	breakerPeriod  = 10 * time.Minute

	// breakerLeast is how many records of the window may be quarantined whatever
	// their share is.
	breakerLeast = 50
)

// BreakerError says that so many of the last records could not be processed that
// the program or the table must be at fault, not the records.
//
// A new breaker begins with an empty window. Until the cause is fixed each start
// of the program quarantines at most 50 records before it ends with this error.
type BreakerError struct {
	Quarantined, Handled int // of the records within the window
	// Last is why the next record was to be quarantined.
	Last error
}

func (e *BreakerError) Error() string {
	return fmt.Sprintf("%d of the last %d records were quarantined and the next one would be, which points to the program or the table rather than to the records: "+
		"fix the cause, start again, and retry what is in quarantine. The last cause: %s",
		e.Quarantined, e.Handled, incident.Brief(e.Last))
}

// Unwrap returns the last cause.
func (e *BreakerError) Unwrap() error { return e.Last }

// breaker trips when more than a share of the last records would be quarantined,
// and stays so. It is safe for concurrent use.
type breaker struct {
	share   float64
	tripped func(*BreakerError) // called once, under the lock; must not block

	mu          sync.Mutex
	ends        []*end               // of the window, the oldest first
	byKey       map[backend.Key]*end // the same
	quarantined int                  // of them
	pending     int                  // being quarantined just now
	err         *BreakerError
}

// end is that of one record.
type end struct {
	key         backend.Key
	at          time.Time
	quarantined bool // otherwise it was processed
}

func newBreaker(share float64) *breaker {
	return &breaker{share: share, tripped: func(*BreakerError) {}, byKey: map[backend.Key]*end{}}
}

// processed notes that a record was processed.
func (b *breaker) processed(key backend.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(key, false)
}

// guard quarantines one record by a call, unless the breaker has tripped or trips
// at this. The error is a *BreakerError then, or that of the call.
func (b *breaker) guard(key backend.Key, reason error, put func() error) error {
	if err := b.begin(key, reason); err != nil {
		return err
	}
	err := put()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending--
	if err == nil {
		b.add(key, true)
	}
	return err
}

// begin counts the record in advance: several may be on their way.
func (b *breaker) begin(key backend.Key, reason error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.expire()
	quarantined, handled, more := b.quarantined+b.pending, len(b.ends)+b.pending, 1
	before := b.byKey[key]
	if before != nil {
		more = 0 // it is among those that were handled
	}
	again := before != nil && before.quarantined
	if !again && quarantined >= breakerLeast && float64(quarantined+1) > b.share*float64(handled+more) {
		b.err = &BreakerError{Quarantined: quarantined, Handled: handled, Last: reason}
		b.tripped(b.err)
		return b.err
	}
	b.pending++
	return nil
}

// state is the share of the window that is quarantined, and the error once the
// breaker has tripped.
func (b *breaker) state() (share float64, err *BreakerError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	return float64(b.quarantined) / float64(max(1, len(b.ends))), b.err
}

// add notes the end of a record. A message counts once: it may come from the stream
// and from the log, and one that is projected is quarantined all the same if the
// queue refuses its notification, before or afterwards.
func (b *breaker) add(key backend.Key, quarantined bool) {
	e := b.byKey[key]
	if e == nil {
		e = &end{key: key, at: time.Now()}
		b.ends, b.byKey[key] = append(b.ends, e), e
	}
	if quarantined && !e.quarantined {
		e.quarantined = true
		b.quarantined++
	}
	b.expire()
}

// expire takes what is outside the window out of it.
func (b *breaker) expire() {
	for len(b.ends) > breakerRecords || len(b.ends) > 0 && time.Since(b.ends[0].at) > breakerPeriod {
		oldest := b.ends[0]
		b.ends = b.ends[1:]
		delete(b.byKey, oldest.key)
		if oldest.quarantined {
			b.quarantined--
		}
	}
}
