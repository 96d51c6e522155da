package trouble

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pause is how long to wait after so many failures in a row: low, doubled with
// each one after the first up to high, and of that a random part above the half,
// so that those who failed together do not come back together.
func Pause(low, high time.Duration, failures int) time.Duration {
	d := low
	for i := 1; i < failures && d < high; i++ {
		d *= 2
	}
	d = min(d, high)
	return d/2 + rand.N(d/2+1)
}

// Sleep waits for d, for wake, which may be nil, or for ctx, whose error it
// returns.
func Sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err()
}
