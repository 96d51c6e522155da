package stream

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
)

// goneAfter is how many times in a row a shard must not be found before it
// counts as gone: a listing and an iterator need not agree for a moment.
const goneAfter = 5

// mend decides what follows a failed read: another attempt, after a pause where
// it would be a tight loop, or going on past a loss.
func (s *shard) mend(ctx context.Context, err error) (rest time.Duration, _ error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	switch backend.KindOf(err) {
	case backend.KindExpired:
		s.iterator = ""
		if !s.fresh {
			s.opt.Logger.Info("an iterator expired, reading on after the last record read", "shard", s.id, "after", s.read.sequence)
			return 0, nil
		}
	case backend.KindTrimmed:
		if s.unreadTrimmed() {
			return 0, s.trimmed(ctx, err)
		}
		s.iterator = ""
		if !s.fresh {
			s.opt.Logger.Info("an iterator is said to be trimmed, reading on from a new one", "shard", s.id, "after", s.read.sequence)
			return 0, nil
		}
	case backend.KindNotFound:
		s.iterator = ""
		if s.missing++; s.missing >= goneAfter && s.streamLives(ctx) {
			return 0, s.gone(ctx, err)
		}
	case backend.KindThrottled, backend.KindUnavailable, backend.KindConflict:
	case backend.KindDenied:
		if !s.everRead.Load() {
			return 0, err
		}
	default: // perhaps the iterator is what is wrong
		s.iterator = ""
	}
	pause, giveUp := failed(ctx, s.readTroubles, s.id, err)
	if giveUp {
		return 0, err
	}
	return max(pause, 1), nil
}

// unreadTrimmed decides whether an answer that something is trimmed means a
// loss. An iterator that was just opened after a record says so surely. An older
// one does not: DynamoDB Local says it of every iterator that waits in an empty
// shard when the first record comes (aws-sdk-java, issue 2923), and one opened
// anew decides. At the trim horizon, which moves, nothing is lost that was not
// there when the shard was last read, unless that was too long ago.
func (s *shard) unreadTrimmed() bool {
	if s.read.sequence != "" {
		return s.fresh
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.fresh && time.Now().Round(0).Sub(s.seen) > s.opt.Retention
}

// expired reports whether the beginning of a shard that is to be read from there
// may be gone: the trim horizon moves on without a word.
func (s *shard) expired() bool {
	return s.read.sequence == "" && !s.read.at.IsZero() && s.iterator == "" && s.atTip().IsZero() &&
		s.opt.Now().Sub(s.since()) > s.opt.Retention
}

// streamLives reports whether the stream that the shard belongs to is still the
// table's.
func (s *shard) streamLives(ctx context.Context) bool {
	var page backend.ShardPage
	err := bounded(ctx, func(ctx context.Context) (err error) {
		page, err = s.stream.Shards(ctx, "")
		return err
	})
	return err == nil && page.StreamARN == s.arn
}

// trimmed goes on at the oldest record that is left, once the loss is known.
func (s *shard) trimmed(ctx context.Context, cause error) error {
	loss := s.loss("they fell out of the stream before they were read", cause)
	loss.Until = s.oldest()
	if err := s.lose(ctx, loss); err != nil {
		return err
	}
	s.iterator = ""
	s.setRead(position{at: latest(loss.AfterTime, loss.Until)})
	s.tracker.restart(s.read)
	return s.persist(ctx, nil)
}

// gone ends a shard that the stream does not have any more. Of one that had gone
// already at the first start nothing was promised.
func (s *shard) gone(ctx context.Context, cause error) error {
	if s.original && s.read.sequence == "" && s.opt.Now().Sub(s.read.at) < s.opt.Retention {
		s.opt.Logger.Info("a shard of before the first start expired unread", "shard", s.id)
		s.readTroubles.Worked(s.id)
		s.end()
		return nil
	}
	loss := s.loss("the shard is gone and was not read to its end", cause)
	if err := s.lose(ctx, loss); err != nil {
		return err
	}
	if err := s.persist(ctx, nil); err != nil {
		return err
	}
	s.readTroubles.Worked(s.id)
	s.end()
	return nil
}

// oldest is a time from which on nothing is trimmed yet.
func (r *run) oldest() time.Time { return r.opt.Now().Add(r.opt.trimMargin() - r.opt.Retention) }

func (s *shard) loss(reason string, cause error) *DataLossError {
	return &DataLossError{
		StreamARN: s.arn, Shard: s.id, Reason: reason,
		After: s.read.sequence, AfterTime: s.since(), Until: s.opt.Now(), Err: cause,
	}
}

// lose makes a loss known before anything goes on past it, or a checkpoint goes
// back: the lease says of it from its next writing on. Without somebody who takes
// care of it, that is written as well as it can be, and the run ends.
func (s *shard) lose(ctx context.Context, loss *DataLossError) error {
	s.incident(loss)
	if s.opt.OnDataLoss != nil {
		err := persist(ctx, s.flushTroubles, s.id, false, func(ctx context.Context) error { return s.opt.OnDataLoss(ctx, loss) })
		if err == nil {
			s.note(loss)
		}
		return err
	}
	s.note(loss)
	err := persist(ctx, s.flushTroubles, s.id, true, func(ctx context.Context) error {
		return s.save(ctx, nil)
	})
	if err != nil {
		s.opt.Logger.Error("the loss could not be recorded in the lease", "shard", s.id, "error", err)
	}
	return loss
}
