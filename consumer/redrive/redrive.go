package redrive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
)

// Options of [Run]. Zero means the default.
type Options struct {
	// Filter reports whether to move a dead letter. It must not block. Default: all
	// are moved.
	Filter func(backend.Delivery) bool
	// DryRun reports what would be moved and moves nothing.
	DryRun bool
	// Max is how many dead letters to move at most, including those that fail.
	// Default 0: no limit.
	Max int
	// Rate is how many dead letters to move a second on average, up to ten at once.
	// Default 100, at most 10,000.
	Rate int
	// Force also moves dead letters that were redriven ten times already. Without
	// it they are refused, since another attempt seems pointless.
	Force bool
	// Each is called with the outcome of every dead letter, one call at a time. It
	// must not block. Default: none.
	Each func(Outcome)
}

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.Rate, 100)
	if o.Filter == nil {
		o.Filter = func(backend.Delivery) bool { return true }
	}
	if o.Each == nil {
		o.Each = func(Outcome) {}
	}
	return o, errors.Join(
		option.Check("redrive", "Max", o.Max, 0, 1<<30),
		option.Check("redrive", "Rate", o.Rate, 1, 10_000),
	)
}

// State is what happened to a dead letter.
type State string

// The states.
const (
	Moved   State = "moved"   // it is back in the queue; in a dry run: it would be
	Left    State = "left"    // the filter does not want it, or it came after the run began
	Refused State = "refused" // it cannot be moved as it is, or was redriven too often
	Failed  State = "failed"  // it stays, or it was sent and could not be deleted
)

// Outcome is what happened to one dead letter.
type Outcome struct {
	DeadLetter backend.Delivery
	Redrives   int // how often it was redriven before
	State      State
	Err        error // why it was not moved; nil if the filter does not want it
}

// Report counts dead letters.
type Report struct {
	Moved   int `json:"moved"`
	Left    int `json:"left"`
	Refused int `json:"refused"`
	Failed  int `json:"failed"`
	// Unseen is approximately how many more were in the dead-letter queue at the end
	// of a run: behind others of their group that stay, beyond Max, received by
	// somebody else, or new.
	Unseen int `json:"unseen"`
}

// Run moves dead letters back to their queue until it has seen all that it can
// receive. The failure of a single one is counted and passed to [Options].Each; an
// error means that the run ended early. The report is valid in either case.
//
// When ctx is done, Run finishes the calls under way and releases the rest within
// two seconds, and the error is the one of ctx. Two runs at once do no harm, but
// each sees less of the queue.
func Run(ctx context.Context, dead, queue backend.Queue, o Options) (Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Report{}, err
	}
	for name, q := range map[string]backend.Queue{"dead-letter queue": dead, "queue": queue} {
		if _, err := q.Depth(ctx); err != nil {
			return Report{}, fmt.Errorf("redrive: the %s cannot be used: %w", name, err)
		}
	}
	calling, stop := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx, by the grace
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, stop) })()
	r := &run{
		dead: dead, queue: queue, opts: o, began: time.Now(),
		limiter: rate.NewLimiter(rate.Limit(o.Rate), min(o.Rate, backend.MaxQueueBatch)),
		known:   map[string]*deadLetter{}, stopped: map[string]bool{},
	}
	err = r.run(ctx, calling)
	if err == nil {
		err = r.countUnseen(ctx)
	}
	if err != nil {
		err = fmt.Errorf("redrive: %w", err)
	}
	return r.report, errors.Join(err, r.release(calling, func(*deadLetter) bool { return true }))
}
