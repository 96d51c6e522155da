package aws

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// Bounds of the pauses of poll.
const (
	minPollPause = 20 * time.Millisecond
	maxPollPause = time.Second
)

// poll calls f, with growing pauses, until f reports that it is done or fails.
func poll(ctx context.Context, op string, f func() (done bool, err error)) error {
	for pause := minPollPause; ; pause = min(2*pause, maxPollPause) {
		done, err := f()
		if done || err != nil {
			return err
		}
		if retry.Sleep(ctx, pause, nil) != nil {
			return &backend.Error{Op: op, Kind: backend.KindUnavailable, Err: context.Cause(ctx)}
		}
	}
}
