package backendtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// longest is a wait whose end no test waits for.
const longest = backend.MaxWait

func queueWaitTests() []test {
	return []test{
		{"a receive waits for the first message", func(t *testing.T, h Harness) {
			for _, kind := range queueKinds() {
				q := newQueue(t, h, kind.with)
				got := receiveInBackground(t, q, longest)
				send(t, q, kind.entry("m"))
				wantReceived(t, got, "m")
			}
		}},
		{"a waiting receive returns a message that becomes visible again", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			takeOne(t, q, "m", hiddenShort)
			got := receiveInBackground(t, q, longest)
			h.lapse()
			wantReceived(t, got, "m")
		}},
		{"a waiting receive returns a message whose group becomes free", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "1"), entry("g", "2"))
			d := takeOne(t, q, "1", hidden)
			got := receiveInBackground(t, q, longest)
			remove(t, q, d)
			wantReceived(t, got, "2")
		}},
		{"a waiting receive returns a released message", func(t *testing.T, h Harness) {
			for _, kind := range queueKinds() {
				q := newQueue(t, h, kind.with)
				send(t, q, kind.entry("m"))
				d := takeOne(t, q, "m", hidden)
				got := receiveInBackground(t, q, longest)
				change(t, q, 0, d)
				wantReceived(t, got, "m")
			}
		}},
		{"a receive that finds no message in time is not an error", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			got, err := q.Receive(t.Context(), 10, time.Second, hidden)
			must(t, err)
			wantEqual(t, len(got), 0)
		}},
		{"Q10: a waiting receive returns soon after its context is done, and takes no message", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			start := time.Now()
			got, err := q.Receive(ctx, 10, longest, hidden)
			if len(got) > 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("received %q, error %v", bodies(got), err)
			}
			if took := time.Since(start); took > longest/2 {
				t.Fatalf("it took %s", took)
			}
			send(t, q, entry("g", "m"))
			takeOne(t, q, "m", hidden)
		}},
	}
}

type received struct {
	ds  []backend.Delivery
	err error
}

// receiveInBackground starts a waiting receive; the test ends after it.
func receiveInBackground(t *testing.T, q backend.Queue, wait time.Duration) <-chan received {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	got, done := make(chan received, 1), make(chan struct{})
	go func() {
		defer close(done)
		ds, err := q.Receive(ctx, 10, wait, hidden)
		got <- received{ds, err}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return got
}

func wantReceived(t *testing.T, got <-chan received, body string) {
	t.Helper()
	r := <-got
	must(t, r.err)
	wantEqual(t, bodies(r.ds), []string{body})
}
