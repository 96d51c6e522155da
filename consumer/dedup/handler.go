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
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/retry"
)

// MaxID is how many bytes an id may have. With the prefix that a [Table] adds it
// is far below DynamoDB's limit of a partition key, 2,048 bytes, and an item stays
// below about 1 KB.
const MaxID = 1024

// Options of a [Handler]. Zero means the default.
type Options struct {
	// TTL is for how long a handled id is remembered, from 1 s to 366 days. Default
	// 24 h: a projector that starts anew repeats at most what the stream still has,
	// and DynamoDB keeps that for 24 hours. If you redrive dead letters or replay
	// conversations later than that, choose a TTL that covers it.
	TTL time.Duration
	// Logger receives incidents of the store, claims that were lost, and messages
	// that could not be recorded. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.TTL, 24*time.Hour)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return o, option.Check("dedup", "TTL", o.TTL, time.Second, 366*24*time.Hour)
}

// Handler passes on messages that were not handled before. It is safe for
// concurrent use.
type Handler struct {
	next  consumer.Handler
	store Store
	id    func(backend.Delivery) (string, error)
	opts  Options

	incidents                                *incident.Log
	claiming, renewing, recording, releasing retry.Loop

	mu    sync.Mutex
	stats Stats
}

var _ consumer.Handler = (*Handler)(nil)

// New returns a handler in front of next. The function id returns a message's id,
// of 1 to [MaxID] bytes; its error fails the message. An option that is out of
// bounds is an error that names it.
func New(next consumer.Handler, s Store, id func(backend.Delivery) (string, error), o Options) (*Handler, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	incidents := incident.NewLog(o.Logger)
	return &Handler{
		next: next, store: s, id: id, opts: o, incidents: incidents,
		claiming:  newClaiming(incidents),
		renewing:  newLoop(incidents, "renewing claims"),
		recording: newLoop(incidents, "recording handled ids"),
		releasing: newLoop(incidents, "releasing claims"),
	}, nil
}

// Handle passes a message on, and returns what the next handler returns.
//
//   - If the id was handled before, it returns nil, and the message is dropped.
//   - If another delivery of the id is being handled, the error is a
//     [consumer.RetryAfter] the time when that claim expires. This counts against
//     the queue's maximum receive count, once for each lease of the other.
//   - If the store does not answer, or denies access, or is not there, Handle waits
//     until that is fixed or ctx is done.
//
// An id is done when the next handler returns nil or a [consumer.Drop]. After any
// other error, or a panic, it is free again. The context of the next handler is
// also done, with the cause [ErrLost], when another worker has claimed the id.
func (h *Handler) Handle(ctx context.Context, d backend.Delivery) error {
	id, err := h.idOf(d)
	if err != nil {
		return err
	}
	c := ownClaim{id: id, owner: uuid.NewString()}
	answer, err := h.claim(ctx, h.claiming, &c)
	if err != nil {
		return fmt.Errorf("dedup: cannot find out whether %q was handled: %w", id, err)
	}
	switch answer.State {
	case Done:
		h.count(func(s *Stats) { s.Dropped++ })
		return nil
	case Busy:
		h.count(func(s *Stats) { s.Busy++ })
		return consumer.RetryAfter(answer.Left, fmt.Errorf("dedup: another delivery of %q is being handled", id))
	}
	h.count(func(s *Stats) { s.Claimed++ })
	return h.passOn(ctx, d, c)
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

// passOn calls the next handler while the claim is renewed, and finishes the claim,
// also if the handler panics.
func (h *Handler) passOn(ctx context.Context, d backend.Delivery, c ownClaim) error {
	handling, stop := h.keep(ctx, c)
	handled := false
	defer func() { h.finish(ctx, c, handled, stop()) }()
	err := h.next.Handle(handling, d)
	handled = err == nil || consumer.Drops(err)
	return err
}
