package redrive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// policy is for every call to a queue. A call has failed after about four seconds of
// pauses.
var policy = retry.Policy{
	Min: 200 * time.Millisecond, Max: 2 * time.Second, Attempts: 6, Timeout: 10 * time.Second,
}

// batchCall makes one call for up to ten dead letters.
type batchCall func(ctx context.Context, letters []*deadLetter) ([]backend.EntryError, error)

// each makes a call until each of the dead letters has its answer, and returns the
// failures. If the call itself got no answer in the end, its error is returned too.
// A call that has begun when ctx is done is finished, but not repeated.
func (r *run) each(ctx, calling context.Context, letters []*deadLetter, call batchCall) (failures map[*deadLetter]error, err error) {
	failures = map[*deadLetter]error{}
	var last error
	err = policy.Do(ctx, func(context.Context) error {
		var failed []backend.EntryError
		failed, last = retry.Once(calling, policy, func(ctx context.Context) ([]backend.EntryError, error) { return call(ctx, letters) })
		if last == nil {
			letters, last = sortOut(letters, failed, failures)
		}
		return last
	})
	if err == nil {
		return failures, nil
	}
	for _, l := range letters {
		failures[l] = last
	}
	if _, entry := errors.AsType[backend.EntryError](err); entry {
		return failures, nil
	}
	return failures, err
}

// sortOut records the dead letters that cannot succeed, and returns those to try
// again with the failure of one of them.
func sortOut(letters []*deadLetter, failed []backend.EntryError, failures map[*deadLetter]error) (again []*deadLetter, last error) {
	for _, f := range failed {
		if f.SenderFault {
			failures[letters[f.Index]] = f
			continue
		}
		again, last = append(again, letters[f.Index]), f
	}
	return again, last
}

// isRefusal reports whether a dead letter failed by its own fault.
func isRefusal(err error) bool {
	f, ok := errors.AsType[backend.EntryError](err)
	return ok && f.SenderFault
}

// inFlightWhere returns the dead letters in flight that satisfy which, in the order
// in which they came.
func (r *run) inFlightWhere(which func(*deadLetter) bool) (letters []*deadLetter) {
	for _, l := range r.known {
		if l.inFlight && which(l) {
			letters = append(letters, l)
		}
	}
	slices.SortFunc(letters, func(a, b *deadLetter) int { return cmp.Compare(a.number, b.number) })
	return letters
}

// release shows dead letters in flight again, in order. One whose receipt the queue
// refuses was in sight already, or is gone.
func (r *run) release(calling context.Context, which func(*deadLetter) bool) error {
	letters := r.inFlightWhere(which)
	r.landed(letters)
	var left int
	var last error
	for batch := range slices.Chunk(letters, backend.MaxQueueBatch) {
		if last != nil {
			left += len(batch)
			continue
		}
		failures, err := r.each(calling, calling, batch, r.show)
		for _, why := range failures {
			if !isRefusal(why) {
				left, last = left+1, why
			}
		}
		last = cmp.Or(err, last)
	}
	if last != nil {
		return fmt.Errorf("redrive: %d dead letters could not be released; they can be received again in %v: %w", left, hidden, last)
	}
	return nil
}

func (r *run) show(ctx context.Context, letters []*deadLetter) ([]backend.EntryError, error) {
	changes := make([]backend.VisibilityChange, len(letters))
	for i, l := range letters {
		changes[i] = backend.VisibilityChange{Receipt: l.Receipt}
	}
	return r.dead.ChangeVisibility(ctx, changes)
}
