package projector

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

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

	most   int
	places *semaphore.Weighted // as many: calls under way, and what is withheld

	mu       sync.Mutex
	limit    float64
	busy     int                  // calls under way
	withheld int                  // places that the limit does not allow
	cut      time.Time            // when the limit was halved last
	grown    time.Time            // when it was raised last
	cutBy    map[string]time.Time // who halved it within cutEvery
}

func newLimiter(most int) *limiter {
	return &limiter{
		most: most, places: semaphore.NewWeighted(int64(most)), limit: float64(most), cutBy: map[string]time.Time{},
	}
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
	e, ok := errors.AsType[*backend.Error](err)
	return ok && (e.Kind == kind ||
		slices.ContainsFunc(e.Reasons, func(r *backend.Reason) bool { return r != nil && r.Kind == kind }))
}

// do makes a call for a conversation, or whatever else says which partition it
// is about, when there is room for it.
func (l *limiter) do(ctx context.Context, who string, call func() (throttled bool, err error)) error {
	if err := l.places.Acquire(ctx, 1); err != nil {
		return err
	}
	begun := l.begin()
	throttled, err := call()
	rest := l.learn(who, begun, throttled, err)
	if rest > 0 {
		_ = retry.Sleep(ctx, rest, nil) // the call is over: its caller learns how it went
	}
	l.leave()
	return err
}

func (l *limiter) begin() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy++
	return time.Now()
}

func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	l.withheld++
	l.withhold()
}

// withhold withholds the free places that the limit does not allow, and gives back
// those that it does. It always allows one.
func (l *limiter) withhold() {
	want := l.most - max(1, int(l.limit))
	for l.withheld < want && l.places.TryAcquire(1) {
		l.withheld++
	}
	if spare := l.withheld - want; spare > 0 {
		l.withheld = want
		l.places.Release(int64(spare))
	}
}

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
		l.limit = min(float64(l.most), l.limit+min(1, l.limit/4))
		l.grown = now
	}
	l.withhold()
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
