package dedup

import (
	"context"
	"errors"
	"time"
)

// Store remembers which ids are in hand and which are done.
//
// An id is free if the store has nothing of it, its claim was released, or what
// the store has of it has expired. Owners are unique: one for each delivery that
// is handled. Calls overlap, also for one id, and across processes; each takes
// effect at once or not at all. A call made again, because its answer was lost,
// has to find what it did itself and succeed. A call returns soon after ctx is
// done, and must not try for long by itself: callers do that.
//
// An error that is a backend.Error of the kinds denied, not found or invalid is
// taken for one that only a person can mend; after any other the call is made
// again.
type Store interface {
	// Claim takes id for owner for the time of the lease if it is free, and
	// renews the claim if it is the owner's. Otherwise it changes nothing and
	// says what id is.
	Claim(ctx context.Context, id, owner string, lease time.Duration) (Claim, error)

	// Record notes that id is done, for the time ttl, if the claim is the owner's
	// or id is free. Otherwise it changes nothing and the error is ErrLost.
	Record(ctx context.Context, id, owner string, ttl time.Duration) error

	// Release makes id free if the claim is the owner's. Otherwise it changes
	// nothing, which is no error.
	Release(ctx context.Context, id, owner string) error
}

// ErrLost says that a claim ran out and another has the id now, or was done with
// it. It is also the cause with which a handler's context is cancelled then.
var ErrLost = errors.New("dedup: the claim ran out and another took the id")

// State is what an id is to who wanted to claim it.
type State int

// The states.
const (
	Claimed State = iota + 1 // the caller has it
	Busy                     // another has it
	Done                     // it was handled
)

// Claim is the answer to an attempt to claim an id.
type Claim struct {
	State State
	// Left is how long until the claim, or the record, expires.
	Left time.Duration
}

// entry is what a store has of an id. The zero entry is nothing.
type entry struct {
	owner   string
	mark    mark
	expires time.Time
}

type mark string

const (
	marked   mark = "claimed"
	done     mark = "done"
	released mark = "released"
)

// yields reports whether owner may replace the entry.
func (e entry) yields(owner string, now time.Time) bool {
	return e.mark == released || !now.Before(e.expires) || e.mark == marked && e.owner == owner
}

// claim is the answer to who may not replace the entry.
func (e entry) claim(now time.Time) Claim {
	c := Claim{State: Busy, Left: e.expires.Sub(now)}
	if e.mark == done {
		c.State = Done
	}
	return c
}
