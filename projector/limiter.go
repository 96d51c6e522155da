package projector

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

const (
	// growEvery is how often one more call may be under way, while calls
	// succeed: from one to 32 within seven seconds.
	growEvery = 200 * time.Millisecond
	// leastCalls is how few calls there are at once under any pressure: a single
	// one, which rests for fifteen times as long as it took.
	leastCalls = 1.0 / 16
	// leastCall is what a call counts as taking, at least; mostRest is how long
	// it rests at most.
	leastCall = time.Millisecond
	mostRest  = time.Second
	// cutEvery is how often one conversation may halve the limit.
	cutEvery = 10 * time.Second
)

// limiter bounds how many calls of a table are under way at once, by what the
// table bears (additive increase, multiplicative decrease): a call that is
// throttled halves the limit, calls that succeed raise it one by one. Below one
// call at once there is one, and it rests afterwards, so that it is at work for
// that share of the time. So throttling of one caller holds back all of them.
//
// A single hot partition, that of a conversation with too many writes, says little
// about the table: each conversation halves the limit once in ten seconds at most,
// and backs off by itself otherwise. Where many are throttled, the limit still
// falls as fast as it must; a few slow the others down a little and never stop
// them, since the pauses before a call is repeated are outside the limit.
//
// It is safe for concurrent use. Waiting calls go ahead in their order.
type limiter struct {
	throttled, conflicts atomic.Int64 // calls

	mu      sync.Mutex
	limit   float64
	most    float64
	busy    int
	waiting []chan struct{}
	cut     time.Time            // when the limit was halved last
	grown   time.Time            // when it was raised last
	cutBy   map[string]time.Time // who halved it within cutEvery
}

func newLimiter(most int) *limiter {
	return &limiter{limit: float64(most), most: float64(most), cutBy: map[string]time.Time{}}
}

// Table returns a table whose calls are limited. It counts the calls that were
// throttled, also in part, and those that met another transaction.
func (l *limiter) Table(t backend.Table) backend.Table {
	return backend.Intercept(t, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		who := call.Key.PK
		if _, group, err := postroom.ParseRowKey(call.Key.SK); err == nil {
			who = group
		}
		return l.do(ctx, who, func() (throttled bool, err error) {
			err = next(ctx)
			if throttled = call.Unprocessed > 0 || is(err, backend.KindThrottled); throttled {
				l.throttled.Add(1)
			}
			if is(err, backend.KindConflict) {
				l.conflicts.Add(1)
			}
			return throttled, err
		})
	})
}

// is reports whether an error is of a kind, or one of its reasons.
func is(err error, kind backend.Kind) bool {
	var e *backend.Error
	return errors.As(err, &e) && (e.Kind == kind ||
		slices.ContainsFunc(e.Reasons, func(r *backend.Reason) bool { return r != nil && r.Kind == kind }))
}

// do makes a call for a conversation, or whatever else says which partition it
// is about, when there is room for it.
func (l *limiter) do(ctx context.Context, who string, call func() (throttled bool, err error)) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	begun := time.Now()
	throttled, err := call()
	rest := l.learn(who, begun, throttled, err)
	if rest > 0 {
		_ = retry.Sleep(ctx, rest, nil) // the call is over: its caller learns how it went
	}
	l.leave()
	return err
}

// enter waits until one more call may be under way.
func (l *limiter) enter(ctx context.Context) error {
	l.mu.Lock()
	if l.room() && len(l.waiting) == 0 {
		l.busy++
		l.mu.Unlock()
		return nil
	}
	admitted := make(chan struct{})
	l.waiting = append(l.waiting, admitted)
	l.mu.Unlock()
	select {
	case <-admitted:
		return nil
	case <-ctx.Done():
		l.giveUp(admitted)
		return ctx.Err()
	}
}

func (l *limiter) giveUp(admitted chan struct{}) {
	l.mu.Lock()
	i := slices.Index(l.waiting, admitted)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 { // it was admitted meanwhile
		l.leave()
	}
}

func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.busy--; l.room() && len(l.waiting) > 0; l.busy++ {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// room reports whether one more call may be under way; there is always one.
func (l *limiter) room() bool { return float64(l.busy) < max(1, math.Floor(l.limit)) }

// learn takes in how a call went, and returns how long it is to rest before
// another one takes its place.
func (l *limiter) learn(who string, begun time.Time, throttled bool, err error) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case throttled:
		l.halve(who, begun, now)
	case err == nil && now.Sub(l.grown) >= growEvery:
		l.limit = min(l.most, l.limit+min(1, l.limit/4))
		l.grown = now
	}
	if l.limit >= 1 {
		return 0
	}
	took := max(now.Sub(begun), leastCall)
	return min(time.Duration(float64(took)*(1/l.limit-1)), mostRest)
}

func (l *limiter) halve(who string, begun, now time.Time) {
	if begun.Before(l.cut) {
		return // it was under way when the limit was halved: it says nothing new
	}
	maps.DeleteFunc(l.cutBy, func(_ string, at time.Time) bool { return now.Sub(at) >= cutEvery })
	if _, ok := l.cutBy[who]; ok {
		return
	}
	l.cutBy[who] = now
	l.limit = max(leastCalls, min(l.limit, float64(l.busy))/2)
	l.cut, l.grown = now, now
}
