package dedup

import (
	"context"
	"errors"
	"time"
)

// settle ends a claim: the id is recorded as done, or free again.
func (h *Handler) settle(ctx context.Context, held holding, handled, lost bool) {
	switch {
	case lost:
		h.lost(held)
	case handled:
		h.record(ctx, held)
	default:
		h.release(ctx, held)
	}
}

func (h *Handler) record(ctx context.Context, held holding) {
	settling, cancel := h.settling(ctx)
	defer cancel()
	err := h.persist(settling, h.recording, held.id, func(ctx context.Context) error {
		return h.store.Record(ctx, held.id, held.owner, h.opts.TTL)
	})
	switch {
	case errors.Is(err, ErrLost):
		h.lost(held)
	case err != nil:
		h.count(func(s *Stats) { s.RecordFailed++ })
		h.log.Error("handled, but that could not be recorded: a repetition will be handled once more",
			"id", held.id, "error", err)
	}
}

// release gives an id back. Where that fails, the claim runs out, and whoever gets
// the message sooner waits for it.
func (h *Handler) release(ctx context.Context, held holding) {
	settling, cancel := h.settling(ctx)
	defer cancel()
	_ = h.persist(settling, h.releasing, held.id, func(ctx context.Context) error {
		return h.store.Release(ctx, held.id, held.owner)
	})
}

func (h *Handler) lost(held holding) {
	h.count(func(s *Stats) { s.Lost++ })
	h.log.Warn("another took the id while it was being handled; it may have been handled twice", "id", held.id)
}

// settling is the context in which a claim is settled: for half of a lease, since
// the claim has seldom longer, and for a moment only once ctx is done.
func (h *Handler) settling(ctx context.Context) (context.Context, context.CancelFunc) {
	settling, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), h.opts.Lease/2, errNoAnswer)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return settling, func() {
		stop()
		cancel()
	}
}
