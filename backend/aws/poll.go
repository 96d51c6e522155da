package aws

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
)

// Pauses between two looks at what takes its time.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = time.Second
)

// poll calls f with growing pauses until it is done, for the operation op.
func poll(ctx context.Context, op string, f func() (done bool, err error)) error {
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		done, err := f()
		if done || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &backend.Error{Op: op, Kind: backend.KindUnavailable, Err: context.Cause(ctx)}
		}
	}
}
