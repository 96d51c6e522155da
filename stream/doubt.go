package stream

import (
	"context"
	"errors"

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
	// lookPages is how many pages are read for a record. An empty page is not the
	// end, but after several there is most likely nothing.
	lookPages = 3
)

// Doubt compares the leases with what the listed shards hold. To Damaged, and to its
// shard, it adds each lease that can be read and cannot be right: one that is finished
// although its shard holds more records, and one whose checkpoint is not that of a
// record. What the stream does not answer is not doubted. It takes up to eight calls a
// shard, and disturbs no Reader.
func (s *Status) Doubt(ctx context.Context, source backend.Stream) error {
	var group errgroup.Group
	group.SetLimit(doubters)
	for i := range s.Shards {
		sh := &s.Shards[i]
		if !sh.Listed || sh.Damaged {
			continue
		}
		group.Go(func() error {
			if err := doubt(ctx, source, s.StreamARN, *sh); err != nil {
				sh.Doubt = &DamageError{Key: lease.Key(s.id(), sh.Shard), Err: err, Blocks: true}
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	for _, sh := range s.Shards {
		if sh.Doubt != nil {
			s.Damaged = append(s.Damaged, sh.Doubt)
		}
	}
	return ctx.Err()
}

func doubt(ctx context.Context, s backend.Stream, arn string, sh ShardStatus) error {
	if sh.Checkpoint != "" {
		r, err := firstRecord(ctx, s, arn, sh.Shard, backend.Position{Type: backend.AtSequence, Sequence: sh.Checkpoint})
		if backend.KindOf(err) == backend.KindInvalid || err == nil && r != nil && r.Sequence != sh.Checkpoint {
			return errNoCheckpoint
		}
	}
	if !sh.Finished || !sh.Until.IsZero() { // it may hold more, which is not the group's
		return nil
	}
	if r, err := FirstUnread(ctx, s, arn, sh); err == nil && r != nil {
		return errNotFinished
	}
	return nil
}

// FirstUnread returns the first record of a shard after its checkpoint; nil: there is
// none, as far as a few pages show.
func FirstUnread(ctx context.Context, s backend.Stream, arn string, sh ShardStatus) (*backend.Record, error) {
	at := backend.Position{Type: backend.TrimHorizon}
	if sh.Checkpoint != "" {
		at = backend.Position{Type: backend.AfterSequence, Sequence: sh.Checkpoint}
	}
	return firstRecord(ctx, s, arn, sh.Shard, at)
}

// firstRecord returns the first record from a position on; nil: there is none.
func firstRecord(ctx context.Context, s backend.Stream, arn, shard string, at backend.Position) (*backend.Record, error) {
	iterator, err := s.Iterator(ctx, arn, shard, at)
	for n := 0; err == nil && iterator != "" && n < lookPages; n++ {
		var page backend.RecordPage
		if page, err = s.Records(ctx, iterator, 1); err == nil && len(page.Records) > 0 {
			return &page.Records[0], nil
		}
		iterator = page.Next
	}
	return nil, err
}
