package stream

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// saveCheckpoints writes checkpoints by time and by count until ctx is done.
func (s *session) saveCheckpoints(ctx context.Context) error {
	for retry.Sleep(ctx, s.tuning.checkpointInterval, s.checkpointDue) == nil {
		if err := s.checkpoint.Do(ctx, "checkpoints", s.saveAll); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// saveAll writes the checkpoints that have moved, a few at a time, if the session
// is valid.
func (s *session) saveAll(ctx context.Context) error {
	if !s.heartbeat.Valid() {
		return nil
	}
	var group errgroup.Group
	group.SetLimit(writers)
	for _, one := range s.held() {
		group.Go(func() error {
			err := one.Save(ctx)
			if errors.Is(err, lease.ErrLost) {
				s.lose(one)
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// drain waits for acknowledgements.
func (s *session) drain(ctx context.Context) {
	if !s.heartbeat.Valid() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.tuning.DrainTimeout)
	defer cancel()
	if s.inFlight.WaitUntilEmpty(ctx) != nil {
		s.opt.Logger.Warn("stopping without some acknowledgements: these records will be read again",
			"records", s.inFlight.Records())
	}
}

// leave writes what is done and leaves the worker group. Without the heartbeat all
// leases are free at once.
func (s *session) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if !s.heartbeat.Valid() && s.heartbeat.Beat(ctx) != nil {
		s.opt.Logger.Warn("stopping without a valid session: some records may be read again", "worker", s.self.Worker)
		return
	}
	if err := s.saveAll(ctx); err != nil {
		s.opt.Logger.Warn("the last checkpoints could not be written: some records will be read again", "error", err)
	}
	if lock := s.group.leader.Load(); lock != nil {
		_ = lock.Release(ctx) // otherwise the next leader sees that this session is gone
	}
	if err := s.heartbeat.Leave(ctx); err != nil {
		s.opt.Logger.Warn("the worker group could not be left: the others have to wait until the lease expires", "error", err)
		return
	}
	s.opt.Logger.Info("left the worker group", "worker", s.self.Worker)
}

// noteActive notes that the stream is not idle just now.
func (s *session) noteActive() { s.active.Store(int64(time.Since(s.start))) }

// idleSince returns since when there is nothing to read and nothing in flight, as
// far as this worker knows: what it has not looked at for a lease duration, since it
// was frozen or had no answers, it does not know.
func (s *session) idleSince() (since time.Time, ok bool) {
	since, asked := s.group.settledSince()
	if since.IsZero() || !s.recent(asked) || s.inFlight.Records() > 0 {
		return time.Time{}, false
	}
	for _, one := range s.held() {
		tip, asked := one.AtTip()
		if tip.IsZero() || !s.recent(asked) {
			return time.Time{}, false
		}
		since = lineage.Latest(since, tip)
	}
	return lineage.Latest(since, s.start.Add(time.Duration(s.active.Load()))), true
}

// recent reports whether t is less than a lease duration ago by the wall clock,
// which also goes on while the machine sleeps.
func (s *session) recent(t time.Time) bool {
	age := s.opt.Now().Round(0).Sub(t.Round(0))
	return age >= 0 && age < s.opt.LeaseDuration
}
