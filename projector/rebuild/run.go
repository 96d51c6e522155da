package rebuild

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/projection"
)

// saveInterval is how often the progress is written: what was done since is done again
// after a crash.
const saveInterval = time.Second

// releaseTimeout bounds the last write of a worker that is told to stop.
const releaseTimeout = time.Second

// run is a rebuild as this worker carries it out.
type run struct {
	by       *Rebuilder
	pace     *longscan.Pace
	scope    Scope
	rate     int // capacity units a second
	segments int
	placed   *projection.Cache[*projection.Conversation] // where rows were seen in their places
	changed  *projection.Cache[struct{}]                 // what counts as changed

	mu    sync.Mutex
	job   Job       // as it was written last, but for what was done since
	since time.Time // up to when its Worked counts
	units float64   // that its Counts do not have yet
}

// carryOut carries out a rebuild from where it is. From its first write on, the next one
// of whoever carried it out before fails.
func (r *Rebuilder) carryOut(ctx context.Context, j Job) error {
	one := &run{
		by: r, pace: longscan.NewPace(j.Rate), scope: j.Scope, rate: j.Rate, segments: len(j.segments),
		placed: projection.NewCache[*projection.Conversation](), changed: projection.NewCache[struct{}](),
		job: j.clone(), since: time.Now(),
	}
	if err := one.save(ctx, Running, r.Worker); err != nil {
		return err
	}
	r.Logger.Info("rebuild under way", "id", j.ID, "read", j.Counts.Read, "expected", j.Expected, "units_a_second", j.Rate)
	g, working := errgroup.WithContext(ctx)
	saving, done := context.WithCancel(working)
	g.Go(func() error { return one.keepSaving(saving) })
	g.Go(func() error {
		defer done()
		return one.work(working, j)
	})
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			one.release(ctx)
		}
		return err
	}
	if err := one.save(ctx, Done, r.Worker); err != nil {
		return err
	}
	c := one.job.Counts
	r.Logger.Info("rebuild done", "id", j.ID, "conversations", c.Conversations, "changed", c.Changed, "failed", c.Failed,
		"units", c.Units, "after", one.job.Worked.Round(time.Millisecond).String())
	return nil
}

// work does what is left to do.
func (r *run) work(ctx context.Context, begun Job) error {
	if groups := begun.Scope.Groups; len(groups) > 0 {
		for _, group := range groups[min(int(begun.Counts.Read), len(groups)):] {
			o, err := r.named(ctx, group)
			if err != nil {
				return err
			}
			o.Read = 1
			r.done(o, func(*Job) {})
		}
		return nil
	}
	if err := r.settle(ctx, begun); err != nil {
		return err
	}
	g, segments := errgroup.WithContext(ctx)
	for i, at := range begun.segments {
		g.Go(func() error { return r.segment(segments, i, at) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return r.finish(ctx)
}

// done notes what was done, and how far the rebuild is by that.
func (r *run) done(o outcome, note func(*Job)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.units += o.units
	o.Units = int64(r.units)
	r.units -= float64(o.Units)
	for _, group := range o.changed { // where its log comes by, and each row that is left over
		if _, again := r.changed.Get(group); !again {
			o.Changed++
		}
		r.changed.Put(group, struct{}{}, 1)
	}
	for _, f := range o.failures {
		again := slices.ContainsFunc(r.job.Failures, func(g Failure) bool { return g.GroupUUID == f.GroupUUID })
		switch {
		case again:
			o.Failed--
		case len(r.job.Failures) < MaxFailures:
			r.job.Failures = append(r.job.Failures, f)
		}
	}
	r.job.Counts = r.job.Counts.add(o.Counts)
	note(&r.job)
	r.by.count(o.Counts)
}

// keepSaving writes the progress again and again, whether there is any or not: by that
// this worker notices that the rebuild was stopped, or is somebody else's.
func (r *run) keepSaving(ctx context.Context) error {
	for {
		if retry.Sleep(ctx, saveInterval, nil) != nil {
			return nil
		}
		if err := r.save(ctx, Running, r.by.Worker); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// release leaves a rebuild to whoever comes next, who need not wait then to see that nobody
// carries it out. If it fails, they wait.
func (r *run) release(ctx context.Context) {
	calling, stop := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer stop()
	_ = r.save(calling, Running, "")
}

// save writes the progress, and who carries the rebuild out.
func (r *run) save(ctx context.Context, state State, worker string) error {
	return r.by.loop.Do(ctx, "progress", func(ctx context.Context) error {
		next, before := r.next(state, worker)
		if err := r.by.store.write(ctx, next, before); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.job.version, r.job.writer, r.job.State = next.version, next.writer, next.State
		return nil
	})
}

// next returns the rebuild as it is to be written, and the condition of that.
func (r *run) next(state State, worker string) (next Job, before backend.Condition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.job.Worked += now.Sub(r.since)
	r.since = now
	next, before = r.job, r.job.unchanged()
	next = next.clone()
	next.version++
	next.writer, next.Worker, next.State, next.UpdatedAt = r.by.writer, worker, state, r.by.Now()
	if state == Done {
		next.EndedAt = next.UpdatedAt
	}
	return next, before
}
