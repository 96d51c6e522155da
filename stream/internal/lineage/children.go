package lineage

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// Look-ups of the children of a finished shard, which may appear late. After the
// last one it is up to the leader's listing. Source: the KCL adapter.
const (
	ChildLookups  = 10
	childPause    = 50 * time.Millisecond
	maxChildPause = time.Second
)

// ChildPause is the pause after so many look-ups in vain.
func ChildPause(lookups int) time.Duration { return min(childPause<<lookups, maxChildPause) }

// Children asks the stream for the children of a shard that has ended. A server
// may ignore what it was asked for, so the answer is filtered. One that refuses,
// and in the last look-up one that finds none, is asked for all shards.
func Children(ctx context.Context, s backend.Stream, arn, parent string, last bool,
	call retry.Policy, listings *atomic.Int64,
) (children []backend.Shard, err error) {
	listings.Add(1)
	found, err := retry.Once(ctx, call, func(ctx context.Context) ([]backend.Shard, error) { return s.Children(ctx, arn, parent) })
	kind := backend.KindOf(err)
	if kind == backend.KindInvalid || kind == backend.KindNotFound || err == nil && len(found) == 0 && last {
		var l Listing
		l, err = List(ctx, s, call)
		listings.Add(l.Pages)
		found = l.Shards
		if l.ARN != arn {
			found = nil
		}
	}
	for _, child := range found {
		if child.Parent == parent && child.ID != parent {
			children = append(children, child)
		}
	}
	return children, err
}
