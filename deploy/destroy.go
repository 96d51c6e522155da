package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postroom/postroom/backend"
)

// Destroy removes the queues and the tables with everything in them: the queue before
// its dead-letter queue, the table before its control table. If a table is protected
// against deletion, it removes nothing, unless the options lift the protection. It
// ignores what is missing already.
func Destroy(ctx context.Context, b backend.Backend, o Options) (Report, error) {
	var r Report
	if o.Table == "" {
		return r, errNoTable
	}
	if err := unprotect(ctx, b, o); err != nil {
		return r, err
	}
	for _, q := range slices.Backward(Queues(o.Queue)) {
		if err := r.removed("queue "+q.Name, b.DeleteQueue(ctx, q.Name)); err != nil {
			return r, err
		}
	}
	for _, t := range Tables(o.Table, false) {
		if err := r.removed("table "+t.Name, b.DeleteTable(ctx, t.Name)); err != nil {
			return r, err
		}
	}
	return r, nil
}

// unprotect lifts the tables' protection, or refuses to. It runs before anything is
// removed, so that nothing is lost if the caller is not allowed to lift it.
func unprotect(ctx context.Context, b backend.Backend, o Options) error {
	var refused []error
	for _, t := range Tables(o.Table, false) {
		have, exists, err := found(b.DescribeTable(ctx, t.Name))
		switch {
		case err != nil:
			return err
		case !exists || !have.DeletionProtection:
			continue
		case !o.LiftProtection:
			refused = append(refused, &ProtectedError{Table: t.Name})
			continue
		}
		if err := b.SetDeletionProtection(ctx, t.Name, false); err != nil {
			return fmt.Errorf("lift the protection of table %s (nothing was removed): %w", t.Name, err)
		}
	}
	return errors.Join(refused...)
}

// ProtectedError says that a table is protected against deletion.
type ProtectedError struct{ Table string }

func (p *ProtectedError) Error() string {
	return fmt.Sprintf("table %s is protected against deletion, and nothing was removed: "+
		"to delete everything in it, run `postroom destroy` with --lift-protection", p.Table)
}

func (r *Report) removed(what string, err error) error {
	switch {
	case backend.KindOf(err) == backend.KindNotFound:
		r.Missing = append(r.Missing, what)
	case err != nil:
		return fmt.Errorf("remove %s: %w", what, err)
	default:
		r.Removed = append(r.Removed, what)
	}
	return nil
}
