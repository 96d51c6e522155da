package stream

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
)

// unsaved reports whether there is anything new to be made durable.
func (s *shard) unsaved() bool {
	done, finished := s.tracker.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	return done.sequence != s.saved.sequence || finished != s.savedEnd
}

// save makes durable what is done, with a change to the lease if there is one.
// It returns errTaken if the lease is not ours any more, and nil if that is since
// it was given away here: what is done since is the heir's to do again.
func (s *shard) save(ctx context.Context, change func(*lease)) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	for {
		if s.lease.run != s.run.id {
			return nil
		}
		next := s.lease
		next.done, next.finished = s.tracker.state()
		if lost := s.noted(); lost != "" {
			next.lost = lost
		}
		if change != nil {
			change(&next)
		}
		if next.same(s.lease) && next.lost == s.lease.lost {
			return nil
		}
		if next.finished {
			next.finishedAt, next.done.at = s.opt.Now(), s.doneSince(next.done.at)
		}
		found, err := s.leases.put(ctx, s.lease, next)
		if err != nil {
			return err
		}
		s.count.saves.Add(1)
		switch {
		case found.same(next):
			s.lease = next
			s.mu.Lock()
			s.saved, s.savedEnd = next.done, next.finished
			s.mu.Unlock()
			return nil
		case found.run != s.run.id || found.epoch != s.lease.epoch || found.same(s.lease), found.beyond(next):
			return errTaken
		}
		s.lease = found // an earlier write of ours, whose answer was lost
	}
}

// beyond reports whether a lease says more than next is to say. What stands
// there is then no earlier write of who writes next: somebody removed the lease,
// and the same worker has read the shard anew since.
func (l lease) beyond(next lease) bool {
	return l.finished && !next.finished ||
		l.lost == next.lost && backend.CompareSequence(l.done.sequence, next.done.sequence) > 0
}

// persist saves until it succeeds.
func (s *shard) persist(ctx context.Context, change func(*lease)) error {
	return persist(ctx, s.flushTroubles, s.id, false, func(ctx context.Context) error { return s.save(ctx, change) })
}

// note has the lease say of a loss, from the next writing on.
func (s *shard) note(loss *DataLossError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = note(s.opt.Now(), loss)
}

func (s *shard) noted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// note is a loss as it is kept in the lease.
func note(now time.Time, loss *DataLossError) string {
	return now.UTC().Format(time.RFC3339) + ": " + loss.Error()
}
