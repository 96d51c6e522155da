package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// pagePause keeps listings below the ten DescribeStream calls a second that an
// account has. Source: DynamoDB Streams API reference.
const pagePause = 100 * time.Millisecond

// listing is what one pass over the list of shards found.
type listing struct {
	arn      string
	disabled bool
	shards   []backend.Shard
	complete bool // no page is missing
}

// list reads the pages of the list of shards. On an error what was found so far
// is returned with it, and used.
func list(ctx context.Context, s backend.Stream) (listing, error) {
	var l listing
	seen := make(map[string]bool)
	for after := ""; ; {
		var page backend.ShardPage
		err := bounded(ctx, func(ctx context.Context) (err error) {
			page, err = s.Shards(ctx, after)
			return err
		})
		if err != nil {
			return l, err
		}
		if l.arn != "" && page.StreamARN != l.arn {
			return l, fmt.Errorf("list shards: the stream changed from %s to %s meanwhile", l.arn, page.StreamARN)
		}
		l.arn, l.disabled = page.StreamARN, page.Disabled
		l.shards = append(l.shards, page.Shards...)
		if page.Last == "" {
			l.complete = true
			return l, nil
		}
		if seen[page.Last] {
			return l, fmt.Errorf("list shards: the cursor %q came twice", page.Last)
		}
		seen[page.Last] = true
		after = page.Last
		if err := trouble.Sleep(ctx, pagePause, nil); err != nil {
			return l, err
		}
	}
}

// discover lists the shards again and again, at once after one has ended, and
// starts a reader for each whose turn has come.
func (r *run) discover(ctx context.Context) error {
	lookup := childPause
	for {
		l, err := list(ctx, r.stream)
		if ctx.Err() != nil {
			return nil
		}
		if err := r.use(ctx, l); err != nil {
			return err
		}
		next := jitter(r.opt.DiscoverInterval)
		if r.forest.expecting() {
			next, lookup = min(next, lookup), min(2*lookup, maxChildPause)
		} else {
			lookup = childPause
		}
		if err == nil {
			r.listTroubles.Worked(r.arn)
		} else if pause, giveUp := failed(ctx, r.listTroubles, r.arn, err); giveUp {
			return err
		} else {
			next = min(next, pause)
		}
		if r.await(ctx, next) != nil {
			return nil
		}
	}
}

// Pauses between look-ups of the children of a finished shard.
// Source: the KCL adapter.
const (
	childPause    = 50 * time.Millisecond
	maxChildPause = time.Second
)

// use takes over what a listing found.
func (r *run) use(ctx context.Context, l listing) error {
	if l.arn != "" && l.arn != r.arn {
		return r.incident(&DataLossError{StreamARN: r.arn, Reason: "the stream was switched off and on, and is now " + l.arn +
			": what was left in the old one and what was written in between are in neither"})
	}
	if l.arn == "" {
		return nil // not even one page
	}
	if l.disabled && !r.disabled {
		r.disabled = true
		r.opt.Logger.Warn("the stream is switched off: what it holds is read, and no more will come", "stream", r.arn)
	}
	if r.forest.merge(l) > 0 {
		r.stirred()
	}
	r.begin(ctx)
	served := r.forest.forgettable(time.Now())
	if valid, _, _ := r.own.state(); len(served) == 0 || !valid {
		return nil
	}
	if err := r.leases.forget(ctx, served); err != nil {
		r.leases.troubles.Failed(ctx, "old leases", err)
		return nil // tried again with the next listing
	}
	r.leases.troubles.Worked("old leases")
	r.forest.forget(served)
	return nil
}

// begin starts a reader for each shard whose turn has come.
func (r *run) begin(ctx context.Context) {
	for _, n := range r.forest.begin() {
		r.readers.Go(func() {
			if err := r.readShard(ctx, n); ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
				r.fail(err)
			}
		})
	}
}

// await waits until the next listing is due. A shard that ends lets known
// children begin, and asks for a listing where there are none.
func (r *run) await(ctx context.Context, next time.Duration) error {
	timer := time.NewTimer(next)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ended:
			r.begin(ctx)
			if r.forest.expecting() {
				return ctx.Err()
			}
		}
	}
}
