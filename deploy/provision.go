package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/postroom/postroom/backend"
)

// Options name what is to be made, checked or removed.
type Options struct {
	// Table is the table's name; the control table's follows from it. Required.
	Table string
	// Queue is the queue's name; the dead-letter queue's follows from it.
	// Empty: no queue.
	Queue string
	// Index makes the table with its index. Check accepts a table without.
	Index bool
	// DeletionProtection keeps new tables from being deleted by anybody.
	DeletionProtection bool
	// LiftProtection lets Destroy switch deletion protection off first. If it
	// fails later on, the protection stays off.
	LiftProtection bool
}

// Report says what Provision or Destroy did, in the order in which it did it:
// "table postroom", "queue postroom-notifications.fifo".
type Report struct {
	Created  []string
	Existing []string // were there already, and fit
	Changed  []string // of these, what is set otherwise now: "time to live of table postroom-control"
	Removed  []string
	Missing  []string // were to be removed and are not there
	// Warnings are what an operator should know and Postroom can live with.
	Warnings []string
}

var errNoTable = errors.New("no table is named")

// step is one thing to make.
type step struct {
	what   string // "table postroom"
	exists bool
	create func(context.Context) error
	change func(context.Context) error // of what exists; nil: it is as it should be
}

// Provision makes what is missing, and switches time to live on for a control
// table that was made without. It first looks at everything and refuses, with a
// [*MisfitError], before it has made anything, if something is there that does
// not fit. Two that run at once do not harm each other.
func Provision(ctx context.Context, b backend.Backend, o Options) (Report, error) {
	var r Report
	steps, err := plan(ctx, b, o, &r)
	if err != nil {
		return Report{}, err
	}
	for _, s := range steps {
		if s.exists {
			r.Existing = append(r.Existing, s.what)
			if err := r.changed(ctx, s); err != nil {
				return r, err
			}
			continue
		}
		err := s.create(ctx)
		switch {
		case err == nil:
			r.Created = append(r.Created, s.what)
		case errors.Is(err, errors.ErrUnsupported):
			r.Created = append(r.Created, s.what)
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: made, but for one thing: %v", s.what, err))
		default:
			return r, fmt.Errorf("create %s: %w", s.what, err)
		}
	}
	return r, nil
}

// changed changes what is there and should be set otherwise. Where the server
// has no such thing, or the credentials do not reach to it, it stays.
func (r *Report) changed(ctx context.Context, s step) error {
	if s.change == nil {
		return nil
	}
	what := "time to live of " + s.what
	err := s.change(ctx)
	switch {
	case err == nil:
		r.Changed = append(r.Changed, what)
	case errors.Is(err, errors.ErrUnsupported), backend.KindOf(err) == backend.KindDenied:
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: it is off: %v", what, err))
	default:
		return fmt.Errorf("switch on the %s: %w", what, err)
	}
	return nil
}

// plan looks at everything that is to be there.
func plan(ctx context.Context, b backend.Backend, o Options, r *Report) ([]step, error) {
	if o.Table == "" {
		return nil, errNoTable
	}
	var steps []step
	var misfits []error
	for _, want := range Tables(o.Table, o.Index) {
		want.DeletionProtection = o.DeletionProtection
		have, exists, err := found(b.DescribeTable(ctx, want.Name))
		if err != nil {
			return nil, err
		}
		if exists {
			misfits = append(misfits, compareTable(have, want, false))
			r.Warnings = append(r.Warnings, warnings(have, want)...)
		}
		steps = append(steps, tableStep(b, have, want, exists))
	}
	for _, want := range queues(o) {
		have, exists, err := found(b.DescribeQueue(ctx, want.Name))
		if err != nil {
			return nil, err
		}
		if exists {
			misfits = append(misfits, compareQueue(have, want))
		}
		steps = append(steps, step{what: "queue " + want.Name, exists: exists, create: func(ctx context.Context) error {
			return b.CreateQueue(ctx, want)
		}})
	}
	return steps, errors.Join(misfits...)
}

func tableStep(b backend.Backend, have, want backend.TableSpec, exists bool) step {
	s := step{what: "table " + want.Name, exists: exists, create: func(ctx context.Context) error {
		return b.CreateTable(ctx, want)
	}}
	if have.TimeToLive == "" && want.TimeToLive != "" {
		s.change = func(ctx context.Context) error { return b.SetTimeToLive(ctx, want.Name, want.TimeToLive) }
	}
	return s
}

func queues(o Options) []backend.QueueSpec {
	if o.Queue == "" {
		return nil
	}
	return Queues(o.Queue)
}

// found tells a missing thing from a failure to look.
func found[S any](spec S, err error) (S, bool, error) {
	if backend.KindOf(err) == backend.KindNotFound {
		return spec, false, nil
	}
	return spec, err == nil, err
}

// Check makes sure that tables and queues are there and can be used, with one
// look at each. A daemon calls it at its start.
func Check(ctx context.Context, b backend.Backend, o Options) error {
	if o.Table == "" {
		return errNoTable
	}
	for _, want := range Tables(o.Table, true) {
		have, exists, err := found(b.DescribeTable(ctx, want.Name))
		if err != nil {
			return err
		}
		if !exists {
			return missing("table", want.Name)
		}
		if err := compareTable(have, want, true); err != nil {
			return err
		}
	}
	for _, want := range queues(o) {
		have, exists, err := found(b.DescribeQueue(ctx, want.Name))
		if err != nil {
			return err
		}
		if !exists {
			return missing("queue", want.Name)
		}
		if have.DeadLetterQueue != want.DeadLetterQueue {
			return compareQueue(have, want)
		}
	}
	return nil
}

func missing(kind, name string) error {
	return fmt.Errorf("%s %s does not exist: run `postroom provision` first, or check the name and the region", kind, name)
}
