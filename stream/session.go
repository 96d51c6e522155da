package stream

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
	"github.com/postroom/postroom/stream/internal/shard"
)

// session is one life of a worker: from the moment it joins the worker group until
// it leaves, or is expired. Its id is in every item that it writes.
//
//	join ──► working ──► stopping ──► draining ──► leaving ──► (Run returns)
//	            │ another worker expires it
//	            └─────────► stopping without leaving ──► (Run starts a new session)
type session struct {
	stream  backend.Stream
	control batch.Table // for calls that a loop repeats
	handler Handler
	opt     Options
	tuning  tuning
	count   *counters
	self    lease.Owner
	arn     string
	id      lease.GroupID

	incidents  *incident.Log
	aside      *item.Aside
	checkpoint retry.Loop // writes checkpoints

	heartbeat *membership.Heartbeat
	places    *membership.Places
	leases    *lease.Store
	inFlight  *shard.InFlight
	queue     *shard.Queue
	env       *shard.Env
	group     groupView

	checkpointDue chan struct{}
	lookNow       chan struct{} // leases were written: look at them at once
	active        atomic.Int64  // when something happened last, in ns since start
	start         time.Time

	mu        sync.Mutex
	shards    map[string]*shard.Shard // that are read
	stopped   map[string]time.Time    // shards that are no longer read, since when
	suspended map[string]suspension   // by shard
	losses    map[string]bool         // that were reported, by their text
	err       error                   // the first that stopped the session
	stop      context.CancelFunc      // stops reading
	ended     <-chan struct{}         // closed once reading was stopped
}

func newSession(r *Reader, o Options, inFlight *shard.InFlight, incidents *incident.Log) *session {
	s := &session{
		stream: r.stream, control: batch.Table{Table: r.control, Retry: once()}, handler: r.handler,
		opt: o, tuning: r.tuning, count: &r.count,
		self:      lease.Owner{Worker: o.Worker, Session: rand.Text()},
		incidents: incidents, aside: r.aside, inFlight: inFlight, queue: shard.NewQueue(),
		checkpointDue: make(chan struct{}, 1), lookNow: make(chan struct{}, 1), start: time.Now(),
		shards: make(map[string]*shard.Shard), stopped: make(map[string]time.Time), suspended: make(map[string]suspension),
		losses: make(map[string]bool),
	}
	s.checkpoint = s.loop("writing checkpoints")
	return s
}

// loop repeats what a session does all the time.
func (s *session) loop(operation string) retry.Loop {
	return retry.Loop{Policy: policy(), Operation: s.incidents.Operation(operation)}
}

// firstLoop repeats what it does first.
func (s *session) firstLoop(operation string) retry.Loop {
	return retry.Loop{Policy: first(), Operation: s.incidents.Operation(operation)}
}

// The operations whose incidents are logged.
const (
	opListing   = "listing shards"
	opBeating   = "sending a heartbeat"
	opJoining   = "joining the worker group"
	opLeading   = "renewing the leader's lock"
	opFollowing = "watching the worker group"
	opReading   = "reading records"
	opRecording = "recording a data loss"
)

// join finds the stream and sends the first heartbeat.
func (s *session) join(ctx context.Context) error {
	err := s.firstLoop(opListing).Do(ctx, "stream", func(ctx context.Context) error {
		page, err := retry.Once(ctx, once(), func(ctx context.Context) (backend.ShardPage, error) { return s.stream.Shards(ctx, "") })
		s.arn = page.StreamARN
		return err
	})
	if err != nil {
		return err
	}
	s.id = lease.GroupID{ARN: s.arn, Name: s.opt.Group}
	s.leases = &lease.Store{Table: s.control, ID: s.id, Owner: s.self, Now: s.opt.Now, Writes: &s.count.saves}
	s.env = &shard.Env{
		Stream: s.stream, ARN: s.arn, Leases: s.leases, InFlight: s.inFlight, Queue: s.queue,
		Tuning: s.tuning.Tuning, Counters: &s.count.Counters, Now: s.opt.Now, Logger: s.opt.Logger,
		Deliver: s.deliver, Record: s.recordLoss, Active: s.noteActive,
		CheckpointDue: func() { retry.Wake(s.checkpointDue) }, ChildAcquired: s.readChild, HasChildren: s.hasChildren,
		Call: once(), Read: s.loop(opReading), List: s.loop(opListing), Save: s.checkpoint,
	}
	s.heartbeat = membership.NewHeartbeat(s.member(), s.loop(opBeating))
	s.env.Fence = s.heartbeat.Fence
	if err := s.joinGroup(ctx); err != nil {
		return err
	}
	s.opt.Logger.Info("joined the worker group", "group", s.id.Name, "worker", s.self.Worker, "session", s.self.Session)
	return nil
}

