package shard

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// untilWoken is the rest of a shard that the last acknowledgement wakes.
const untilWoken = time.Hour

// end notes that the shard has no more records.
func (s *Shard) end() {
	s.setTip(false)
	s.iterator, s.phase = "", ended
	if s.passed {
		s.tracker.reach(s.until)
	}
	s.tracker.close(true)
}

// finish saves that all records of an ended shard are acknowledged: saved first,
// then believed.
func (s *Shard) finish(ctx context.Context) (rest time.Duration, err error) {
	if !s.tracker.isDrained() {
		return untilWoken, nil
	}
	if err := s.env.Fence(ctx); err != nil {
		return 0, err
	}
	if err := s.save(ctx); err != nil {
		return 0, err
	}
	s.phase = finished
	return 0, nil
}

// acquireChildren acquires the leases of the children. The worker that has read
// the parent begins with them, so a shard that rolls waits for nobody.
func (s *Shard) acquireChildren(ctx context.Context) (Outcome, time.Duration, error) {
	if s.passed {
		return Done, 0, nil // they are younger, and the leader lists them
	}
	last := s.lookups == lineage.ChildLookups
	children, err := lineage.Children(ctx, s.env.Stream, s.env.ARN, s.ID, last, s.env.Call, &s.env.Counters.Listings)
	if err != nil {
		pause, giveUp := s.env.List.Failed(ctx, s.ID, err)
		if giveUp {
			return Continue, 0, err
		}
		return Continue, pause, nil
	}
	s.env.List.Succeeded(s.ID)
	if len(children) == 0 && !last {
		s.lookups++
		return Continue, lineage.ChildPause(s.lookups - 1), nil
	}
	for _, child := range children {
		if err := s.acquireChild(ctx, child); err != nil {
			return Continue, 0, err
		}
	}
	return Done, 0, nil
}

func (s *Shard) acquireChild(ctx context.Context, child backend.Shard) error {
	next := lease.Lease{Shard: child.ID, Parent: s.ID, Checkpoint: lease.Position{At: s.read.At}, Start: lease.Start{At: s.start.At}, Until: s.until}
	return s.env.Save.Do(ctx, s.ID, func(ctx context.Context) error {
		h, err := s.env.Leases.Acquire(ctx, next)
		if err == nil && h != nil {
			s.env.ChildAcquired(h)
		}
		return err
	})
}

// transfer reads no more, waits for acknowledgements up to the drain timeout, and
// writes the lease with the new owner in it, who reads on from the checkpoint.
func (s *Shard) transfer(ctx context.Context, to lease.Owner) (Outcome, time.Duration, error) {
	if s.drainBy.IsZero() {
		s.setTip(false)
		s.drainBy = time.Now().Add(s.env.Tuning.DrainTimeout)
		s.tracker.close(false)
	}
	if left := time.Until(s.drainBy); left > 0 && !s.tracker.isDrained() {
		return Continue, left, nil
	}
	if err := s.env.Fence(ctx); err != nil {
		return Continue, 0, err
	}
	err := s.env.Save.Do(ctx, s.ID, func(ctx context.Context) error {
		return s.lease.Transfer(ctx, s.progress, to)
	})
	if err != nil {
		return Continue, 0, err
	}
	s.env.Logger.Debug("transferred a shard", "shard", s.ID, "to", to.Worker)
	return Transferred, 0, nil
}

// save writes the progress, trying again until it succeeds.
func (s *Shard) save(ctx context.Context) error {
	return s.env.Save.Do(ctx, s.ID, s.Save)
}

// Save writes the progress once.
func (s *Shard) Save(ctx context.Context) error { return s.lease.Save(ctx, s.progress) }

// Checkpoint returns the checkpoint as the lease was last written, or found.
func (s *Shard) Checkpoint() string { return s.lease.Lease().Checkpoint.Sequence }

// progress is what may be saved.
func (s *Shard) progress() lease.Progress {
	done, finished := s.tracker.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	return lease.Progress{Checkpoint: done, Finished: finished, Lost: s.loss}
}
