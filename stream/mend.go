package stream

import (
	"context"
	"errors"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// goneAfter is how many times in a row a shard must not be found before it
// counts as gone: a listing and an iterator need not agree for a moment.
const goneAfter = 5

// errUnread says that a shard ended before anything was read or promised.
var errUnread = errors.New("the shard expired unread")

// mend decides what follows a failed read: another attempt, after a pause where
// it would be a tight loop, or the end of the run.
func (s *reading) mend(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch backend.KindOf(err) {
	case backend.KindExpired:
		s.iterator = ""
		if !s.fresh {
			s.opt.Logger.Info("an iterator expired, reading on after the last record read", "shard", s.id, "after", s.read.sequence)
			return nil
		}
	case backend.KindTrimmed:
		if s.unreadTrimmed() {
			return s.lose(ctx, "they fell out of the stream before they were read", err)
		}
		s.iterator = ""
		if !s.fresh {
			s.opt.Logger.Info("an iterator is said to be trimmed, reading on from a new one", "shard", s.id, "after", s.read.sequence)
			return nil
		}
	case backend.KindNotFound:
		s.iterator = ""
		if s.missing++; s.missing >= goneAfter && s.streamLives(ctx) {
			return s.gone(ctx, err)
		}
	case backend.KindThrottled, backend.KindUnavailable, backend.KindConflict:
	case backend.KindDenied:
		if !s.everRead.Load() {
			return err
		}
	default: // perhaps the iterator is what is wrong
		s.iterator = ""
	}
	pause, giveUp := failed(ctx, s.readTroubles, s.id, err)
	if giveUp {
		return err
	}
	return trouble.Sleep(ctx, pause, nil)
}

// unreadTrimmed decides whether an answer that something is trimmed means a
// loss. An iterator that was just opened after a record says so surely. An older
// one does not: DynamoDB Local says it of every iterator that waits in an empty
// shard when the first record comes (aws-sdk-java, issue 2923), and one opened
// anew decides. At the trim horizon, which moves, nothing is lost that was not
// there when the shard was last read, unless that was too long ago.
func (s *reading) unreadTrimmed() bool {
	if s.read.sequence != "" {
		return s.fresh
	}
	return !s.fresh && time.Now().Round(0).Sub(s.seen) > retention
}

// streamLives reports whether the stream that the shard belongs to is still the
// table's.
func (s *reading) streamLives(ctx context.Context) bool {
	var page backend.ShardPage
	err := bounded(ctx, func(ctx context.Context) (err error) {
		page, err = s.stream.Shards(ctx, "")
		return err
	})
	return err == nil && page.StreamARN == s.arn
}

// gone ends a shard that the stream does not have any more. One that was old at
// the very first start, and from which nothing was read, was never promised.
func (s *reading) gone(ctx context.Context, cause error) error {
	if s.node.original && s.read.sequence == "" {
		s.opt.Logger.Info("a shard of before the first start expired unread", "shard", s.id)
		s.readTroubles.Worked(s.id)
		return errUnread
	}
	return s.lose(ctx, "the shard is gone and was not read to its end", cause)
}

// lose records the loss of what was not read in the shard's lease, as well as
// that can be done, and returns the incident.
func (s *reading) lose(ctx context.Context, reason string, cause error) error {
	loss := &DataLossError{
		StreamARN: s.arn, Shard: s.id, Reason: reason,
		After: s.read.sequence, AfterTime: s.read.at, Err: cause,
	}
	note := time.Now().UTC().Format(time.RFC3339) + ": " + loss.Error()
	if err := persist(ctx, s.flushTroubles, s.id, true, func(ctx context.Context) error { return s.save(ctx, note) }); err != nil {
		s.opt.Logger.Error("the loss could not be recorded in the lease", "shard", s.id, "error", err)
	}
	return s.incident(loss)
}
