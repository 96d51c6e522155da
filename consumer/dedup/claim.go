package dedup

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/retry"
)

const (
	// lease is how long an id stays claimed after its worker died. Handlers of up
	// to a third of it renew nothing, a store may be away for two thirds of it
	// before a claim expires, and the messages of a dead worker wait little longer
	// than for the queue's visibility timeout.
	lease = time.Minute
	// maxPause is how long it takes at most to notice that the store is back.
	maxPause = 5 * time.Second
	// patience is how long a renewal, a record or a release may fail in a way that
	// only a person can fix.
	patience = 2 * time.Minute
	// grace is how long a claim may take to be recorded or released once the
	// handler's context is done: less than what a worker's drain leaves, which is
	// 250 ms by default.
	grace = 200 * time.Millisecond
)

// newClaiming returns the loop for the claim before a message is handled. Only what is
// wrong with the id or its item fails the message: where access is denied or the table
// is gone, no message is to blame.
func newClaiming(l *incident.Log) retry.Loop {
	loop := newLoop(l, "claiming ids")
	loop.Patience = retry.Forever
	loop.Final = func(err error) bool { return errors.Is(err, ErrLost) || backend.KindOf(err) == backend.KindInvalid }
	return loop
}

// newLoop returns the loop for one operation of the store.
func newLoop(l *incident.Log, operation string) retry.Loop {
	return retry.Loop{Operation: l.Operation(operation), Policy: retry.Policy{
		Min: 100 * time.Millisecond, Max: maxPause, Timeout: lease / 3, Patience: patience,
		Final: func(err error) bool { return errors.Is(err, ErrLost) },
	}}
}

// ownClaim is a claim that this handler holds.
type ownClaim struct {
	id, owner string
	since     time.Time // before the store was asked for the claim or for its last renewal
}

// call calls the store until it answers. Where ctx ends that, the error is the
// last one of the store.
func call(ctx context.Context, loop retry.Loop, id string, f func(context.Context) error) error {
	var last error
	err := loop.Do(ctx, id, func(ctx context.Context) error {
		last = f(ctx)
		return last
	})
	if err != nil && ctx.Err() != nil {
		return last
	}
	return err
}

// claim claims an id, or renews c, and sets c.since.
func (h *Handler) claim(ctx context.Context, loop retry.Loop, c *ownClaim) (answer Claim, err error) {
	err = call(ctx, loop, c.id, func(ctx context.Context) (err error) {
		c.since = time.Now()
		answer, err = h.store.Claim(ctx, c.id, c.owner, lease)
		return err
	})
	return answer, err
}

// keep renews a claim until stop is called, which reports whether the claim was
// lost. The returned context is done once it is lost, or stop was called.
func (h *Handler) keep(ctx context.Context, c ownClaim) (handling context.Context, stop func() (lost bool)) {
	handling, cancel := context.WithCancelCause(ctx)
	renewing, stopRenewing := context.WithCancel(ctx)
	lost := false
	var renewer sync.WaitGroup
	renewer.Go(func() {
		if lost = h.renew(renewing, c); lost {
			cancel(ErrLost)
		}
	})
	return handling, func() bool {
		stopRenewing()
		renewer.Wait()
		cancel(nil)
		return lost
	}
}

// renew renews a claim each third of its lease, until ctx is done or the claim is
// lost. While the store does not answer it goes on, also beyond the lease: an
// expired claim is still its owner's until somebody else claims the id.
func (h *Handler) renew(ctx context.Context, c ownClaim) (lost bool) {
	for retry.Sleep(ctx, max(0, time.Until(c.since.Add(lease/3))), nil) == nil {
		if answer, err := h.claim(ctx, h.renewing, &c); err == nil && answer.State != Claimed {
			return true
		}
	}
	return false
}

// finish ends a claim: it records the id as done, or releases it.
func (h *Handler) finish(ctx context.Context, c ownClaim, handled, lost bool) {
	// The store gets half a lease, since the claim rarely lasts longer, and a moment
	// only once ctx is done.
	finishing, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), lease/2, retry.ErrNoAnswer)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	var err error
	switch {
	case lost:
		err = ErrLost
	case handled:
		err = call(finishing, h.recording, c.id, func(ctx context.Context) error {
			return h.store.Record(ctx, c.id, c.owner, h.opts.TTL)
		})
	default: // if this fails, the claim expires, and until then the message waits
		_ = call(finishing, h.releasing, c.id, func(ctx context.Context) error {
			return h.store.Release(ctx, c.id, c.owner)
		})
	}
	switch {
	case errors.Is(err, ErrLost):
		h.count(func(s *Stats) { s.Lost++ })
		h.opts.Logger.Warn("another worker claimed the id while it was being handled; it may have been handled twice", "id", c.id)
	case err != nil:
		h.count(func(s *Stats) { s.RecordFailed++ })
		h.opts.Logger.Error("a handled message could not be recorded; a repetition will be handled once more",
			"id", c.id, "error", err)
	}
}
