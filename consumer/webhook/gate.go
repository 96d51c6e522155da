package webhook

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/postroom/postroom/internal/retry"
)

// GoneError says that the receiver wants no more events: it answered 410.
type GoneError struct {
	At     time.Time // of the answer
	Reason string    // the receiver's words, without secrets
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("webhook disabled at %s: %s; start it again with the URL of a receiver that wants the events",
		e.At.UTC().Format(time.RFC3339), e.Reason)
}

// gate admits a bounded number of requests at once, none during a pause, and none
// after the receiver has gone.
type gate struct {
	permits chan struct{}
	shut    chan struct{} // closed when gone is set

	mu    sync.Mutex
	until time.Time // end of the pause
	gone  *GoneError
}

func newGate(concurrency int) *gate {
	return &gate{permits: make(chan struct{}, concurrency), shut: make(chan struct{})}
}

// enter waits until a request may be sent; after success the caller must leave. The
// error is a [GoneError] or the one of ctx.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.permits <- struct{}{}:
	case <-g.shut:
		return g.isGone()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := g.wait(ctx)
	if err != nil {
		g.leave()
	}
	return err
}

func (g *gate) leave() { <-g.permits }

// wait waits for the end of the pause, which may become longer meanwhile.
func (g *gate) wait(ctx context.Context) error {
	for {
		if gone := g.isGone(); gone != nil {
			return gone
		}
		d := g.pauseLeft()
		if d == 0 {
			return ctx.Err()
		}
		if err := retry.Sleep(ctx, d, g.shut); err != nil {
			return err
		}
	}
}

// pause begins a pause, or extends the current one. It returns true if there was
// none.
func (g *gate) pause(d time.Duration) (began bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	began = !g.until.After(now)
	if until := now.Add(d); until.After(g.until) {
		g.until = until
	}
	return began
}

func (g *gate) pauseLeft() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.until))
}

// disable shuts the gate for good. It returns true the first time.
func (g *gate) disable(reason string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone != nil {
		return false
	}
	g.gone = &GoneError{At: time.Now(), Reason: reason}
	close(g.shut)
	return true
}

// isGone returns the [GoneError] once there is one.
func (g *gate) isGone() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone == nil {
		return nil
	}
	return g.gone
}
