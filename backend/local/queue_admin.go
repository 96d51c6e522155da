package local

import (
	"context"
	"errors"

	"github.com/postroom/postroom/backend"
)

var errNoQueues = errors.New("queues are not there yet")

// Queue returns the queue of a name.
func (b *Backend) Queue(name string) backend.Queue { return nil }

// CreateQueue makes a queue.
func (b *Backend) CreateQueue(ctx context.Context, spec backend.QueueSpec) error { return errNoQueues }

// DescribeQueue tells how an existing queue is made.
func (b *Backend) DescribeQueue(ctx context.Context, name string) (backend.QueueSpec, error) {
	return backend.QueueSpec{}, errNoQueues
}

// DeleteQueue removes a queue and all in it.
func (b *Backend) DeleteQueue(ctx context.Context, name string) error { return errNoQueues }
