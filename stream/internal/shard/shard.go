package shard

import (
	"context"
	"sync"
	"time"

	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// Shard is one shard that a session reads. One step at a time works on it, which
// owns the fields of the reading.
type Shard struct {
	env        *Env
	ID         string
	Begun      time.Time // when the session began with it
	lease      *lease.Handle
	tracker    *tracker
	schedule   schedule // of the queue
	firstStart bool     // see lease.Lease.AtFirstStart
	start      lease.Start
	until      time.Time // see lease.Lease
	passed     bool      // everything up to until was read, and no more is

	// Of the reading.
	phase      phase
	iterator   string // empty: to be opened
	justOpened bool   // the iterator has brought no page yet
	// fromHorizon says that the shard is to be opened at its trim horizon, although it
	// was read further: see continuePastTrimmed.
	fromHorizon bool
	read        lease.Position // set under mu, for those who ask; before its time nothing unread was made
	missing     int            // times in a row that the shard was not found
	refused     int            // times in a row that the stream did not know the position
	pause       time.Duration
	emptySince  time.Time // since when all pages of the iterator are empty; zero: the last one was not
	warned      bool
	drainBy     time.Time // when to transfer, with or without the last acknowledgements
	lookups     int       // for children, in vain

	mu       sync.Mutex
	cancel   context.CancelFunc // ends the step that runs
	reads    bool               // that step reads
	stopped  bool
	newOwner lease.Owner // who the shard is to be transferred to; zero: nobody
	seen     time.Time   // when it brought the last page, by the wall clock
	asked    time.Time   // when the last read began that brought nothing, by the wall clock; zero: none did
	tip      time.Time   // since when it is read to its open end; zero: it is not
	loss     string      // that the lease is to note from now on; empty: none
}

// phase is what the next step does.
type phase uint8

const (
	reading  phase = iota
	ended          // waits for the last acknowledgements, to be finished
	finished       // looks for its children
)

// Outcome is what follows a step.
type Outcome uint8

// The outcomes.
const (
	Continue    Outcome = iota // with another step
	Done                       // finished, and its children have begun as far as they are known
	Transferred                // to another session
)

// New returns a shard whose lease this session has.
func New(env *Env, h *lease.Handle) *Shard {
	l := h.Lease()
	s := &Shard{
		env: env, ID: l.Shard, lease: h, firstStart: l.AtFirstStart, start: l.Start, until: l.Until, Begun: time.Now(),
		read: l.Checkpoint, schedule: schedule{index: -1},
	}
	release := func(n int, sizeBytes int64) {
		if env.InFlight.leave(n, sizeBytes) == 0 {
			env.Active()
		}
	}
	s.tracker = newTracker(l.Checkpoint, env.Tuning.CheckpointCount, release, env.CheckpointDue,
		func() { env.Queue.Wake(s) })
	return s
}

// Step does what is next, and says how long the shard rests.
func (s *Shard) Step(ctx context.Context) (outcome Outcome, rest time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to := s.startStep(cancel)
	switch {
	case s.phase == ended:
		rest, err = s.finish(ctx)
	case s.phase == finished:
		return s.acquireChildren(ctx)
	case to != lease.Owner{}:
		return s.transfer(ctx, to)
	default:
		rest, err = s.readPages(ctx)
	}
	return Continue, rest, err
}

func (s *Shard) startStep(cancel context.CancelFunc) (to lease.Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel, s.reads = cancel, s.phase == reading && s.newOwner == lease.Owner{}
	if s.stopped {
		cancel()
	}
	return s.newOwner
}

// Stop ends the step that runs; none is to follow.
func (s *Shard) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.cancel != nil {
		s.cancel()
	}
}

// Stopped reports whether the shard was stopped.
func (s *Shard) Stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// TransferTo asks for the shard to be transferred, unless that was asked before.
func (s *Shard) TransferTo(owner lease.Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newOwner != (lease.Owner{}) {
		return
	}
	s.newOwner = owner
	if s.reads && s.cancel != nil {
		s.cancel()
	}
	s.env.Queue.Wake(s)
}

// NewOwner returns whom the shard is to be transferred to; zero: nobody.
func (s *Shard) NewOwner() lease.Owner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newOwner
}

// transferring reports whether the shard is to be transferred.
func (s *Shard) transferring() bool { return s.NewOwner() != lease.Owner{} }

// AtTip returns since when the shard is read to its open end, and when the read
// began that last found it so, by the wall clock; zero: it is not.
func (s *Shard) AtTip() (since, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tip, s.asked
}

func (s *Shard) setTip(tip bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !tip:
		s.tip = time.Time{}
	case s.tip.IsZero():
		s.tip = time.Now()
	}
}

func (s *Shard) setRead(p lease.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = p
}

// caughtUp notes that nothing unread was made before a time, in this shard and in
// its children.
func (s *Shard) caughtUp(at time.Time) {
	s.setRead(lease.Position{Sequence: s.read.Sequence, At: lineage.Latest(s.read.At, at)})
	s.tracker.caughtUp(at)
}

// Progress is how far a shard has come. Its fields are described at
// stream.ShardProgress.
type Progress struct {
	Shard         string
	AtTip         bool
	Read          time.Time
	Begun         time.Time
	ReadAt        time.Time
	InFlight      int
	InFlightSince time.Time
	CheckpointAt  time.Time
}

// Progress returns how far the shard has come.
func (s *Shard) Progress() Progress {
	waiting, since, done := s.tracker.inFlight()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Progress{
		Shard: s.ID, AtTip: !s.tip.IsZero(), Read: s.read.At, Begun: s.Begun, ReadAt: s.seen,
		InFlight: waiting, InFlightSince: since, CheckpointAt: done.At,
	}
}
