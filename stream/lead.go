package stream

import (
	"context"
	"errors"
	"sync"

	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
)

// elect leads the worker group if nobody does.
func (s *session) elect(ctx context.Context, live []membership.Worker, running *sync.WaitGroup) error {
	lock, err := s.member().Elect(ctx, live, s.firstLoop(opLeading), s.loop(opLeading))
	if err != nil || lock == nil {
		return err
	}
	s.group.syncing.Store(true)
	s.group.leader.Store(lock)
	s.heartbeat.SetLeads(true)
	running.Go(func() { s.fail(s.lead(ctx, lock)) })
	return nil
}

// lead does what one worker does for all: it syncs the leases with the shards, and
// runs OnLead. It returns when ctx is done or the lock is another's.
func (s *session) lead(ctx context.Context, lock *membership.LeaderLock) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.opt.Logger.Info("leads the worker group", "worker", s.self.Worker)
	_ = s.heartbeat.Beat(ctx) // which says so, or the next one does
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { s.fail(s.sync().Run(ctx)) })
	if s.opt.OnLead != nil {
		work.Go(func() { s.fail(s.opt.OnLead(ctx)) })
	}
	err := lock.Keep(ctx)
	if !errors.Is(err, membership.ErrNotLeader) {
		stop()
		return err
	}
	s.opt.Logger.Warn("another worker leads the worker group now", "worker", s.self.Worker)
	stop()
	work.Wait()
	s.heartbeat.SetLeads(false)
	s.group.leader.Store(nil)
	s.group.syncing.Store(false)
	return nil
}

func (s *session) sync() *lineage.Sync {
	return &lineage.Sync{
		Stream: s.stream, ARN: s.arn, Leases: s.leases, Interval: s.tuning.syncInterval, Writers: writers,
		Call: once(), Loop: s.loop(opListing), Now: s.opt.Now, Logger: s.opt.Logger,
		Record: s.recordLoss, Listings: &s.count.Listings, Aside: s.aside,
		Start: lineage.Start(s.opt.Start), Until: s.opt.Until,
		Notify: s.heartbeat.Notify, Listed: func(ok bool) { s.group.syncing.Store(!ok) },
		Free: func() {
			s.noteActive()
			s.group.setSettled(false)
			s.group.look.Store(true)
			retry.Wake(s.lookNow)
		},
	}
}
