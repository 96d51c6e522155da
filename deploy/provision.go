package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postroom/postroom/backend"
)

// Options name what to create, check or remove.
type Options struct {
	// Table is the table's name, from which the control table's follows. Required.
	Table string
	// Queue is the queue's name, from which the dead-letter queue's follows. Default:
	// no queue.
	Queue string
	// Index creates the table with its index. Check accepts a table without it.
	Index bool
	// DeletionProtection protects new tables against deletion.
	DeletionProtection bool
	// LiftProtection lets Destroy switch deletion protection off first. If Destroy fails
	// after that, the protection stays off.
	LiftProtection bool
}

// Report lists what Provision or Destroy did, in order: "table postroom", "queue
// postroom-notifications.fifo".
type Report struct {
	Created  []string `json:"created,omitempty"`
	Existing []string `json:"existing,omitempty"` // existed before, and fit
	Changed  []string `json:"changed,omitempty"`  // settings: "time to live of table postroom-control"
	Removed  []string `json:"removed,omitempty"`
	Missing  []string `json:"missing,omitempty"` // could not be removed, since they did not exist
	// Warnings are for the operator; Postroom works all the same.
	Warnings []string `json:"-"`
}

var errNoTable = errors.New("the table has no name")

// step is one thing to create.
type step struct {
	what   string // "table postroom"
	exists bool
	create func(context.Context) error
	change func(context.Context) error // changes what exists; nil if it is as it should be
}

// Provision creates what is missing, and switches time to live on for a control table
// that was created without it. It first describes everything, and refuses with a
// [*MisfitError], before it has created anything, if something exists that does not
// fit. Several may run at once: what another one was faster to create exists.
func Provision(ctx context.Context, b backend.Backend, o Options) (Report, error) {
	r, err := provision(ctx, b, o)
	for range maxRaces {
		if backend.KindOf(err) != backend.KindExists {
			break
		}
		created := r.Created
		r, err = provision(ctx, b, o)
		r.Created = append(created, r.Created...)
		r.Existing = slices.DeleteFunc(r.Existing, func(what string) bool { return slices.Contains(created, what) })
	}
	return r, err
}

// maxRaces is how many of its steps another Provision may be faster with: all of them, and
// some to spare.
const maxRaces = 8

func provision(ctx context.Context, b backend.Backend, o Options) (Report, error) {
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
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: created, with one exception: %v", s.what, err))
		default:
			return r, fmt.Errorf("create %s: %w", s.what, err)
		}
	}
	return r, nil
}

// changed carries out a step's change. If the server does not support it, or the
// credentials do not allow it, the setting stays and the report has a warning.
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

// plan describes everything and returns the steps.
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
	for _, want := range Queues(o.Queue) {
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

// found distinguishes a missing thing from a failure to describe it.
func found[S any](spec S, err error) (S, bool, error) {
	if backend.KindOf(err) == backend.KindNotFound {
		return spec, false, nil
	}
	return spec, err == nil, err
}

// Check returns an error unless tables and queues exist and can be used. It describes
// each of them once. A daemon calls it when it starts.
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
	for _, want := range Queues(o.Queue) {
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
