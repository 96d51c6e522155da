package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	// Bounds of the pauses after failed calls. Source: the KCL adapter for
	// DynamoDB Streams backs off from 100 ms to 10 s.
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
	// outagePause bounds them where there was no answer: it is how long it takes
	// to notice that an outage is over, and spares nobody anything.
	outagePause = 3 * time.Second
	// patience is how long a call may fail in a way that no retry mends before
	// the reader gives up: credentials expire and come back.
	patience = 2 * time.Minute
	// callTimeout bounds one call: a megabyte over a slow line.
	callTimeout = 30 * time.Second
)

var errNoAnswer = errors.New("no answer in time")

// failed notes a failure of who, and returns how long to wait before the next
// attempt, and whether to give up.
func failed(ctx context.Context, w *trouble.Work, who string, err error) (pause time.Duration, giveUp bool) {
	pause, lasting := w.Failed(ctx, who, err)
	if backend.KindOf(err) == backend.KindUnavailable {
		pause = min(pause, outagePause)
	}
	return pause, hopeless(err) && lasting > patience
}

// persist repeats call until it succeeds or fails in a way that no retry mends;
// the latter at once when it never worked before, so at start.
func persist(ctx context.Context, w *trouble.Work, who string, atStart bool, call func(context.Context) error) error {
	for {
		err := bounded(ctx, call)
		if err == nil || final(err) {
			w.Worked(who)
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if atStart && hopeless(err) {
			return err
		}
		pause, giveUp := failed(ctx, w, who, err)
		if giveUp {
			return err
		}
		if err := trouble.Sleep(ctx, pause, nil); err != nil {
			return err
		}
	}
}

// bounded gives one call its time limit.
func bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errNoAnswer)
	defer cancel()
	return call(ctx)
}

// hopeless reports whether the same call fails again for a reason outside the
// reader: somebody has to mend it.
func hopeless(err error) bool {
	switch backend.KindOf(err) {
	case backend.KindDenied, backend.KindInvalid, backend.KindNotFound:
		return true
	}
	return false
}

// final reports whether err is an answer, and not a failure to get one.
func final(err error) bool {
	var loss *DataLossError
	return backend.KindOf(err) == backend.KindConditionFailed || errors.Is(err, errTaken) || errors.As(err, &loss)
}

// jitter spreads d by a fifth to both sides, so that shards do not march in step.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
