package projector

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// Pace of retries: of one call, and of what keeps failing after that.
const (
	retryBase     = 20 * time.Millisecond
	retryCap      = 2 * time.Second
	retryAttempts = 5
)

// backoff is the pause after so many failures in a row.
func backoff(failures int) time.Duration { return trouble.Pause(retryBase, retryCap, failures) }

// retry makes a call again while that may help, a bounded number of times.
func retry(ctx context.Context, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || !backend.Retryable(err) || n == retryAttempts {
			return err
		}
		if err := trouble.Sleep(ctx, backoff(n), nil); err != nil {
			return err
		}
	}
}

// verdict is the kind of an error that a move is to act on. Of several reasons
// that a condition failed comes first: what was known is void then, and the
// others may be with it.
func verdict(err error) backend.Kind {
	if is(err, backend.KindConditionFailed) {
		return backend.KindConditionFailed
	}
	return backend.KindOf(err)
}
