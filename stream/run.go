package stream

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	// closeTimeout bounds the last checkpoints and the release of the stream.
	closeTimeout = 800 * time.Millisecond
	// flushers is how many checkpoints are written at once.
	flushers = 8
	// retention is how long a stream keeps its records.
	// Source: DynamoDB Streams API reference.
	retention = 24 * time.Hour
)

// run is one run of a Reader: it owns the stream from open to close.
type run struct {
	stream  backend.Stream
	control backend.Table
	handler Handler
	opt     Options
	id      string // of this run, in every item it writes

	arn           string
	own           *ownership
	leases        *leases
	forest        *forest
	troubles      *trouble.Log
	listTroubles  *trouble.Work
	readTroubles  *trouble.Work
	flushTroubles *trouble.Work
	disabled      bool // the stream is switched off; the discoverer's

	readers sync.WaitGroup
	window  *semaphore.Weighted
	ended   chan struct{} // a shard is finished
	due     chan struct{} // some shard has flushCount acknowledgements to flush

	everRead atomic.Bool  // a page was read
	waiting  atomic.Int64 // delivered and not acknowledged, over all shards
	stirs    atomic.Int64 // when something happened last, in ns since start
	start    time.Time

	mu    sync.Mutex
	reads []*reading // shards begun and not finished
	err   error      // the first that stopped the run
	stop  context.CancelFunc
}

func newRun(s backend.Stream, control backend.Table, h Handler, o Options) *run {
	troubles := trouble.NewLog(o.Logger, minPause, maxPause)
	return &run{
		stream: s, control: control, handler: h, opt: o, id: rand.Text(),
		troubles: troubles, listTroubles: troubles.Work("listing shards"),
		readTroubles: troubles.Work("reading records"), flushTroubles: troubles.Work("writing checkpoints"),
		window: semaphore.NewWeighted(int64(o.Window)),
		ended:  make(chan struct{}, 1), due: make(chan struct{}, 1), start: time.Now(),
	}
}

// open takes the stream and learns how far it is read.
func (r *run) open(ctx context.Context) error {
	err := persist(ctx, r.listTroubles, "stream", true, func(ctx context.Context) error {
		page, err := r.stream.Shards(ctx, "")
		r.arn = page.StreamARN
		return err
	})
	if err != nil {
		return err
	}
	r.own = newOwnership(r.control, r.arn, r.id, r.opt, r.troubles)
	before, err := r.own.acquire(ctx)
	if err != nil {
		return err
	}
	r.leases = &leases{control: r.control, arn: r.arn, own: r.own, troubles: r.troubles.Work("using the control table")}
	known, err := r.recall(ctx, before)
	if err != nil {
		r.close()
		return err
	}
	r.forest = newForest(known)
	return nil
}

// recall reads the leases, and warns of what may have been missed.
func (r *run) recall(ctx context.Context, before ownerItem) ([]lease, error) {
	known, err := r.leases.load(ctx)
	if err != nil {
		return nil, err
	}
	older, err := r.leases.remember(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	if len(older) > 0 {
		r.opt.Logger.Error("the table has a new stream, which is read from its beginning: what was left in the old one, and what was written while there was none, is in neither; recover it from the table",
			"stream", r.arn, "older", older)
	}
	if away := time.Since(before.renewedAt); before.epoch > 0 && away > retention {
		r.opt.Logger.Error("nobody has read the stream for longer than it keeps its records: some may be lost; recover them from the table",
			"stream", r.arn, "away", away.Round(time.Second).String())
	}
	return known, nil
}

// work reads until ctx is done or something fails, and stops in stages.
func (r *run) work(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	r.stop = stop
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()

	var keepers sync.WaitGroup
	keepers.Go(func() { r.fail(r.own.keep(keeping)) })
	keepers.Go(func() { r.fail(r.flushAlways(keeping)) })

	r.fail(r.discover(reading))
	r.readers.Wait()
	r.drain(keeping)
	stopKeeping()
	keepers.Wait()
	r.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// fail stops the run; the first error is the one that counts.
func (r *run) fail(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.stop()
}

// incident logs a loss of data, which stops the run.
func (r *run) incident(err *DataLossError) error {
	r.opt.Logger.Error("DATA LOSS: the stream no longer holds records that were not read", "error", err)
	return err
}

// drain waits for acknowledgements: all of the window being free means that
// none is missing.
func (r *run) drain(ctx context.Context) {
	if _, _, lost := r.own.state(); lost != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.opt.DrainTimeout)
	defer cancel()
	if r.window.Acquire(ctx, int64(r.opt.Window)) != nil {
		r.opt.Logger.Warn("stopping without some acknowledgements: these records will be read again", "records", r.waiting.Load())
	}
}

// close writes what is done and gives the stream back, on a context of its own.
func (r *run) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	valid, _, lost := r.own.state()
	if lost != nil || !valid && r.own.renew(ctx) != nil {
		r.opt.Logger.Warn("stopping without the stream: some records may be read again", "worker", r.opt.Worker)
		return
	}
	if err := r.flush(ctx); err != nil {
		r.opt.Logger.Warn("the last checkpoints could not be written: some records will be read again", "error", err)
	} else {
		r.flushTroubles.Worked("checkpoints")
	}
	if err := r.own.release(ctx); err != nil {
		r.opt.Logger.Warn("the stream could not be released: the next worker has to wait for the lease to run out", "error", err)
		return
	}
	r.opt.Logger.Info("released the stream", "worker", r.opt.Worker)
}

// flushAlways writes checkpoints by time and by count until ctx is done.
func (r *run) flushAlways(ctx context.Context) error {
	for {
		if trouble.Sleep(ctx, r.opt.FlushInterval, r.due) != nil {
			return nil
		}
		if valid, _, _ := r.own.state(); !valid {
			continue
		}
		err := r.flush(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			r.flushTroubles.Worked("checkpoints")
			continue
		case final(err):
			return err
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
	r.mu.Lock()
	reads := slices.Clone(r.reads)
	r.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(flushers)
	for _, s := range reads {
		group.Go(func() error {
			return bounded(ctx, func(ctx context.Context) error { return s.save(ctx, "") })
		})
	}
	return group.Wait()
}

// settle gives back room in the window.
func (r *run) settle(n int) {
	if n == 0 {
		return
	}
	if r.waiting.Add(-int64(n)) == 0 {
		r.stirred()
	}
	r.window.Release(int64(n))
}

// stirred notes that the stream is not idle just now.
func (r *run) stirred() { r.stirs.Store(int64(time.Since(r.start))) }

func (r *run) idleSince() (time.Time, bool) {
	since, ok := r.forest.idleSince()
	if !ok || r.waiting.Load() > 0 {
		return time.Time{}, false
	}
	if stirred := r.start.Add(time.Duration(r.stirs.Load())); stirred.After(since) {
		since = stirred
	}
	return since, true
}

// signal wakes who waits on a channel of one place; it does not block.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
