package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// detour is a proxy that can hold up one request for as long as a test needs, even
// beyond the life of the process that sent it: a packet that arrives late.
type detour struct {
	t       *testing.T
	to      *server
	url     string
	armed   atomic.Pointer[held] // until it arrives
	last    *held
	clients http.Client
}

// held is the request to hold up.
type held struct {
	matches func(operation string, body []byte) bool
	came    chan struct{} // closed when it has arrived
	release chan struct{} // closed to let it pass; later requests are not held up
	done    chan struct{} // closed when the server has answered
	answer  []byte
}

func newDetour(t *testing.T, s *server) *detour {
	t.Helper()
	if s.url == "" {
		need(t, errors.New("AWS takes no request that was signed for another host: this test needs a container"))
	}
	d := &detour{t: t, to: s}
	front := httptest.NewServer(d)
	d.url = front.URL
	t.Cleanup(func() {
		if d.last != nil {
			d.last.letGo()
		}
		front.CloseClientConnections()
		front.Close()
		d.clients.CloseIdleConnections()
	})
	return d
}

// hold holds up the next request that matches.
func (d *detour) hold(matches func(operation string, body []byte) bool) *held {
	h := &held{matches: matches, came: make(chan struct{}), release: make(chan struct{}), done: make(chan struct{})}
	d.last = h
	d.armed.Store(h)
	return h
}

// wait returns once the request has arrived.
func (h *held) wait(ctx context.Context) error { return await(ctx, "the request to hold up", h.came) }

// letGo passes the request on to the server, if it has arrived, and returns once
// the server has answered.
func (h *held) letGo() {
	select {
	case <-h.release:
	default:
		close(h.release)
	}
	select {
	case <-h.came:
		<-h.done
	default:
	}
}

// ServeHTTP implements http.Handler.
func (d *detour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	ctx := r.Context()
	h := d.armed.Load()
	if h != nil && h.matches(operation(r), body) && d.armed.CompareAndSwap(h, nil) {
		ctx = context.WithoutCancel(ctx)
		close(h.came)
		<-h.release
		defer close(h.done)
	} else {
		h = nil
	}
	status, header, answer, err := d.forward(ctx, r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if h != nil {
		h.answer = answer
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the client may be gone
}

func (d *detour) forward(ctx context.Context, r *http.Request, body []byte) (int, http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, d.to.url+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header = r.Header.Clone()
	response, err := d.clients.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, answer, err
}

// await waits for a channel to close, for as long as patience lasts.
func await(ctx context.Context, what string, c <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, timeoutError(what))
	defer cancel()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// patience is the longest time that a test waits for something.
const patience = 3 * time.Minute

type timeoutError string

func (e timeoutError) Error() string { return "waited " + patience.String() + " for " + string(e) }
