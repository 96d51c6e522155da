package local

import (
	"context"
	"errors"

	"github.com/postroom/postroom/backend"
)

// CreateTable makes a table.
func (b *Backend) CreateTable(ctx context.Context, spec backend.TableSpec) error {
	return errors.ErrUnsupported
}

// DescribeTable tells how an existing table is made.
func (b *Backend) DescribeTable(ctx context.Context, name string) (backend.TableSpec, error) {
	return backend.TableSpec{}, errors.ErrUnsupported
}

// DeleteTable removes a table and all in it.
func (b *Backend) DeleteTable(ctx context.Context, name string) error { return errors.ErrUnsupported }
