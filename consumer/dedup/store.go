package dedup

import (
	"context"
	"errors"
	"time"
)

// Store remembers which ids are claimed and which are done.
//
// An id is free if the store does not know it, its claim was released, or its claim
// or record has expired. Owners are unique: one for each delivery that is handled.
// Calls overlap, also for one id and across processes; each takes effect at once or
// not at all. A call that is made again, because its answer was lost, has to find
// what it did itself and succeed. A call returns soon after ctx is done, and must
// not retry for long by itself: callers do that.
//
// An error that is a backend.Error of kind invalid says that the id, or what is stored
// of it, is at fault: the message fails. After any other error the claim is made again.
type Store interface {
	// Claim claims id for owner, for the time of the lease, if the id is free, and
	// renews the claim if it is the owner's. Otherwise it changes nothing and
	// returns the state of the id.
	Claim(ctx context.Context, id, owner string, lease time.Duration) (Claim, error)

	// Record records that id is done, for the time ttl, if the claim is the owner's
	// or the id is free. Otherwise it changes nothing and the error is ErrLost.
	Record(ctx context.Context, id, owner string, ttl time.Duration) error

	// Release makes id free if the claim is the owner's. Otherwise it changes
	// nothing, which is not an error.
	Release(ctx context.Context, id, owner string) error
}

// ErrLost says that a claim expired and another worker claimed the id. It is also
// the cause with which a handler's context is cancelled then.
var ErrLost = errors.New("dedup: the claim expired and another worker claimed the id")

// State is the state of an id, as seen by the worker that wanted to claim it.
type State int

// The states.
const (
	_       State = iota // no answer
	Claimed              // the worker has it
	Busy                 // another worker has it
	Done                 // it was handled
)

// Claim is the answer to an attempt to claim an id.
type Claim struct {
	State State
	// Left is how long until the claim, or the record, expires.
	Left time.Duration
}

// entry is what a store knows about an id. The zero entry is nothing.
type entry struct {
	owner   string
	status  status
	expires time.Time
}

type status string

const (
	claimed  status = "claimed"
	done     status = "done"
	released status = "released"
)

// yields reports whether owner may replace the entry.
func (e entry) yields(owner string, now time.Time) bool {
	return e.status == released || !now.Before(e.expires) || e.status == claimed && e.owner == owner
}

// claim is the answer to a worker that may not replace the entry.
func (e entry) claim(now time.Time) Claim {
	c := Claim{State: Busy, Left: e.expires.Sub(now)}
	if e.status == done {
		c.State = Done
	}
	return c
}
