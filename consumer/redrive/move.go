package redrive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/retry"
)

// process moves new dead letters, or as many of them as are to be moved.
func (r *run) process(ctx, calling context.Context, letters []*deadLetter) error {
	left := r.toMove(letters)
	if r.opts.DryRun {
		for _, l := range left {
			r.end(l, Moved, nil)
		}
		return nil
	}
	for begin := time.Now(); len(left) > 0; {
		if time.Since(begin) > hidden/2 { // too slow: they would come into sight
			return r.postpone(calling, left)
		}
		now, later := r.nextBatch(left)
		if err := r.move(ctx, calling, now); err != nil {
			return err
		}
		left = r.endStopped(later)
	}
	return nil
}

// nextBatch splits dead letters into those that are sent next, at most one of a
// lane, and those that wait.
func (r *run) nextBatch(letters []*deadLetter) (now, later []*deadLetter) {
	entries := make([]backend.SendEntry, len(letters))
	for i, l := range letters {
		entries[i] = l.entry()
		entries[i].GroupID = l.lane()
	}
	first, rest := batch.Next(entries)
	n := min(len(first), r.limiter.Burst())
	rest = append(rest, first[n:]...)
	slices.Sort(rest)
	return batch.Pick(letters, first[:n]), batch.Pick(letters, rest)
}

// endStopped ends the dead letters that wait behind one that failed, and returns the
// others.
func (r *run) endStopped(letters []*deadLetter) []*deadLetter {
	return slices.DeleteFunc(letters, func(l *deadLetter) bool {
		stopped := r.stopped[l.lane()]
		if stopped {
			r.end(l, Failed, errBehind)
		}
		return stopped
	})
}

// postpone releases dead letters that were to be moved, to be received anew.
func (r *run) postpone(calling context.Context, letters []*deadLetter) error {
	r.taken -= len(letters)
	err := r.release(calling, func(l *deadLetter) bool { return slices.Contains(letters, l) })
	r.forget(letters)
	return err
}

// move sends a batch, and deletes what the queue has accepted. An error ends the run.
func (r *run) move(ctx, calling context.Context, letters []*deadLetter) error {
	if err := retry.Sleep(ctx, r.limiter.ReserveN(time.Now(), len(letters)).Delay(), nil); err != nil {
		return err
	}
	unsent, err := r.each(ctx, calling, letters, func(ctx context.Context, letters []*deadLetter) ([]backend.EntryError, error) {
		entries := make([]backend.SendEntry, len(letters))
		for i, l := range letters {
			entries[i] = l.entry()
		}
		return r.queue.Send(ctx, entries)
	})
	var sent []*deadLetter
	for _, l := range letters {
		why, failed := unsent[l]
		switch {
		case !failed:
			sent = append(sent, l)
		case isRefusal(why):
			r.end(l, Refused, why)
		default:
			r.end(l, Failed, why)
			if lane := l.lane(); lane != "" {
				r.stopped[lane] = true
			}
		}
	}
	if len(sent) == 0 {
		return err
	}
	return cmp.Or(err, r.delete(ctx, calling, sent))
}

// delete deletes dead letters that are back in the queue.
func (r *run) delete(ctx, calling context.Context, sent []*deadLetter) error {
	undeleted, err := r.each(ctx, calling, sent, func(ctx context.Context, letters []*deadLetter) ([]backend.EntryError, error) {
		receipts := make([]string, len(letters))
		for i, l := range letters {
			receipts[i] = l.Receipt
		}
		return r.dead.Delete(ctx, receipts)
	})
	var moved []*deadLetter
	for _, l := range sent {
		if why, failed := undeleted[l]; failed {
			r.end(l, Failed, fmt.Errorf("is back in the queue, but could not be deleted here: %w", why))
			continue
		}
		moved = append(moved, l)
		r.end(l, Moved, nil)
	}
	r.landed(moved)
	r.forget(moved)
	return err
}
