package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postroom/postroom/backend"
)

// Destroy removes the queues and the tables and all that is in them: the queue
// before its dead-letter queue, the table before its control table. It looks
// first, and removes nothing while a table is protected against deletion. What
// is missing already is fine.
func Destroy(ctx context.Context, b backend.Backend, o Options) (Report, error) {
	var r Report
	if err := checkUnprotected(ctx, b, o); err != nil {
		return r, err
	}
	for _, q := range slices.Backward(queues(o)) {
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

func checkUnprotected(ctx context.Context, b backend.Backend, o Options) error {
	if o.Table == "" {
		return errNoTable
	}
	var protected []error
	for _, t := range Tables(o.Table, false) {
		have, exists, err := found(b.DescribeTable(ctx, t.Name))
		if err != nil {
			return err
		}
		if exists && have.DeletionProtection {
			protected = append(protected, &ProtectedError{Table: t.Name})
		}
	}
	return errors.Join(protected...)
}

// ProtectedError is the error for a table that must not be deleted.
type ProtectedError struct{ Table string }

func (p *ProtectedError) Error() string {
	return fmt.Sprintf("table %s is protected against deletion, nothing was removed: lift that first, on AWS with "+
		"`aws dynamodb update-table --table-name %s --no-deletion-protection-enabled`", p.Table, p.Table)
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
