package dedup

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/internal/trouble"
)

// MaxID is how many bytes an id may have. With what a [Table] adds it is far from
// DynamoDB's bound of a partition key, 2,048 bytes, and an item stays near a KB.
const MaxID = 1024

// Handler hands on what was not handled yet. It is safe for concurrent use.
type Handler struct {
	next  consumer.Handler
	store Store
	id    func(backend.Delivery) (string, error)
	opts  Options
	log   *slog.Logger

	claiming, renewing, recording, releasing *trouble.Work

	mu    sync.Mutex
	stats Stats
}

var _ consumer.Handler = (*Handler)(nil)

// New makes a handler that stands before next. Id tells the id of a message, of 1
// to [MaxID] bytes; its error fails the message. An option out of its bounds is
// an error that names it.
func New(next consumer.Handler, s Store, id func(backend.Delivery) (string, error), o Options) (*Handler, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	troubles := trouble.NewLog(o.Logger, minPause, maxPause)
	return &Handler{
		next: next, store: s, id: id, opts: o, log: o.Logger,
		claiming:  troubles.Work("claiming ids"),
		renewing:  troubles.Work("renewing claims"),
		recording: troubles.Work("recording what was handled"),
		releasing: troubles.Work("releasing claims"),
	}, nil
}

// Handle hands a message on, and returns what the next handler does.
//
//   - Where the id was handled it returns nil: the message is dropped.
//   - Where another has it in hand the error is a [consumer.RetryAfter] for when
//     that claim runs out, if it does. This counts against the queue's maximum
//     receive count, once for each lease the other needs.
//   - Where the store does not answer it waits until it does or ctx is done.
//
// An id is done when the next handler returns nil or a [consumer.Drop]. After any
// other error, or a panic, it is free again. The context of the next handler is
// also done when another took the id; its cause is [ErrLost] then.
func (h *Handler) Handle(ctx context.Context, d backend.Delivery) error {
	id, err := h.idOf(d)
	if err != nil {
		return err
	}
	owner := uuid.NewString()
	claim, since, err := h.claim(ctx, h.claiming, id, owner)
	if err != nil {
		return fmt.Errorf("dedup: cannot tell whether %q was handled: %w", id, err)
	}
	switch claim.State {
	case Done:
		h.count(func(s *Stats) { s.Dropped++ })
		return nil
	case Busy:
		h.count(func(s *Stats) { s.Busy++ })
		return consumer.RetryAfter(claim.Left, fmt.Errorf("dedup: another has %q in hand", id))
	}
	h.count(func(s *Stats) { s.Claimed++ })
	return h.handOn(ctx, d, holding{id, owner, since})
}

func (h *Handler) idOf(d backend.Delivery) (string, error) {
	id, err := h.id(d)
	if err != nil {
		return "", fmt.Errorf("dedup: the message has no id: %w", err)
	}
	if len(id) == 0 || len(id) > MaxID {
		return "", fmt.Errorf("dedup: the message's id has %d bytes, must have 1 to %d", len(id), MaxID)
	}
	return id, nil
}

// holding is an id that is claimed.
type holding struct {
	id, owner string
	since     time.Time // before the claim, or its last renewal, was asked for
}

// handOn calls the next handler while the claim is renewed, and settles the claim
// also if it panics.
func (h *Handler) handOn(ctx context.Context, d backend.Delivery, held holding) error {
	handling, stop := h.keep(ctx, held)
	handled := false
	defer func() {
		lost := stop()
		h.settle(ctx, held, handled, lost)
	}()
	err := h.next.Handle(handling, d)
	handled = err == nil || consumer.Drops(err)
	return err
}
