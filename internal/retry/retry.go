// Package retry repeats calls that failed. It is the one place that decides when
// a call is made again, after which pause, and when to give up.
//
// A [Policy] is a value. A [Loop] adds the incident log, for the calls of a
// daemon, which go on for as long as it takes.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
)

// ErrNoAnswer is the cause of a call that exceeded [Policy].Timeout.
var ErrNoAnswer = errors.New("no answer in time")

// Forever is the Patience of a call that is repeated whatever its error.
const Forever time.Duration = 1<<63 - 1

// Policy says when a failed call is made again.
type Policy struct {
	// Min and Max bound the pauses; see Pause.
	Min, Max time.Duration
	// MaxUnavailable bounds the pause after a call that got no answer. It is how
	// long it takes to notice that an outage is over. Default Max.
	MaxUnavailable time.Duration
	// Timeout bounds one call. Default none.
	Timeout time.Duration
	// Attempts is how often the call is made. Default: without bound.
	Attempts int
	// Patience is for how long an error is retried that only a person can fix:
	// access denied, wrong request, not found. Default not at all.
	Patience time.Duration
	// Final reports whether an error is an answer, or one that no retry changes.
	// It is returned at once. Default: no error is.
	Final func(error) bool
}

// Pause returns how long to wait after so many failures in a row: Min, doubled
// with each failure after the first up to Max, and of that a random part above
// one half, so that callers that failed together do not come back together.
func (p Policy) Pause(failures int) time.Duration {
	d := p.Min
	for i := 1; i < failures && d < p.Max; i++ {
		d *= 2
	}
	d = min(d, p.Max)
	return d/2 + rand.N(d/2+1)
}

// Do calls f until it succeeds, the policy gives up, or ctx is done. It returns
// f's last error, or the cause of ctx's end.
func (p Policy) Do(ctx context.Context, f func(context.Context) error) error {
	var failures int
	var since time.Time
	return p.do(ctx, f, func(err error) (time.Duration, bool) {
		if failures++; failures == 1 {
			since = time.Now()
		}
		return p.next(failures, time.Since(since), err)
	})
}

// Once calls f once, within the policy's timeout. A call that exceeds it fails
// with [ErrNoAnswer], of backend.KindUnavailable.
func (p Policy) Once(ctx context.Context, f func(context.Context) error) error {
	if p.Timeout <= 0 {
		return f(ctx)
	}
	call, cancel := context.WithTimeoutCause(ctx, p.Timeout, ErrNoAnswer)
	defer cancel()
	err := f(call)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		// Without the context's error, which would say that the caller gave up.
		return &backend.Error{Op: fmt.Sprintf("call of at most %v", p.Timeout), Kind: backend.KindUnavailable, Err: ErrNoAnswer}
	}
	return err
}

// Once is [Policy.Once] for a call that has a result.
func Once[T any](ctx context.Context, p Policy, f func(context.Context) (T, error)) (result T, err error) {
	err = p.Once(ctx, func(ctx context.Context) (err error) {
		result, err = f(ctx)
		return err
	})
	return result, err
}

func (p Policy) do(ctx context.Context, f func(context.Context) error, failed func(error) (time.Duration, bool)) error {
	for attempt := 1; ; attempt++ {
		err := p.Once(ctx, f)
		switch {
		case err == nil, p.Final != nil && p.Final(err):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case attempt == p.Attempts && attempt > 1:
			return fmt.Errorf("gave up after %d attempts: %w", attempt, err)
		}
		pause, giveUp := failed(err)
		if giveUp || attempt == p.Attempts {
			return err
		}
		if Sleep(ctx, pause, nil) != nil {
			return context.Cause(ctx)
		}
	}
}

// next decides what follows a failure.
func (p Policy) next(failures int, lasting time.Duration, err error) (pause time.Duration, giveUp bool) {
	if Permanent(err) && lasting >= p.Patience {
		return 0, true
	}
	pause = p.Pause(failures)
	if p.MaxUnavailable > 0 && backend.KindOf(err) == backend.KindUnavailable {
		pause = min(pause, p.MaxUnavailable)
	}
	return pause, false
}

// Permanent reports whether the same call fails again until a person does
// something about it.
func Permanent(err error) bool {
	switch backend.KindOf(err) {
	case backend.KindDenied, backend.KindInvalid, backend.KindNotFound:
		return true
	}
	return false
}

// Loop is a policy for one operation of a daemon, whose incidents it logs.
type Loop struct {
	Policy
	Operation *incident.Operation
}

// Do is [Policy.Do] for one caller of the operation: callers fail and succeed
// independently.
func (l Loop) Do(ctx context.Context, who string, f func(context.Context) error) error {
	defer func() {
		if ctx.Err() != nil {
			l.Operation.Stopped(who)
		}
		l.Succeeded(who)
	}()
	return l.do(ctx, f, func(err error) (time.Duration, bool) { return l.Failed(ctx, who, err) })
}

// Failed records a failure in a loop of the caller's own. It returns the pause
// before the next attempt, or that the caller must give up; a loop that never does
// has a policy with the Patience [Forever]. The caller calls Succeeded in the end,
// also when it gives up.
func (l Loop) Failed(ctx context.Context, who string, err error) (pause time.Duration, giveUp bool) {
	failures, lasting := l.Operation.Failed(ctx, who, err)
	return l.next(failures, lasting, err)
}

// Succeeded records that a caller succeeded or gave up.
func (l Loop) Succeeded(who string) { l.Operation.Succeeded(who) }

// Sleep waits for d, for wake, which may be nil, or for ctx, whose error it
// returns.
func Sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	if d <= 0 { // a timer of no length can crash Go 1.26's race detector in a synctest bubble: Go issue 78156
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Wake ends a [Sleep] that waits for wake, a channel of one place, or the next one
// that does. It does not block.
func Wake(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Jitter spreads d by a fifth to both sides, so that loops do not march in step.
func Jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
