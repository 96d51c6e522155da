package stream

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

// Why a lease is not believed although it can be read.
var (
	errNotFinished  = errors.New("attribute finished: it is true, and the shard holds records after the checkpoint")
	errNoCheckpoint = errors.New("attribute checkpoint: no record of the shard has that sequence number")
)

const (
	// doubters is how many shards are looked at at once.
	doubters = 8
	// doubtPages is how many pages are read for a record. An empty page is not the
	// end, but after several there is most likely nothing.
	doubtPages = 3
)

// Doubts compares the leases with what the listed shards hold, and returns those that
// cannot be right, by shard and as damaged ones: a lease that is finished although
// its shard holds more records, and one whose checkpoint is no record's. What the
// stream does not answer is not doubted. It takes up to eight calls a shard, and
// disturbs no Reader.
func Doubts(ctx context.Context, s backend.Stream, status Status) (map[string]*DamageError, error) {
	doubts := map[string]*DamageError{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(doubters)
	for _, sh := range status.Shards {
		if !sh.Listed || sh.Damaged {
			continue
		}
		group.Go(func() error {
			if err := doubt(ctx, s, status.StreamARN, sh); err != nil {
				mu.Lock()
				defer mu.Unlock()
				doubts[sh.Shard] = &DamageError{Key: lease.Key(status.StreamARN, sh.Shard), Err: err, Blocks: true}
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	return doubts, ctx.Err()
}

func doubt(ctx context.Context, s backend.Stream, arn string, sh ShardStatus) error {
	after := backend.Position{Type: backend.TrimHorizon}
	if sh.Checkpoint != "" {
		after = backend.Position{Type: backend.AfterSequence, Sequence: sh.Checkpoint}
		r, err := firstRecord(ctx, s, arn, sh.Shard, backend.Position{Type: backend.AtSequence, Sequence: sh.Checkpoint})
		if backend.KindOf(err) == backend.KindInvalid || err == nil && r != nil && r.Sequence != sh.Checkpoint {
			return errNoCheckpoint
		}
	}
	if !sh.Finished {
		return nil
	}
	if r, err := firstRecord(ctx, s, arn, sh.Shard, after); err == nil && r != nil {
		return errNotFinished
	}
	return nil
}

// firstRecord returns the first record from a position on; nil: there is none.
func firstRecord(ctx context.Context, s backend.Stream, arn, shard string, at backend.Position) (*backend.Record, error) {
	iterator, err := s.Iterator(ctx, arn, shard, at)
	for n := 0; err == nil && iterator != "" && n < doubtPages; n++ {
		var page backend.RecordPage
		if page, err = s.Records(ctx, iterator, 1); err == nil && len(page.Records) > 0 {
			return &page.Records[0], nil
		}
		iterator = page.Next
	}
	return nil, err
}
