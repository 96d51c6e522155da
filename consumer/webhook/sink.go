package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
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
	tally     tally
}

var _ consumer.Handler = (*Sink)(nil)

// New makes a sink for a URL, signing with every key: with the old and the new
// one while a receiver changes keys. It resolves no name and sends nothing. The
// error says what is wrong with the URL, the keys or an option, and quotes
// neither URL nor keys. Close the sink when done.
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
			return nil, fmt.Errorf("webhook: key %d is empty, make it with ParseKey", i+1)
		}
	}
	permitted := func(a netip.Addr) error { return permit(a, o.AllowPrivate, u.Scheme == "http") }
	return &Sink{
		url: u, keys: keys, opts: o, log: o.Logger.With("receiver", origin(u)),
		censor:    newCensor(u),
		gate:      newGate(o.Concurrency),
		transport: newTransport(o, permitted, nil),
	}, nil
}

// Close closes connections that are idle, and has the others closed after their
// requests. It always returns nil.
func (s *Sink) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Disabled returns a [*GoneError] with reason and time once the receiver has
// said by 410 that it wants no more, and nil before. It is for readiness.
func (s *Sink) Disabled() error { return s.gate.isGone() }

// Handle posts the body of a message, and follows the rules of the package.
func (s *Sink) Handle(ctx context.Context, d backend.Delivery) error {
	outcome, err := s.deliver(ctx, d.Body)
	s.tally.add(outcome)
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
	return s.judge(a)
}

// failed classifies what went wrong without an answer. The error keeps nothing
// of its cause but text that was looked through.
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

// judge follows the rule of an answer.
func (s *Sink) judge(a answer) (Outcome, error) {
	said := s.describe(a)
	err := errors.New("webhook: " + said)
	switch {
	case a.status >= 200 && a.status <= 299:
		return Delivered, nil
	case a.status == http.StatusGone:
		return s.gone(said)
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable:
		return s.throttled(a, err)
	case isRefusal(a.status):
		return Refused, consumer.DeadLetter(err)
	case a.status >= 300 && a.status <= 399:
		return Redirected, err
	case a.status >= 400 && a.status <= 499:
		return ClientError, err
	}
	return ServerError, err
}

// isRefusal is true for what is wrong with the event itself.
func isRefusal(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func (s *Sink) gone(said string) (Outcome, error) {
	first := s.gate.disable(said)
	err := s.gate.isGone()
	if first {
		s.log.Error("the webhook's receiver wants no more, all messages are dead letters from now on", "error", err)
	}
	return Gone, consumer.DeadLetter(err)
}

func (s *Sink) throttled(a answer, err error) (Outcome, error) {
	d, told := retryAfter(a.retryAfter, time.Now(), s.opts.MaxPause)
	if !told && a.status == http.StatusServiceUnavailable {
		return ServerError, err
	}
	if !told {
		d = s.opts.Pause
	}
	if s.gate.pause(d) {
		s.log.Warn("the webhook's receiver asks for a pause", "pause", d, "error", err)
	}
	return Throttled, consumer.RetryAfter(d, err)
}

// describe is an answer in few words.
func (s *Sink) describe(a answer) string {
	text := strings.TrimSpace(fmt.Sprintf("%s answered %d %s", origin(s.url), a.status, http.StatusText(a.status)))
	if excerpt := s.censor.quote(a.body, maxExcerpt); excerpt != "" {
		text += fmt.Sprintf(": %q", excerpt)
	}
	return text
}
