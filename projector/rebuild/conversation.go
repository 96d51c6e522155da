package rebuild

import (
	"context"
	"errors"
	"slices"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/projector/projection"
)

const (
	// patience is how often a conversation is tried that others move all the while.
	patience = 5
	// expectedUnits is what a conversation is charged before it is known what it costs: no
	// more than that, since what was waited for in vain is not made up for.
	expectedUnits = 2
)

// unableError means that a conversation cannot be rebuilt, however often that is tried.
type unableError struct{ error }

// outcome is what came of something that was done.
type outcome struct {
	Counts

	units    float64
	changed  []string // conversations
	failures []Failure
	cause    error // of the failure, if there is one
}

func (o *outcome) add(p outcome) {
	o.Counts = o.Counts.add(p.Counts)
	o.units += p.units
	o.changed = append(o.changed, p.changed...)
	o.failures = append(o.failures, p.failures...)
}

// do does what there is to do about a conversation.
func (r *run) do(ctx context.Context, t *task) (outcome, error) {
	o, err := r.restore(ctx, t.group, func(ctx context.Context, p projection.Projection) error {
		rows, err := r.misplaced(ctx, p, t)
		if err != nil || !t.log && len(rows) == 0 {
			return err
		}
		return p.Restore(ctx, t.group, rows, r.by.Now())
	})
	switch {
	case t.log:
		o.Conversations = 1
	case len(r.scope.Users) == 0 && unopened(o.cause): // it is counted where its log comes by
		o.Failed, o.failures = 0, nil
	}
	return o, err
}

// misplaced returns those rows of a task that are not in their places, as far as can be
// seen. Where a conversation is remembered, so that one with many members is not read for
// each of their rows: it does not get to a place where it was before.
func (r *run) misplaced(ctx context.Context, p projection.Projection, t *task) ([]backend.Key, error) {
	owned := func(c *projection.Conversation) func(backend.Key) bool {
		return func(key backend.Key) bool { return c != nil && c.Owns(key) }
	}
	was, _ := r.placed.Get(t.group)
	rows := slices.DeleteFunc(slices.Clone(t.rows), owned(was))
	if len(rows) == 0 {
		return nil, nil
	}
	c, err := p.Placed(ctx, t.group)
	if err != nil {
		return nil, err
	}
	if c != nil {
		r.placed.Put(t.group, c, len(c.Members))
	}
	return slices.DeleteFunc(rows, owned(c)), nil
}

// named rebuilds a conversation that was asked for by its name.
func (r *run) named(ctx context.Context, group string) (outcome, error) {
	o, err := r.restore(ctx, group, func(ctx context.Context, p projection.Projection) error {
		c, err := p.Load(ctx, group)
		if _, damaged := errors.AsType[*projection.DamagedError](err); damaged {
			if err := p.Restore(ctx, group, nil, r.by.Now()); err != nil {
				return err
			}
			c, err = p.Load(ctx, group)
		}
		if errors.Is(err, projection.ErrNoMembers) {
			c, err = &projection.Conversation{}, nil
		}
		if err != nil {
			return err
		}
		rows, err := p.Rows(ctx, group, c.Members, r.by.Index)
		if err != nil {
			return err
		}
		return p.Restore(ctx, group, rows, r.by.Now())
	})
	o.Conversations = 1
	return o, err
}

// restore does something about a conversation, at the pace of the rebuild, until it
// succeeds or is hopeless.
func (r *run) restore(ctx context.Context, group string, how func(context.Context, projection.Projection) error) (o outcome, err error) {
	var a account
	p := r.by.projection.Through(a.table(r.by.Log))
	busy := 0
	err = r.by.loop.Do(ctx, group, func(ctx context.Context) error {
		if err := r.pace.Take(ctx, expectedUnits); err != nil {
			return err
		}
		before := a.units
		err := how(ctx, p)
		r.pace.Charge(a.units - before - expectedUnits)
		if errors.Is(err, projection.ErrBusy) {
			busy++
		}
		if unopened(err) || backend.KindOf(err) == backend.KindInvalid || busy == patience {
			return &unableError{err}
		}
		return err
	})
	o.units = a.units
	if a.wrote {
		o.changed = []string{group}
	}
	if unable, ok := errors.AsType[*unableError](err); ok {
		o.Failed = 1
		o.failures, o.cause = []Failure{{group, incident.Brief(unable.error)}}, unable.error
		return o, nil
	}
	return o, err
}

// unopened reports whether an error says that nobody knows the members.
func unopened(err error) bool {
	return errors.Is(err, projection.ErrOpeningLost) || errors.Is(err, projection.ErrNoMembers)
}

// account is what the calls for a conversation, one after the other, have done.
type account struct {
	units float64 // consumed, of reading and writing
	wrote bool
}

// table returns a table whose calls are noted. One of which the server does not say what
// it consumed counts as one unit.
func (a *account) table(t backend.Table) backend.Table {
	return backend.Intercept(t, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		err := next(ctx)
		units := call.Consumed(err)
		if a.units += units.Read + units.Write; units == (backend.Units{}) {
			a.units++
		}
		a.wrote = a.wrote || err == nil && (call.Op == "Put" || call.Op == "Transact" || call.Op == "BatchWrite")
		return err
	})
}
