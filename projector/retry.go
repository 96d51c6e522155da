package projector

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/postroom/postroom/backend"
)

// Pace of retries: of one call, and of what keeps failing after that.
const (
	retryBase     = 20 * time.Millisecond
	retryCap      = 2 * time.Second
	retryAttempts = 5
)

// backoff is the pause before the attempt after n failures, with full jitter
// above a half so that workers who collided do not meet again.
func backoff(n int) time.Duration {
	d := retryCap
	if n < 16 {
		d = min(retryCap, retryBase<<n)
	}
	return d/2 + rand.N(d/2+1)
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retry makes a call again while that may help, a bounded number of times.
func retry(ctx context.Context, call func() error) error {
	for n := 0; ; n++ {
		err := call()
		if err == nil || !backend.Retryable(err) || n+1 == retryAttempts {
			return err
		}
		if err := pause(ctx, backoff(n)); err != nil {
			return err
		}
	}
}
