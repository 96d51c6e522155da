package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

const (
	// lookers is how many shards are looked into at once.
	lookers = 8
	// lookPages is how many pages of a shard are read: an empty one is not the
	// end, but where several are nothing is there, most likely.
	lookPages = 3
)

// look is what one sees of a shard behind its checkpoint, which says nothing of
// that: on a quiet table it is old, and all is done.
type look struct {
	known   bool      // what follows
	oldest  time.Time // of the records that are not done; zero: none was seen
	trimmed bool      // some are lost already
}

// seconds are the age of the oldest record that is not done, and the time until
// it is trimmed. Nil: not known, and nothing is to be trimmed.
func (l look) seconds(now time.Time) (lag, untilLoss *int64) {
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

// lookInto looks into every shard that is still to be read. It costs two calls
// for each; where one fails the shard's lag is not known.
func (a *app) lookInto(ctx context.Context, s stream.Status) []look {
	looks := make([]look, len(s.Shards))
	source := a.backend.Stream(a.global.table)
	var group errgroup.Group
	group.SetLimit(lookers)
	for i, sh := range s.Shards {
		if sh.Finished {
			continue
		}
		group.Go(func() error {
			var err error
			if looks[i], err = lookBehind(ctx, source, s.StreamARN, sh); err != nil {
				a.log.Warn("cannot look into a shard", "shard", sh.Shard, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	return looks
}

// lookBehind looks for the first record after a shard's checkpoint.
func lookBehind(ctx context.Context, source backend.Stream, arn string, sh stream.ShardStatus) (look, error) {
	at := backend.Position{Type: backend.TrimHorizon}
	if sh.Checkpoint != "" {
		at = backend.Position{Type: backend.AfterSequence, Sequence: sh.Checkpoint}
	}
	iterator, err := source.Iterator(ctx, arn, sh.Shard, at)
	for page := 0; err == nil && iterator != "" && page < lookPages; page++ {
		var got backend.RecordPage
		if got, err = source.Records(ctx, iterator, 1); err == nil && len(got.Records) > 0 {
			return look{known: true, oldest: got.Records[0].CreatedAt}, nil
		}
		iterator = got.Next
	}
	switch kind := backend.KindOf(err); {
	case err == nil:
		return look{known: true}, nil
	case kind == backend.KindTrimmed, kind == backend.KindNotFound && sh.Checkpoint != "":
		return look{trimmed: true}, nil
	case kind == backend.KindNotFound: // expired before anybody began with it
		return look{}, nil
	}
	return look{}, err
}
