package dedup

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	// Bounds of the pause after a failed call of the store. The longer is how long
	// it takes at most to notice that an outage is over.
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	// patience is how long a call may fail in a way that no retry mends before the
	// message fails: credentials expire and come back.
	patience = 2 * time.Minute
	// grace is how long a claim may still be settled once the handler's context is
	// done: less than what a worker's drain leaves, by default 250 ms.
	grace = 200 * time.Millisecond
)

var errNoAnswer = errors.New("no answer of the deduplication store in time")

// claim claims an id, or renews the claim, however long the store takes to answer.
// Since is when it asked for what it got: the lease counts from then at the
// earliest.
func (h *Handler) claim(ctx context.Context, w *trouble.Work, id, owner string) (c Claim, since time.Time, err error) {
	err = h.persist(ctx, w, id, func(ctx context.Context) (err error) {
		since = time.Now()
		c, err = h.store.Claim(ctx, id, owner, h.opts.Lease)
		return err
	})
	return c, since, err
}

// keep renews a claim until stop is called, which waits for the end of that. The
// context is done once the claim is lost, or stop was called.
func (h *Handler) keep(ctx context.Context, held holding) (handling context.Context, stop func() (lost bool)) {
	handling, cancel := context.WithCancelCause(ctx)
	renewing, stopRenewing := context.WithCancel(ctx)
	lost := false
	var renewer sync.WaitGroup
	renewer.Go(func() {
		if lost = h.renew(renewing, held); lost {
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

// renew renews a claim each third of its lease, until ctx is done or it is lost.
// While the store does not answer it goes on, also beyond the lease: whoever takes
// an id finds that it is free, and as long as nobody does, it is the owner's.
func (h *Handler) renew(ctx context.Context, held holding) (lost bool) {
	for {
		due := time.Until(held.since.Add(h.opts.Lease / 3))
		if trouble.Sleep(ctx, max(0, due), nil) != nil {
			return false
		}
		c, since, err := h.claim(ctx, h.renewing, held.id, held.owner)
		if err == nil && c.State != Claimed {
			return true
		}
		held.since = since
	}
}

// persist repeats a call of the store until it gets an answer, which [ErrLost] is
// too, until ctx is done, or until only a person can mend what is wrong.
func (h *Handler) persist(ctx context.Context, w *trouble.Work, id string, call func(context.Context) error) error {
	defer w.Worked(id)
	for {
		err := h.bounded(ctx, call)
		if err == nil || errors.Is(err, ErrLost) {
			return err
		}
		pause, lasting := w.Failed(ctx, id, err)
		if lasting >= patience && hopeless(err) || trouble.Sleep(ctx, pause, nil) != nil {
			return err
		}
	}
}

// bounded gives one call its time limit.
func (h *Handler) bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.opts.Lease/3, errNoAnswer)
	defer cancel()
	return call(ctx)
}

// hopeless reports whether somebody has to mend what is wrong.
func hopeless(err error) bool {
	switch backend.KindOf(err) {
	case backend.KindDenied, backend.KindInvalid, backend.KindNotFound:
		return true
	}
	return false
}
