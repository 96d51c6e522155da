package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

const (
	// defaultPause is the pause after a 429 without Retry-After.
	defaultPause = 10 * time.Second
	// maxPause bounds the pause that a receiver can ask for.
	maxPause = time.Hour
)

// Sink is a [consumer.Handler] that posts events to one URL. Its methods may be
// called concurrently.
type Sink struct {
	url       *url.URL
	keys      []Key
	opts      Options
	log       *slog.Logger
	censor    censor
	gate      *gate
	transport *http.Transport

	mu    sync.Mutex
	stats Stats
}

var _ consumer.Handler = (*Sink)(nil)

// New returns a sink for a URL. It signs with every key: while a receiver changes
// keys, pass the old and the new one. New resolves no names and sends nothing. Its
// error says what is wrong with the URL, the keys or an option, and quotes neither
// URL nor keys. Close the sink after use.
func New(receiver string, keys []Key, o Options) (*Sink, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	u, err := parseTarget(receiver, o.AllowPrivate)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	for i, key := range keys {
		if key.secret == nil {
			return nil, fmt.Errorf("webhook: key %d is empty; parse it with ParseKey", i+1)
		}
	}
	permitted := func(a netip.Addr) error { return permit(a, o.AllowPrivate, u.Scheme == "http") }
	s := &Sink{
		url: u, keys: keys, opts: o, log: o.Logger.With("receiver", origin(u)),
		censor:    newCensor(u),
		gate:      newGate(o.Concurrency),
		transport: newTransport(o, permitted, net.Dialer{Timeout: connectTimeout}),
		stats:     Stats{Messages: make(map[Outcome]int64, len(outcomes))},
	}
	for _, o := range outcomes { // each shows from the start
		s.stats.Messages[o] = 0
	}
	return s, nil
}

// Close closes idle connections, and the others after their requests.
func (s *Sink) Close() { s.transport.CloseIdleConnections() }

// Disabled returns a [*GoneError] once the receiver has answered 410, and nil
// before. Use it for readiness.
func (s *Sink) Disabled() error { return s.gate.isGone() }

// Handle posts the body of a message, and follows the rules in the documentation of
// the package.
func (s *Sink) Handle(ctx context.Context, d backend.Delivery) error {
	outcome, err := s.deliver(ctx, d.Body)
	s.count(func(s *Stats) { s.Messages[outcome]++ })
	return err
}

func (s *Sink) deliver(ctx context.Context, body string) (Outcome, error) {
	id, err := eventID(body)
	if err != nil {
		return Poison, consumer.DeadLetter(err)
	}
	if err := s.gate.enter(ctx); err != nil {
		if gone, ok := errors.AsType[*GoneError](err); ok {
			return Disabled, consumer.DeadLetter(gone)
		}
		return Cancelled, fmt.Errorf("webhook: not sent: %w", err)
	}
	defer s.gate.leave()
	a, err := s.post(ctx, id, body)
	if err != nil {
		return s.failed(ctx, err)
	}
	return s.answered(a)
}

// failed classifies the failure of a delivery without an answer. The error keeps
// nothing of its cause except its censored text.
func (s *Sink) failed(ctx context.Context, err error) (Outcome, error) {
	if ctx.Err() != nil {
		return Cancelled, fmt.Errorf("webhook: no answer yet: %w", ctx.Err())
	}
	outcome := Unreachable
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errTimeout):
		return TimedOut, fmt.Errorf("webhook: %s did not answer within %v", origin(s.url), s.opts.Timeout)
	case errors.Is(err, errAddress):
		outcome = Forbidden
	case errors.Is(err, errRedirect):
		outcome = Redirected
	case errors.As(err, &timeout) && timeout.Timeout():
		outcome = TimedOut
	}
	return outcome, fmt.Errorf("webhook: posting to %s: %s", origin(s.url), s.censor.quote(err.Error(), maxError))
}

// answered applies the rule for an answer.
func (s *Sink) answered(a answer) (Outcome, error) {
	text := s.describe(a)
	err := errors.New("webhook: " + text)
	switch a.status {
	case http.StatusGone:
		return s.gone(text)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return s.throttled(a, err)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity: // the event itself is wrong
		return Refused, consumer.DeadLetter(err)
	}
	switch a.status / 100 {
	case 2:
		return Delivered, nil
	case 3:
		return Redirected, err
	case 4:
		return ClientError, err
	}
	return ServerError, err
}

func (s *Sink) gone(reason string) (Outcome, error) {
	first := s.gate.disable(reason)
	err := s.gate.isGone()
	if first {
		s.log.Error("the webhook's receiver wants no more events; all messages are dead letters from now on", "error", err)
	}
	return Gone, consumer.DeadLetter(err)
}

func (s *Sink) throttled(a answer, err error) (Outcome, error) {
	d, ok := retryAfter(a.retryAfter, time.Now(), maxPause)
	if !ok && a.status == http.StatusServiceUnavailable {
		return ServerError, err
	}
	if !ok {
		d = defaultPause
	}
	if s.gate.pause(d) {
		s.log.Warn("the webhook's receiver asks for a pause", "pause", d, "error", err)
	}
	return Throttled, consumer.RetryAfter(d, err)
}

// describe returns an answer in a few words.
func (s *Sink) describe(a answer) string {
	text := strings.TrimSpace(fmt.Sprintf("%s answered %d %s", origin(s.url), a.status, http.StatusText(a.status)))
	if excerpt := s.censor.quote(a.body, maxExcerpt); excerpt != "" {
		text += fmt.Sprintf(": %q", excerpt)
	}
	return text
}
