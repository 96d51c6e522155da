package redrive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	// attempts is how often a call is made until it counts as failed: about four
	// seconds of pauses.
	attempts = 6
	// minPause and maxPause bound the pause after a failed call.
	minPause = 200 * time.Millisecond
	maxPause = 2 * time.Second
	// callTimeout bounds one call.
	callTimeout = 10 * time.Second
)

var errNoAnswer = errors.New("the queue did not answer in time")

// insist makes a call until it succeeds, or there is no hope that it will.
func insist(ctx context.Context, call func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := once(ctx, call)
		if err == nil || hopeless(err, attempt) {
			return err
		}
		if stopped := trouble.Sleep(ctx, trouble.Pause(minPause, maxPause, attempt), nil); stopped != nil {
			return stopped
		}
	}
}

// each has a call made for letters until each of them had its answer, and
// returns the failures of those that failed. The error is a call's that had no
// answer in the end; its letters failed with it. A call that has begun when ctx
// is done is finished, but not repeated.
func (r *run) each(
	ctx context.Context, letters []*letter, call func(context.Context, []*letter) ([]backend.EntryError, error),
) (failures map[*letter]error, err error) {
	failures = map[*letter]error{}
	for attempt := 1; ; attempt++ {
		var failed []backend.EntryError
		err := once(r.settling, func(ctx context.Context) (err error) {
			failed, err = call(ctx, letters)
			return err
		})
		again, last := letters, err
		if err == nil {
			again, last = sortOut(letters, failed, failures)
		}
		if len(again) == 0 {
			return failures, nil
		}
		giveUp := hopeless(last, attempt)
		if !giveUp && trouble.Sleep(ctx, trouble.Pause(minPause, maxPause, attempt), nil) != nil {
			giveUp, err = true, ctx.Err()
		}
		if giveUp {
			for _, l := range again {
				failures[l] = last
			}
			return failures, err
		}
		letters = again
	}
}

// sortOut notes the letters that failed for good, and returns those to try
// again with the failure of one of them.
func sortOut(letters []*letter, failed []backend.EntryError, failures map[*letter]error) (again []*letter, last error) {
	for _, f := range failed {
		if f.SenderFault {
			failures[letters[f.Index]] = f
			continue
		}
		again, last = append(again, letters[f.Index]), f
	}
	return again, last
}

func once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errNoAnswer)
	defer cancel()
	return call(ctx)
}

// hopeless reports whether a call is not to be made again after so many
// attempts.
func hopeless(err error, attempt int) bool {
	switch backend.KindOf(err) {
	case backend.KindInvalid, backend.KindNotFound, backend.KindDenied:
		return true
	}
	return attempt >= attempts
}

// isRefusal reports whether a letter failed by its own fault.
func isRefusal(err error) bool {
	var f backend.EntryError
	return errors.As(err, &f) && f.SenderFault
}

// giveBack gives back letters in hand, in the order in which they came. What the
// queue does not take back was in sight already, or has gone.
func (r *run) giveBack(which func(*letter) bool) error {
	var letters []*letter
	for _, l := range r.known {
		if l.held && which(l) {
			letters = append(letters, l)
		}
	}
	slices.SortFunc(letters, func(a, b *letter) int { return cmp.Compare(a.number, b.number) })
	r.drop(letters)
	var left int
	var last error
	for batch := range slices.Chunk(letters, backend.MaxQueueBatch) {
		if last != nil {
			left += len(batch)
			continue
		}
		failures, err := r.each(r.settling, batch, r.show)
		for _, why := range failures {
			if !isRefusal(why) {
				left, last = left+1, why
			}
		}
		last = cmp.Or(err, last)
	}
	if last != nil {
		return fmt.Errorf("redrive: %d letters could not be given back; they are in sight again in %v: %w", left, hidden, last)
	}
	return nil
}

func (r *run) show(ctx context.Context, letters []*letter) ([]backend.EntryError, error) {
	changes := make([]backend.VisibilityChange, len(letters))
	for i, l := range letters {
		changes[i] = backend.VisibilityChange{Receipt: l.Receipt}
	}
	return r.dead.ChangeVisibility(ctx, changes)
}

// release gives back letters that were to be moved, to be taken anew.
func (r *run) release(letters []*letter) error {
	which := map[*letter]bool{}
	for _, l := range letters {
		which[l] = true
	}
	r.taken -= len(letters)
	err := r.giveBack(func(l *letter) bool { return which[l] })
	r.forget(letters)
	return err
}
