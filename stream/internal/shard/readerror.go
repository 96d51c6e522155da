package shard

import (
	"context"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// goneAfter is how many times in a row a shard must not be found before it counts
// as gone: a listing and an iterator need not agree for a moment. It is also how many
// times its checkpoint must be refused before the lease counts as damaged.
const goneAfter = 5

// handleReadError decides what follows a failed read: another attempt, after a
// pause where it would be a tight loop, or going on past a loss.
func (s *Shard) handleReadError(ctx context.Context, err error) (rest time.Duration, _ error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	switch backend.KindOf(err) {
	case backend.KindExpired:
		s.iterator = ""
		if !s.justOpened {
			s.env.Logger.Info("an iterator expired, reading on after the last record read", "shard", s.ID, "after", s.read.Sequence)
			return 0, nil
		}
	case backend.KindTrimmed:
		if s.unreadTrimmed() {
			return 0, s.continuePastTrimmed(ctx, err)
		}
		s.iterator = ""
		if !s.justOpened {
			s.env.Logger.Info("an iterator is said to be trimmed, reading on from a new one", "shard", s.ID, "after", s.read.Sequence)
			return 0, nil
		}
	case backend.KindNotFound:
		s.iterator = ""
		if s.missing++; s.missing >= goneAfter && s.streamExists(ctx) {
			return 0, s.endGone(ctx, err)
		}
	case backend.KindThrottled, backend.KindUnavailable, backend.KindConflict:
	case backend.KindDenied:
		if !s.env.EverRead.Load() {
			return 0, err
		}
	case backend.KindInvalid:
		if s.iterator == "" && s.read.Sequence != "" {
			if s.refused++; s.refused >= goneAfter {
				return 0, s.unknownCheckpoint(err)
			}
		}
		s.iterator = ""
	default: // perhaps the iterator is what is wrong
		s.iterator = ""
	}
	pause, giveUp := s.env.Read.Failed(ctx, s.ID, err)
	if giveUp {
		return 0, err
	}
	return max(pause, 1), nil
}

// unknownCheckpoint returns the error of a lease whose checkpoint the stream does not
// know: somebody has changed it. This shard waits for an operator, others go on.
func (s *Shard) unknownCheckpoint(cause error) error {
	s.env.Read.Succeeded(s.ID)
	return &item.DamageError{
		Key: lease.Key(s.env.Leases.ID, s.ID), Err: fmt.Errorf("attribute checkpoint: the stream does not know %q: %w", s.read.Sequence, cause),
		Blocks: true,
	}
}

// unreadTrimmed decides whether an answer that something is trimmed means a
// loss. An iterator that was just opened after a record says so surely. An older
// one does not: DynamoDB Local says it of every iterator that waits in an empty
// shard when the first record comes (aws-sdk-java, issue 2923), and one opened
// anew decides. At the trim horizon, which moves, nothing is lost that was not
// there when the shard was last read, unless that was too long ago.
func (s *Shard) unreadTrimmed() bool {
	if s.read.Sequence != "" {
		return s.justOpened
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.justOpened && time.Now().Round(0).Sub(s.seen) > backend.StreamRetention
}

// beginningExpired reports whether the beginning of a shard that is to be read
// from there may be gone: the trim horizon moves without any error.
func (s *Shard) beginningExpired() bool {
	return s.read.Sequence == "" && !s.read.At.IsZero() && s.iterator == "" &&
		s.env.Now().Sub(s.read.At) > backend.StreamRetention
}

// streamExists reports whether the stream that the shard belongs to is still the
// table's.
func (s *Shard) streamExists(ctx context.Context) bool {
	page, err := retry.Once(ctx, s.env.Call, func(ctx context.Context) (backend.ShardPage, error) { return s.env.Stream.Shards(ctx, "") })
	return err == nil && page.StreamARN == s.env.ARN
}

// continuePastTrimmed reads on from the oldest record that is left, once the loss
// is recorded.
func (s *Shard) continuePastTrimmed(ctx context.Context, cause error) error {
	if s.readUpToEnd() {
		return nil
	}
	loss := s.newLoss("they fell out of the stream before they were read", cause)
	loss.Until = lineage.UpTo(lineage.Untrimmed(s.env.Now()), s.until)
	if s.start.At.After(loss.Until) {
		s.env.Logger.Info("only records of before the group's start were trimmed", "shard", s.ID, "after", s.read.Sequence)
		s.iterator, s.fromHorizon = "", true
		return nil
	}
	if err := s.record(ctx, loss); err != nil {
		return err
	}
	s.iterator = ""
	s.setRead(lease.Position{At: lineage.Latest(loss.AfterTime, loss.Until)})
	s.tracker.restart(s.read)
	return s.save(ctx)
}

// endGone ends a shard that the stream does not have any more. A shard that had
// gone already at the first start held nothing that was promised, and neither had one
// that goes when not even the group's start is so old that it would be trimmed.
func (s *Shard) endGone(ctx context.Context, cause error) error {
	unread := s.read.Sequence == "" || !s.read.At.After(s.start.At)
	if s.firstStart && unread && s.env.Now().Sub(s.read.At) < backend.StreamRetention {
		s.env.Logger.Info("a shard of before the first start expired unread", "shard", s.ID)
		s.env.Read.Succeeded(s.ID)
		s.end()
		return nil
	}
	if s.readUpToEnd() {
		s.env.Read.Succeeded(s.ID)
		return nil
	}
	if err := s.record(ctx, s.newLoss("the shard is gone and was not read to its end", cause)); err != nil {
		return err
	}
	s.env.Read.Succeeded(s.ID)
	s.end()
	return nil
}

// readUpToEnd ends a shard whose unread records are all younger than the group is to
// have, and reports whether it did.
func (s *Shard) readUpToEnd() bool {
	if s.until.IsZero() || s.read.At.Before(s.until) {
		return false
	}
	s.passed = true
	s.end()
	return true
}

func (s *Shard) newLoss(reason string, cause error) *lineage.LossError {
	return &lineage.LossError{
		StreamARN: s.env.ARN, Shard: s.ID, Reason: reason,
		After: s.read.Sequence, AfterTime: s.read.At, Until: lineage.UpTo(s.env.Now(), s.until), Err: cause,
	}
}

// record records a loss before reading continues past it, or a checkpoint goes
// back. From its next write on the lease notes the loss. If nobody records losses
// the lease is written at once, and the loss is returned.
func (s *Shard) record(ctx context.Context, loss *lineage.LossError) error {
	recorded, err := s.env.Record(ctx, loss)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.loss = loss.Note(s.env.Now())
	s.mu.Unlock()
	if recorded {
		return nil
	}
	loop := s.env.Save
	loop.Patience = 0 // the loss is to end the session soon
	if err := loop.Do(ctx, s.ID, s.Save); err != nil {
		s.env.Logger.Error("the loss could not be noted in the lease", "shard", s.ID, "error", err)
	}
	return loss
}
