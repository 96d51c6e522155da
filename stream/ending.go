package stream

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
)

// untilWoken is the rest of a shard that the last acknowledgement wakes.
const untilWoken = time.Hour

// end notes that there is no more to be read in the shard.
func (s *shard) end() {
	s.setTip(false)
	s.iterator, s.phase = "", ended
	s.tracker.close(true)
}

// finish makes durable that all records of an ended shard are acknowledged:
// persisted first, then believed. Then its children begin.
func (s *shard) finish(ctx context.Context) (time.Duration, error) {
	if !s.tracker.isSettled() {
		return untilWoken, nil
	}
	if err := s.self.hold(ctx); err != nil {
		return 0, err
	}
	if err := s.persist(ctx, nil); err != nil {
		return 0, err
	}
	s.phase = orphaned
	return 0, nil
}

// Look-ups of the children of a finished shard, which may appear late; when all
// were in vain the leader's listing has to find them. Source: the KCL adapter.
const (
	childLookups  = 10
	childPause    = 50 * time.Millisecond
	maxChildPause = time.Second
)

func childPauses(lookups int) time.Duration { return min(childPause<<lookups, maxChildPause) }

// findChildren takes the leases of the children. Whoever has read the parent
// begins with them, so a shard that rolls waits for nobody.
func (s *shard) findChildren(ctx context.Context) (time.Duration, error) {
	children, err := s.children(ctx)
	if err != nil {
		pause, giveUp := failed(ctx, s.listTroubles, s.id, err)
		if giveUp {
			return 0, err
		}
		return pause, ctx.Err()
	}
	s.listTroubles.Worked(s.id)
	if len(children) == 0 && s.lookups < childLookups {
		s.lookups++
		return childPauses(s.lookups - 1), nil
	}
	for _, child := range children {
		if err := s.takeChild(ctx, child); err != nil {
			pause, giveUp := failed(ctx, s.flushTroubles, s.id, err)
			if giveUp {
				return 0, err
			}
			return pause, ctx.Err()
		}
	}
	s.flushTroubles.Worked(s.id)
	s.dismiss()
	return 0, errOver
}

// children asks the stream. A server may ignore what was asked for; one that
// refuses, or has said often enough that there are none, is asked for all shards.
func (s *shard) children(ctx context.Context) (children []backend.Shard, err error) {
	var found []backend.Shard
	s.count.listings.Add(1)
	err = bounded(ctx, func(ctx context.Context) (err error) {
		found, err = s.stream.Children(ctx, s.arn, s.id)
		return err
	})
	kind := backend.KindOf(err)
	if kind == backend.KindInvalid || kind == backend.KindNotFound || err == nil && len(found) == 0 && s.lookups == childLookups {
		var l listing
		l, err = list(ctx, s.stream)
		s.count.listings.Add(l.pages)
		found = l.shards
		if l.arn != s.arn {
			found = nil
		}
	}
	for _, child := range found {
		if child.Parent == s.id && child.ID != s.id {
			children = append(children, child)
		}
	}
	return children, err
}

// since is a time before which nothing unread was made, about: in this shard and
// in its children.
func (s *shard) since() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.caught.IsZero() {
		return s.readAt.at
	}
	return latest(s.readAt.at, s.caught.Add(-s.opt.trimMargin()))
}

// doneSince is the same of what is not acknowledged, if more is known than the
// time of the checkpoint.
func (s *shard) doneSince(checkpoint time.Time) time.Time {
	if !s.tracker.isSettled() {
		return checkpoint
	}
	return latest(checkpoint, s.since())
}

// takeChild writes a lease that is ours, or takes the free one that the leader
// has written meanwhile.
func (s *shard) takeChild(ctx context.Context, child backend.Shard) error {
	cur := lease{shard: child.ID, parent: s.id, done: position{at: s.since()}}
	for {
		next := cur
		next.worker, next.run, next.epoch = s.opt.Worker, s.run.id, cur.epoch+1
		var found lease
		err := bounded(ctx, func(ctx context.Context) (err error) {
			found, err = s.leases.put(ctx, cur, next)
			return err
		})
		switch {
		case err != nil:
			return err
		case found.run == s.run.id && found.worker != "" && !found.finished:
			s.count.saves.Add(1)
			s.count.taken.Add(1)
			s.begin(found)
			return nil
		case found.worker != "" || found.finished || found.epoch == cur.epoch:
			return nil
		}
		cur = found // nobody's
	}
}

// giveTo asks for the shard to be handed over, and reports whether that is new.
func (s *shard) giveTo(run, worker string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to != "" {
		return false
	}
	s.to, s.worker = run, worker
	s.halt()
	return true
}

// heir is the run that the shard is to be handed over to; empty: none.
func (s *shard) heir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to
}

// handOver reads no more, waits for acknowledgements up to DrainTimeout, and
// writes the lease with the new owner in it. That one reads on from the
// checkpoint, so nothing is without an owner in between.
func (s *shard) handOver(ctx context.Context) (time.Duration, error) {
	if s.drainBy.IsZero() {
		s.setTip(false)
		s.drainBy = time.Now().Add(s.opt.DrainTimeout)
		s.tracker.close(false)
	}
	if left := time.Until(s.drainBy); left > 0 && !s.tracker.isSettled() {
		return left, nil
	}
	if err := s.self.hold(ctx); err != nil {
		return 0, err
	}
	err := s.persist(ctx, func(l *lease) {
		l.worker, l.run, l.epoch = s.worker, s.to, l.epoch+1
		l.done.at = s.doneSince(l.done.at)
	})
	if err != nil {
		return 0, err
	}
	if s.dismiss() {
		s.count.given.Add(1)
		s.opt.Logger.Debug("handed a shard over", "shard", s.id, "to", s.worker)
	}
	if err := s.ring(s.reads); err != nil && s.reads.Err() == nil {
		s.opt.Logger.Debug("the new owner was not told, and finds out later", "shard", s.id, "error", err)
	}
	return 0, errOver
}
