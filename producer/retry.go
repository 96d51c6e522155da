package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	firstPause = 25 * time.Millisecond
	maxPause   = 2 * time.Second
)

// retry calls f until it succeeds, fails for good, or has been called
// maxAttempts times.
func (p *Producer) retry(ctx context.Context, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		switch {
		case err == nil:
			return nil
		case !retryable(err):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case attempt == p.maxAttempts:
			return fmt.Errorf("given up after %d attempts: %w", attempt, err)
		}
		if trouble.Sleep(ctx, trouble.Pause(firstPause, maxPause, attempt), nil) != nil {
			return context.Cause(ctx)
		}
	}
}

// retryable: a conditional put is safe to make again, whatever became of it, so
// that an error nobody knows is worth it too.
func retryable(err error) bool {
	var refused *RefusedError
	return !errors.As(err, &refused) && (backend.Retryable(err) || backend.KindOf(err) == backend.KindUnknown)
}

// mayHaveWritten reports whether a put that failed so may have happened.
func mayHaveWritten(err error) bool {
	kind := backend.KindOf(err)
	return kind == backend.KindUnavailable || kind == backend.KindUnknown
}

func unitsOf(err error) backend.Units {
	var e *backend.Error
	if errors.As(err, &e) {
		return e.Units
	}
	return backend.Units{}
}
