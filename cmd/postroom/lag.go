package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

// probes is how many shards are probed at once.
const probes = 8

// probe is what a shard holds after its checkpoint. The checkpoint alone does not
// tell: on a quiet table it is old although everything is done.
type probe struct {
	known   bool      // the other fields are known
	oldest  time.Time // of the records that are not done; zero: there is none
	trimmed bool      // some records are lost already
}

// seconds returns the age of the oldest record that is not done, nil if it is not
// known, and the time until that record is trimmed, nil if there is none.
func (l probe) seconds(now time.Time) (lag, untilLoss *int64) {
	whole := func(d time.Duration) *int64 {
		s := int64(max(0, d) / time.Second)
		return &s
	}
	switch {
	case l.trimmed:
		return nil, whole(0)
	case !l.known:
		return nil, nil
	case l.oldest.IsZero():
		return whole(0), nil
	}
	age := now.Sub(l.oldest)
	return whole(age), whole(backend.StreamRetention - age)
}

// probeShards probes every shard that is not finished, at two calls a shard. The
// lag of a shard whose probe fails is not known.
func (a *app) probeShards(ctx context.Context, s stream.Status) []probe {
	found := make([]probe, len(s.Shards))
	source := a.backend.Stream(a.global.table)
	var group errgroup.Group
	group.SetLimit(probes)
	for i, sh := range s.Shards {
		if sh.Finished {
			continue
		}
		group.Go(func() error {
			var err error
			if found[i], err = probeShard(ctx, source, s.StreamARN, sh); err != nil {
				a.log.Warn("cannot read a shard to see its lag", "shard", sh.Shard, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	return found
}

// probeShard looks for the first record after a shard's checkpoint.
func probeShard(ctx context.Context, source backend.Stream, arn string, sh stream.ShardStatus) (probe, error) {
	r, err := stream.FirstUnread(ctx, source, arn, sh)
	switch kind := backend.KindOf(err); {
	case r != nil:
		return probe{known: true, oldest: r.CreatedAt}, nil
	case err == nil:
		return probe{known: true}, nil
	case kind == backend.KindTrimmed, kind == backend.KindNotFound && sh.Checkpoint != "":
		return probe{trimmed: true}, nil
	case kind == backend.KindNotFound: // expired before any worker began with it
		return probe{}, nil
	}
	return probe{}, err
}