func (s *session) member() membership.Member {
	return membership.Member{
		Table: s.control, ID: s.id, Self: s.self, LeaseDuration: s.opt.LeaseDuration, Now: s.opt.Now,
		Aside: s.aside,
	}
}

// work reads until ctx is done or something fails, and stops in stages.
func (s *session) work(ctx context.Context) error {
	reads, stop := context.WithCancel(ctx)
	defer stop()
	s.stop, s.ended = stop, reads.Done()
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()

	var keepers, workers sync.WaitGroup
	keepers.Go(func() { s.fail(s.heartbeat.Keep(keeping)) })
	keepers.Go(func() { s.fail(s.saveCheckpoints(keeping)) })
	workers.Go(func() { s.fail(s.follow(reads)) })
	workers.Go(func() { s.watchForChanges(reads) })
	s.queue.Run(reads, s.tuning.readers, func(one *shard.Shard) (time.Duration, bool) { return s.step(reads, one) })
	workers.Wait()
	s.drain(keeping)
	stopKeeping()
	keepers.Wait()
	s.leave(context.WithoutCancel(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// step lets a shard do what is next.
func (s *session) step(ctx context.Context, one *shard.Shard) (rest time.Duration, more bool) {
	outcome, rest, err := one.Step(ctx)
	switch {
	case err == nil && outcome == shard.Transferred:
		s.transferred(one)
		if err := s.heartbeat.Notify(ctx); err != nil && ctx.Err() == nil {
			s.opt.Logger.Debug("the new owner could not be notified, and is with the next heartbeat", "shard", one.ID, "error", err)
		}
	case err == nil && outcome == shard.Done:
		s.stopReading(one)
	case one.Stopped(), ctx.Err() != nil:
	case err == nil:
		return rest, true
	case errors.Is(err, lease.ErrLost) && s.heartbeat.Valid():
		s.lose(one)
	case errors.Is(err, lease.ErrLost):
		s.fail(membership.ErrExpired)
	case item.AsDamaged(err) != nil:
		s.suspend(one, item.AsDamaged(err))
	default:
		s.fail(err)
	}
	return 0, false
}

// deliver hands records to the handler.
func (s *session) deliver(ctx context.Context, page *shard.Page, records []backend.Record) error {
	all, refs := make([]Record, len(records)), make([]*Record, len(records))
	for i := range records {
		all[i] = Record{Record: records[i], Shard: page.Shard, page: page, index: i}
		refs[i] = &all[i]
	}
	return s.handler(ctx, refs)
}

// recordLoss is the session's lineage.Recorder. A loss comes again if what follows it
// cannot be written.
func (s *session) recordLoss(ctx context.Context, loss *lineage.LossError) (recorded bool, err error) {
	if !loss.FirstStart && s.isNews(loss) {
		s.count.dataLosses.Add(1)
		s.opt.Logger.Error("DATA LOSS: the stream no longer holds records that were not read", "error", loss)
	}
	if s.opt.OnDataLoss == nil {
		return loss.FirstStart, nil
	}
	err = s.loop(opRecording).Do(ctx, cmp.Or(loss.Shard, loss.StreamARN), func(ctx context.Context) error {
		return once().Once(ctx, func(ctx context.Context) error { return s.opt.OnDataLoss(ctx, (*DataLossError)(loss)) })
	})
	return true, err
}

// isNews reports whether a loss is reported for the first time in this session.
func (s *session) isNews(loss *lineage.LossError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := loss.Error()
	news := !s.losses[text]
	s.losses[text] = true
	return news
}

// watchForChanges wakes shards when the backend says that there may be records.
func (s *session) watchForChanges(ctx context.Context) {
	changed := s.stream.Changed()
	for changed != nil {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		changed = s.stream.Changed() // before waking, or a write in between goes unnoticed
		if retry.Sleep(ctx, gatherTime, nil) != nil {
			return
		}
		s.queue.Wake(s.held()...)
	}
}

// held returns the shards that the session reads.
func (s *session) held() []*shard.Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.shards))
}

// fail stops the session; the first error is the one that counts.
func (s *session) fail(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopping() && errors.Is(err, context.Canceled) {
		return
	}
	if s.err == nil {
		s.err = err
	}
	s.stop()
}

func (s *session) isStopping() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}
