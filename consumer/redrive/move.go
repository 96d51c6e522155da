package redrive

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/trouble"
)

// work moves those of new letters that are to be moved.
func (r *run) work(ctx context.Context, letters []*letter) error {
	lanes := r.decide(letters)
	if r.opts.DryRun {
		for _, l := range slices.Concat(lanes...) {
			r.end(l, Moved, nil)
		}
		return nil
	}
	for begin := time.Now(); len(lanes) > 0; {
		if time.Since(begin) > hidden/2 { // too slow: they would come into sight
			return r.release(slices.Concat(lanes...))
		}
		batch := r.heads(lanes)
		if err := r.move(ctx, batch); err != nil {
			return err
		}
		lanes = r.advance(lanes, len(batch))
	}
	return nil
}

// heads are the first letters of as many lanes as a batch takes.
func (r *run) heads(lanes [][]*letter) (heads []*letter) {
	bytes := 0
	for _, lane := range lanes[:min(len(lanes), backend.MaxQueueBatch, r.opts.Rate)] {
		bytes += batch.SizeBytes(lane[0].entry())
		if bytes > backend.MaxQueueBytes {
			break
		}
		heads = append(heads, lane[0])
	}
	return heads
}

// advance takes the heads off the first n lanes. Where one failed, those behind
// it stay.
func (r *run) advance(lanes [][]*letter, n int) (rest [][]*letter) {
	for i, lane := range lanes {
		if i < n {
			lane = lane[1:]
		}
		if len(lane) > 0 && r.stopped[lane[0].lane()] {
			for _, l := range lane {
				r.end(l, Failed, errBehind)
			}
			continue
		}
		if len(lane) > 0 {
			rest = append(rest, lane)
		}
	}
	return rest
}

// move sends a batch, at most one letter of a group, and deletes what the queue
// has accepted. The error ends the run.
func (r *run) move(ctx context.Context, batch []*letter) error {
	if err := r.pace(ctx, len(batch)); err != nil {
		return err
	}
	unsent, err := r.each(ctx, batch, func(ctx context.Context, letters []*letter) ([]backend.EntryError, error) {
		entries := make([]backend.SendEntry, len(letters))
		for i, l := range letters {
			entries[i] = l.entry()
		}
		return r.queue.Send(ctx, entries)
	})
	var sent []*letter
	for _, l := range batch {
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
	if deleteErr := r.delete(ctx, sent); err == nil {
		err = deleteErr
	}
	return err
}

// delete deletes letters that are back in the queue.
func (r *run) delete(ctx context.Context, sent []*letter) error {
	undeleted, err := r.each(ctx, sent, func(ctx context.Context, letters []*letter) ([]backend.EntryError, error) {
		receipts := make([]string, len(letters))
		for i, l := range letters {
			receipts[i] = l.Receipt
		}
		return r.dead.Delete(ctx, receipts)
	})
	var moved []*letter
	for _, l := range sent {
		if why, failed := undeleted[l]; failed {
			r.end(l, Failed, fmt.Errorf("is back in the queue, but stays here too: %w", why))
			continue
		}
		moved = append(moved, l)
		r.end(l, Moved, nil)
	}
	r.drop(moved)
	r.forget(moved)
	return err
}

// pace waits until n more may be sent.
func (r *run) pace(ctx context.Context, n int) error {
	if err := trouble.Sleep(ctx, time.Until(r.due), nil); err != nil {
		return err
	}
	r.due = time.Now().Add(time.Duration(n) * time.Second / time.Duration(r.opts.Rate))
	return nil
}
