package stream

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

// Pauses after failed calls. Source of the first two: the KCL adapter for
// DynamoDB Streams backs off from 100 ms to 10 s.
const (
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
	// patience is how long a call may fail in a way that no retry mends before
	// the reader gives up: credentials expire and come back.
	patience = 2 * time.Minute
	// callTimeout bounds one call: a megabyte over a slow line.
	callTimeout = 30 * time.Second
)

// troubles paces the repetition of one sort of call over all shards, and says
// once what is wrong and once that it is over.
type troubles struct {
	log  *slog.Logger
	what string // "reading records"

	mu       sync.Mutex
	failing  map[string]*trouble
	kind     backend.Kind // logged last
	since    time.Time
	failures int
}

// trouble is one caller whose last call failed.
type trouble struct {
	count int
	since time.Time
}

func newTroubles(log *slog.Logger, what string) *troubles {
	return &troubles{log: log, what: what, failing: make(map[string]*trouble)}
}

// failed counts a failure of who, and returns how long to wait before the next
// attempt, and whether to give up.
func (t *troubles) failed(who string, err error) (pause time.Duration, giveUp bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if len(t.failing) == 0 {
		t.since, t.failures = now, 0
	}
	one := t.failing[who]
	if one == nil {
		one = &trouble{since: now}
		t.failing[who] = one
	}
	one.count++
	t.failures++
	if kind := backend.KindOf(err); t.failures == 1 || kind != t.kind {
		t.kind = kind
		t.log.Warn(t.what+" fails, trying again", "of", who, "kind", kind.String(), "failures", t.failures, "error", err)
	}
	return jitter(min(maxPause, minPause<<min(one.count-1, 10))), hopeless(err) && now.Sub(one.since) > patience
}

// worked says that a call of who succeeded.
func (t *troubles) worked(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failing[who] == nil {
		return
	}
	delete(t.failing, who)
	if len(t.failing) == 0 {
		t.log.Info(t.what+" works again", "failures", t.failures, "after", time.Since(t.since).Round(time.Millisecond).String())
	}
}

// persist repeats call until it succeeds or fails in a way that no retry mends;
// the latter at once when it never worked before, so at start.
func (t *troubles) persist(ctx context.Context, who string, atStart bool, call func(context.Context) error) error {
	for {
		err := bounded(ctx, call)
		if err == nil {
			t.worked(who)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if final(err) || atStart && hopeless(err) {
			return err
		}
		pause, giveUp := t.failed(who, err)
		if giveUp {
			return err
		}
		if err := sleep(ctx, pause, nil); err != nil {
			return err
		}
	}
}

// bounded gives one call its time limit.
func bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
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

// sleep waits for d, for the channel, which may be nil, or for ctx, whose error
// it returns.
func sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// jitter spreads d by a fifth to both sides, so that shards do not march in step.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// final reports whether err is an answer, and not a failure to get one.
func final(err error) bool {
	var lost *LostError
	var loss *DataLossError
	return backend.KindOf(err) == backend.KindConditionFailed || errors.As(err, &lost) || errors.As(err, &loss)
}
