package stream

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
	"github.com/postroom/postroom/stream/internal/shard"
)

// assign does this session's part of what follows from the leases, as they stood
// when the look began or later, and from who is alive.
func (s *session) assign(ctx context.Context, leases map[string]lease.Lease, live []membership.Worker, began time.Time) error {
	g := &s.group
	s.leaveAside(leases)
	parents := lineage.Parents(leases)
	g.parents.Store(&parents)
	snapshot, names := s.snapshot(leases, live, began)
	all := snapshot.Assign()
	var free []membership.Assignment
	transfers, received := 0, 0
	for _, a := range all {
		l := leases[a.Shard]
		switch {
		case a.Action == membership.Stop:
			one := s.shardOf(a.Shard)
			switch {
			case one == nil:
			case l.OwnedBy(one.NewOwner().Session): // the answer to the transfer is on its way
				s.transferred(one)
			default:
				s.lose(one)
			}
		case a.Action == membership.TransferTo:
			transfers++
			if one := s.shardOf(a.Shard); one != nil && l.Session == s.self.Session {
				one.TransferTo(lease.Owner{Worker: names[a.Session], Session: a.Session})
			}
		case l.OwnedBy(s.self.Session):
			received++
			s.read(s.leases.Handle(l), &s.count.received)
		default:
			free = append(free, a)
		}
	}
	if received > 0 {
		s.opt.Logger.Info("received shards", "shards", received, "of", len(leases))
	}
	left, err := s.acquire(ctx, leases, free)
	waiting := snapshot.Waiting()
	g.left = left > 0
	g.setSettled(err == nil && left+waiting == 0)
	switch {
	case left > 0, transfers > 0:
		g.nextLook = time.Now()
	case waiting > 0:
		g.nextLook = time.Now().Add(s.opt.LeaseDuration / 3)
	default:
		g.nextLook = time.Now().Add(retry.Jitter(s.tuning.syncInterval))
	}
	return err
}

// snapshot is what there is to decide from, and the names of the live sessions'
// workers.
func (s *session) snapshot(leases map[string]lease.Lease, live []membership.Worker, began time.Time) (membership.Snapshot, map[string]string) {
	v := membership.Snapshot{
		Leases: leases, Self: s.self.Session, Damaged: map[string]bool{}, Reading: map[string]bool{}, Unsettled: map[string]bool{},
	}
	names := map[string]string{}
	for _, w := range live {
		if w.Damaged != nil {
			v.Damaged[w.Session] = true
			continue
		}
		v.Sessions = append(v.Sessions, w.Session)
		names[w.Session] = w.Worker
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, one := range s.shards {
		v.Reading[id] = true
		v.Unsettled[id] = !one.Begun.Before(began)
	}
	maps.DeleteFunc(s.stopped, func(_ string, at time.Time) bool { return at.Before(began) })
	for id := range s.stopped { // the lease may have been this session's before it was let go
		v.Unsettled[id] = true
	}
	return v, names
}

// acquire acquires the free leases that are assigned to this session, and those
// that were free for a lease duration without their new owner acquiring them. It
// returns how many are left.
func (s *session) acquire(ctx context.Context, leases map[string]lease.Lease, free []membership.Assignment) (left int, err error) {
	since := make(map[string]time.Time, len(free))
	for _, a := range free {
		var ok bool
		if since[a.Shard], ok = s.group.free[a.Shard]; !ok {
			since[a.Shard] = time.Now()
		}
	}
	var group errgroup.Group
	group.SetLimit(writers)
	var acquired atomic.Int64
	for _, a := range free {
		if a.Session != s.self.Session && time.Since(since[a.Shard]) < s.opt.LeaseDuration {
			left++
			continue
		}
		group.Go(func() error {
			h, err := s.leases.Acquire(ctx, leases[a.Shard])
			if h != nil {
				acquired.Add(1)
				s.read(h, &s.count.acquired)
			}
			return err
		})
	}
	err = group.Wait()
	s.group.free = since
	if n := acquired.Load(); n > 0 {
		s.opt.Logger.Info("acquired shards", "shards", n, "of", len(leases))
	}
	return left, err
}

// read starts to read a shard whose lease is this session's, and counts that. It may
// be called twice for one lease: where the answer to a write of it is late, a look
// finds the lease meanwhile.
func (s *session) read(h *lease.Handle, count *atomic.Int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := h.Lease().Shard
	if s.shards[id] != nil || s.isStopping() {
		return
	}
	one := shard.New(s.env, h)
	s.shards[id] = one
	count.Add(1)
	s.noteActive()
	s.queue.Add(one)
}

// readChild starts to read the child of a shard that is finished.
func (s *session) readChild(h *lease.Handle) { s.read(h, &s.count.acquired) }

// hasChildren reports whether a shard is known to have children.
func (s *session) hasChildren(shard string) bool {
	parents := s.group.parents.Load()
	return parents != nil && (*parents)[shard]
}

// shardOf returns a shard that the session reads; nil: it does not.
func (s *session) shardOf(id string) *shard.Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards[id]
}

// lose stops reading a shard whose lease is another's.
func (s *session) lose(one *shard.Shard) {
	if s.stopReading(one) {
		s.count.lost.Add(1)
		s.opt.Logger.Warn("a lease was lost to another worker", "shard", one.ID)
	}
}

// transferred stops reading a shard whose lease was transferred to another session.
func (s *session) transferred(one *shard.Shard) {
	if s.stopReading(one) {
		s.count.transferred.Add(1)
	}
}

// stopReading takes a shard from those that the session reads, and reports
// whether it was among them.
func (s *session) stopReading(one *shard.Shard) bool {
	s.mu.Lock()
	held := s.shards[one.ID] == one
	if held {
		delete(s.shards, one.ID)
		s.stopped[one.ID] = time.Now()
	}
	s.mu.Unlock()
	one.Stop()
	s.group.look.Store(true) // it may be ours again already, or its new owner may be gone
	s.env.Read.Succeeded(one.ID)
	s.noteActive()
	return held
}
