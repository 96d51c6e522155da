package redrive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
)

// Options of [Run]. Zero means the default.
type Options struct {
	// Filter takes the letters to move. It must not block. Default: all.
	Filter func(backend.Delivery) bool
	// DryRun tells what would be moved and moves nothing.
	DryRun bool
	// Max is how many letters to move at most, those counted that fail. Default
	// 0: no limit.
	Max int
	// Rate is how many letters to move a second at most, on average; up to ten go
	// at once. Default 100, at most 10,000.
	Rate int
	// MaxRedrives is how often a letter may have been redriven before it is
	// refused, since trying again seems of no use. Default 10.
	MaxRedrives int
	// Force moves letters however often they were redriven.
	Force bool
	// Each is told of every letter once its fate is known, one after the other.
	// It must not block. Default: nobody is.
	Each func(Outcome)
}

func (o Options) withDefaults() (Options, error) {
	if o.Rate == 0 {
		o.Rate = 100
	}
	if o.MaxRedrives == 0 {
		o.MaxRedrives = 10
	}
	if o.Filter == nil {
		o.Filter = func(backend.Delivery) bool { return true }
	}
	if o.Each == nil {
		o.Each = func(Outcome) {}
	}
	return o, errors.Join(
		check("Max", o.Max, 0, 1<<30),
		check("Rate", o.Rate, 1, 10_000),
		check("MaxRedrives", o.MaxRedrives, 1, 1<<30),
	)
}

func check(name string, v, low, high int) error {
	if v < low || v > high {
		return fmt.Errorf("redrive: option %s is %d, must be %d to %d", name, v, low, high)
	}
	return nil
}

// State is what became of a letter.
type State int

// The states.
const (
	Moved   State = iota // back in the queue; in a dry run: would be
	Left                 // the filter does not take it, or it came after the run began
	Refused              // it cannot be moved as it is, or was redriven too often
	Failed               // it stays, or was sent and could not be deleted
)

var stateNames = [...]string{"moved", "left", "refused", "failed"}

func (s State) String() string { return stateNames[s] }

// Outcome is what became of one letter.
type Outcome struct {
	Letter   backend.Delivery
	Redrives int // how often it was redriven before
	State    State
	Err      error // why it was not moved; nil where the filter did not take it
}

// Report counts letters.
type Report struct {
	Moved, Left, Refused, Failed int
	// Unseen is about how many more lay in the dead-letter queue at the end of a
	// run: behind others of their group that stay, beyond Max, in somebody else's
	// hands, or new.
	Unseen int
}

// Run moves letters from a dead-letter queue to the queue until it has looked at
// all that it can. What single letters failed with is told to [Options].Each
// and counted; an error means that the run ended before its end. The report
// holds in either case.
//
// When ctx is done, what is on its way is finished and the rest given back,
// within two seconds; the error is then one of ctx. Two runs at once do no harm,
// but see less of the queue each.
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
	settling, stop := outlive(ctx, grace)
	defer stop()
	r := &run{dead: dead, queue: queue, opts: o, began: time.Now(), settling: settling,
		known: map[string]*letter{}, stopped: map[string]bool{}}
	err = r.run(ctx)
	if err == nil {
		err = r.countUnseen(ctx)
	}
	if err != nil {
		err = fmt.Errorf("redrive: %w", err)
	}
	return r.report, errors.Join(err, r.giveBack(func(*letter) bool { return true }))
}

// outlive is a context that ends a while after ctx.
func outlive(ctx context.Context, grace time.Duration) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unwatch := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() {
		unwatch()
		cancel()
	}
}
