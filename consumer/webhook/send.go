package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postroom/postroom/internal/tracing"
)

const (
	contentType = "application/cloudevents+json; charset=utf-8"
	userAgent   = "postroom-webhook (+https://github.com/postroom/postroom)"
	// maxRedirects is how many redirects a delivery follows.
	maxRedirects = 3
	// Limits of reading an answer's body. It does not change the outcome, and once
	// it is read to the end the connection can be used again.
	maxAnswerBytes = 64 << 10
	maxAnswerTime  = time.Second
)

var (
	errTimeout  = errors.New("the delivery took too long")
	errRedirect = errors.New("redirect refused")
)

// answer is a receiver's answer.
type answer struct {
	status               int
	retryAfter, location string
	body                 string // its beginning
}

// post sends an event, follows redirects, and returns the last answer. It does not
// use [http.Client], which has its own rules for redirects and quotes URLs in its
// errors.
func (s *Sink) post(ctx context.Context, id, body string) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, errTimeout)
	defer cancel()
	header := s.header(ctx, id, body)
	target := s.url
	for range maxRedirects + 1 {
		a, err := s.send(ctx, target, header.Clone(), body)
		if err != nil && ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}
		if err != nil || !isRedirect(a.status) {
			return a, err
		}
		if target, err = redirected(target, a); err != nil {
			return answer{}, err
		}
	}
	return answer{}, fmt.Errorf("%w: more than %d in a row", errRedirect, maxRedirects)
}

func (s *Sink) header(ctx context.Context, id, body string) http.Header {
	now := time.Now().Unix()
	header := http.Header{
		"Content-Type":      {contentType},
		"User-Agent":        {userAgent},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(now, 10)},
		"Webhook-Signature": {sign(s.keys, id, now, body)},
		// A header without values is not sent. This one lets the transport try again
		// when an idle connection turns out to be closed: receivers recognize the id.
		"Idempotency-Key": {},
	}
	tracing.Inject(ctx, header)
	return header
}

func (s *Sink) send(ctx context.Context, target *url.URL, header http.Header, body string) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(body))
	if err != nil {
		return answer{}, errURL // impossible, and err would quote the URL
	}
	request.Header = header
	begin := time.Now()
	s.count(func(s *Stats) { s.InFlight++ })
	defer s.count(func(s *Stats) {
		s.InFlight--
		s.Requests++
		s.RequestTime += time.Since(begin)
	})
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	defer time.AfterFunc(maxAnswerTime, cancel).Stop()
	return read(response), nil
}

func read(response *http.Response) answer {
	a := answer{
		status:     response.StatusCode,
		retryAfter: response.Header.Get("Retry-After"),
		location:   response.Header.Get("Location"),
	}
	if a.status == http.StatusSwitchingProtocols {
		return a // what follows is not a body, and the other side waits for us
	}
	// Only the status counts, so a body that breaks off does no harm.
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	a.body = string(body)
	return a
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirected returns the target of a redirect that may be followed: it must stay
// within the origin, and keep method and body.
func redirected(from *url.URL, a answer) (*url.URL, error) {
	to, err := from.Parse(a.location)
	if err != nil || a.location == "" || to.Hostname() == "" {
		return nil, fmt.Errorf("%w: a %d has no valid location", errRedirect, a.status)
	}
	switch {
	case !sameOrigin(from, to):
		return nil, fmt.Errorf("%w: a %d leads to %s; if that is correct, use it as the webhook's URL",
			errRedirect, a.status, origin(to))
	case a.status != http.StatusTemporaryRedirect && a.status != http.StatusPermanentRedirect:
		return nil, fmt.Errorf("%w: a %d to %s would lose the event; let it answer 308, or use its location as the webhook's URL",
			errRedirect, a.status, origin(to))
	}
	return to, nil // the transport sends neither user information nor a fragment
}
