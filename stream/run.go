package stream

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	// closeTimeout bounds the last checkpoints and the leaving of the fleet.
	closeTimeout = 800 * time.Millisecond
	// writers is how many leases are written at once.
	writers = 16
)

// run is one life of a worker: from the moment it joins the fleet until it
// leaves it, or is declared dead. Its id is in every item that it writes.
type run struct {
	stream  backend.Stream
	control backend.Table
	handler Handler
	opt     Options
	window  *window
	count   *counters
	id      string

	arn    string
	self   *claim // its sign of life, which all its leases depend on
	leases *leases
	queue  *queue
	fleet  fleet

	troubles      *trouble.Log
	fleetTroubles *trouble.Work
	listTroubles  *trouble.Work
	readTroubles  *trouble.Work
	flushTroubles *trouble.Work

	disabled sync.Once     // tells that the stream is switched off
	due      chan struct{} // some shard has flushCount acknowledgements to flush
	nudge    chan struct{} // leases were written: look at once
	everRead atomic.Bool   // a page was read
	stirs    atomic.Int64  // when something happened last, in ns since start
	start    time.Time

	mu     sync.Mutex
	shards map[string]*shard    // held
	over   map[string]time.Time // no longer held, since when
	err    error                // the first that stopped the run
	reads  context.Context      // done when no more is to be read
	stop   context.CancelFunc
}

func newRun(r *Reader, o Options, w *window, troubles *trouble.Log) *run {
	return &run{
		stream: r.stream, control: r.control, handler: r.handler, opt: o, window: w, count: &r.count, id: rand.Text(),
		queue: newQueue(), fleet: newFleet(),
		troubles:     troubles,
		listTroubles: troubles.Work("listing shards"), readTroubles: troubles.Work("reading records"),
		flushTroubles: troubles.Work("writing checkpoints"), fleetTroubles: troubles.Work("watching the worker group"),
		due: make(chan struct{}, 1), nudge: make(chan struct{}, 1), start: time.Now(),
		shards: make(map[string]*shard), over: make(map[string]time.Time),
	}
}

// join finds the stream and shows the first sign of life.
func (r *run) join(ctx context.Context) error {
	err := persist(ctx, r.listTroubles, "stream", true, func(ctx context.Context) error {
		page, err := r.stream.Shards(ctx, "")
		r.arn = page.StreamARN
		return err
	})
	if err != nil {
		return err
	}
	r.leases = &leases{control: r.control, arn: r.arn, troubles: r.troubles.Work("using the control table")}
	r.self = newClaim(r, workerKey(r.arn, r.id), "sign of life", r.troubles.Work("sending a heartbeat"))
	r.self.shape = func(s *sign) { s.leads = r.leader() != nil }
	ours, err := r.self.take(ctx, sign{}, sign{
		worker: r.opt.Worker, run: r.id, counter: 1, lease: r.opt.LeaseDuration, renewedAt: r.opt.Now(),
	})
	if err == nil && !ours {
		err = errTaken
	}
	if err == nil {
		r.opt.Logger.Info("joined the worker group", "worker", r.opt.Worker, "session", r.id)
	}
	return err
}

// work reads until ctx is done or something fails, and stops in stages.
func (r *run) work(ctx context.Context) error {
	r.reads, r.stop = context.WithCancel(ctx)
	defer r.stop()
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()

	var keepers, workers sync.WaitGroup
	keepers.Go(func() { r.fail(r.self.keep(keeping)) })
	keepers.Go(func() { r.fail(r.flushAlways(keeping)) })
	workers.Go(func() { r.fail(r.follow(r.reads)) })
	workers.Go(func() { r.heed(r.reads) })
	r.queue.run(r.reads, r.opt.Pollers, r.step)
	workers.Wait()
	r.drain(keeping)
	stopKeeping()
	keepers.Wait()
	r.leave()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// heed wakes shards when the backend tells of changes.
func (r *run) heed(ctx context.Context) {
	changed := r.stream.Changed()
	for changed != nil {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		changed = r.stream.Changed() // before waking, or a write in between goes unnoticed
		if trouble.Sleep(ctx, gather, nil) != nil {
			return
		}
		r.queue.wakeAll(r.held())
	}
}

// held returns the shards that this run holds.
func (r *run) held() []*shard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.shards))
}

