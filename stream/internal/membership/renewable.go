package membership

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

// Member is one session of a worker, and how it reaches the control table.
type Member struct {
	Table         batch.Table
	ID            lease.GroupID
	Self          lease.Owner
	LeaseDuration time.Duration
	Now           func() time.Time // the wall clock, for people
	Aside         *item.Aside      // for damaged items; nil: not needed to read
}

// record is an item that its owner keeps by raising a counter in it.
type record[T any] interface {
	Encode(id lease.GroupID) backend.Item
	unchanged() backend.Condition // holds while the item is still this one
	of(session string) bool       // the session wrote it
	renewed(now time.Time) T
}

// renewable is such an item in the hands of its owner. A [Heartbeat] and a
// [LeaderLock] are renewables. It is safe for concurrent use.
type renewable[T record[T]] struct {
	Member
	loop   retry.Loop // of renewals
	who    string     // its caller
	gone   error      // what a renewal returns once the item is another's
	decode func(backend.Item) (T, error)
	shape  func(*T) // is applied to each renewal; may be nil

	writing conditional.Lock // held over each write of the item
	item    T                // as it was last written, or found; guarded by writing

	mu      sync.Mutex
	renewed time.Time     // just before the last successful write was sent
	lost    bool          // for good
	changed chan struct{} // closed at the next renewal, or at the loss
}

func newRenewable[T record[T]](
	m Member, loop retry.Loop, who string, gone error, decode func(backend.Item) (T, error),
) renewable[T] {
	loop.Max, loop.Timeout = min(loop.Max, m.LeaseDuration/10), m.LeaseDuration/3
	loop.Final = func(err error) bool { return errors.Is(err, gone) }
	return renewable[T]{
		Member: m, loop: loop, who: who, gone: gone, decode: decode,
		writing: conditional.NewLock(), changed: make(chan struct{}),
	}
}

// acquire writes next under a condition, trying again as loop says, and reports
// whether the item is ours then.
func (r *renewable[T]) acquire(ctx context.Context, loop retry.Loop, next T, c backend.Condition) (ours bool, err error) {
	var first, sent time.Time
	var found *T
	err = loop.Do(ctx, r.who, func(ctx context.Context) (err error) {
		if sent = time.Now(); first.IsZero() {
			first = sent
		}
		found, err = conditional.Put(ctx, r.Table, next.Encode(r.ID), c, r.decode)
		return err
	})
	switch {
	case err != nil:
		return false, err
	case found == nil:
	case conditional.Same((*found).unchanged(), next.unchanged()): // the answer to an earlier attempt was lost
		sent = first
	default:
		return false, nil
	}
	r.writing.Lock()
	r.item = next
	r.writing.Unlock()
	r.confirm(sent)
	return true, nil
}

// Keep renews until ctx is done, when it returns nil. It returns [ErrExpired] or
// [ErrNotLeader] once the item is another's.
func (r *renewable[T]) Keep(ctx context.Context) error {
	for {
		r.mu.Lock()
		pause := r.LeaseDuration/3 - time.Since(r.renewed)
		r.mu.Unlock()
		if retry.Sleep(ctx, max(pause, 0), nil) != nil {
			return nil
		}
		err := r.loop.Do(ctx, r.who, func(ctx context.Context) error { return r.renew(ctx, nil) })
		switch {
		case err != nil && ctx.Err() != nil && !errors.Is(err, r.gone):
			return nil
		case err != nil:
			return err
		}
	}
}

// renew raises the counter once, with a change to the item if there is one. If it
// succeeds, nobody else had written the item by the time of the call. It takes at
// most a third of the lease duration, so that an attempt that hangs leaves time
// for others.
func (r *renewable[T]) renew(ctx context.Context, change func(*T)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.loop.Timeout, retry.ErrNoAnswer)
	defer cancel()
	r.writing.Lock()
	defer r.writing.Unlock()
	for {
		next := r.item.renewed(r.Now())
		for _, f := range []func(*T){r.shape, change} {
			if f != nil {
				f(&next)
			}
		}
		sent := time.Now()
		found, err := conditional.Put(ctx, r.Table, next.Encode(r.ID), r.item.unchanged(), r.decode)
		switch {
		case err != nil:
			return err
		case found == nil:
			r.item = next
			r.confirm(sent)
			return nil
		case !(*found).of(r.Self.Session) || conditional.Same((*found).unchanged(), r.item.unchanged()):
			r.lose()
			return r.gone
		}
		r.item = *found // an earlier write of ours, whose answer was lost
	}
}

// confirm notes a successful write that was sent then.
func (r *renewable[T]) confirm(sent time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renewed = sent
	r.wake()
}

func (r *renewable[T]) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = true
	r.wake()
}

func (r *renewable[T]) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *renewable[T]) valid() bool { return !r.lost && time.Since(r.renewed) < r.LeaseDuration }
