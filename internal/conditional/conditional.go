// Package conditional replaces an item on the condition that nobody else has
// written it since it was read.
//
// A failed condition is an answer and not yet a verdict. The answer to an earlier
// attempt may have been lost after the write had happened, and then the repeated
// write fails its own condition. So a failed write returns what it found, and the
// caller looks whether that is its own.
package conditional

import (
	"context"
	"errors"
	"reflect"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
)

// Put writes an item. If the condition fails it returns the item that is there
// instead, decoded, or the zero value if there is none; otherwise found is nil.
func Put[T any](ctx context.Context, table batch.Table, it backend.Item, c backend.Condition,
	decode func(backend.Item) (T, error),
) (found *T, err error) {
	err = table.Put(ctx, it, c)
	failed, ok := errors.AsType[*backend.Error](err)
	if !ok || failed.Kind != backend.KindConditionFailed {
		return nil, err
	}
	if failed.Item == nil {
		return new(T), nil
	}
	one, err := decode(failed.Item)
	return &one, err
}

// Same reports whether two conditions hold of the same items.
func Same(a, b backend.Condition) bool { return reflect.DeepEqual(a, b) }

// Lock is held over the writes of one item, calls of the backend included. It is
// a channel since waiting for a mutex does not count as waiting for
// testing/synctest: a test that holds up such a call could not go on.
type Lock chan struct{}

// NewLock returns a lock that is free.
func NewLock() Lock { return make(Lock, 1) }

// Lock waits for the lock.
func (l Lock) Lock() { l <- struct{}{} }

// Unlock releases the lock.
func (l Lock) Unlock() { <-l }