// fail stops the run; the first error is the one that counts.
func (r *run) fail(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reads.Err() != nil && errors.Is(err, context.Canceled) {
		return
	}
	if r.err == nil {
		r.err = err
	}
	r.stop()
}

// incident logs a loss of data.
func (r *run) incident(err *DataLossError) {
	err.halts = r.opt.OnDataLoss == nil
	r.count.lost.Add(1)
	r.opt.Logger.Error("DATA LOSS: the stream no longer holds records that were not read", "error", err)
}

// drain waits for acknowledgements.
func (r *run) drain(ctx context.Context) {
	if !r.self.valid() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.opt.DrainTimeout)
	defer cancel()
	if r.window.empty(ctx) != nil {
		r.opt.Logger.Warn("stopping without some acknowledgements: these records will be read again",
			"records", r.window.waiting.Load())
	}
}

// leave writes what is done and leaves the fleet, on a context of its own. With
// the sign of life gone all leases are free at once.
func (r *run) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if !r.self.valid() && r.self.renew(ctx, nil) != nil {
		r.opt.Logger.Warn("stopping without a valid session: some records may be read again", "worker", r.opt.Worker)
		return
	}
	if err := r.flush(ctx); err != nil {
		r.opt.Logger.Warn("the last checkpoints could not be written: some records will be read again", "error", err)
	} else {
		r.flushTroubles.Worked("checkpoints")
	}
	if leader := r.leader(); leader != nil {
		_ = leader.release(ctx) // otherwise the next one sees that this one is gone
	}
	if err := remove(ctx, r.control, []backend.Key{r.self.key}); err != nil {
		r.opt.Logger.Warn("the worker group could not be left: the others have to wait until the lease expires", "error", err)
		return
	}
	r.opt.Logger.Info("left the worker group", "worker", r.opt.Worker)
}

// flushAlways writes checkpoints by time and by count until ctx is done.
func (r *run) flushAlways(ctx context.Context) error {
	for {
		if trouble.Sleep(ctx, r.opt.FlushInterval, r.due) != nil {
			return nil
		}
		if !r.self.valid() {
			continue
		}
		err := r.flush(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			r.flushTroubles.Worked("checkpoints")
			continue
		}
		pause, giveUp := failed(ctx, r.flushTroubles, "checkpoints", err)
		if giveUp {
			return err
		}
		if trouble.Sleep(ctx, pause, nil) != nil {
			return nil
		}
	}
}

// flush writes the checkpoints that have moved, a few at a time.
func (r *run) flush(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(writers)
	for _, s := range r.held() {
		if !s.unsaved() {
			continue
		}
		group.Go(func() error {
			err := bounded(ctx, func(ctx context.Context) error { return s.save(ctx, nil) })
			if errors.Is(err, errTaken) {
				s.forfeit()
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// settle gives back room in the window.
func (r *run) settle(n int, sizeBytes int64) {
	if r.window.leave(n, sizeBytes) == 0 {
		r.stirred()
	}
}

// stirred notes that the stream is not idle just now.
func (r *run) stirred() { r.stirs.Store(int64(time.Since(r.start))) }

// idleSince returns since when there is nothing to read and nothing under way,
// as far as this worker knows.
func (r *run) idleSince() (since time.Time, ok bool) {
	since, ok = r.fleet.calmSince()
	if !ok || r.window.waiting.Load() > 0 {
		return time.Time{}, false
	}
	for _, s := range r.held() {
		at := s.atTip()
		if at.IsZero() {
			return time.Time{}, false
		}
		since = latest(since, at)
	}
	return latest(since, r.start.Add(time.Duration(r.stirs.Load()))), true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// signal wakes who waits on a channel of one place; it does not block.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
