package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/postroom/postroom/projector/rebuild"
)

// following follows a rebuild that others carry out, or this command if nobody does.
type following struct {
	*app

	alone    bool          // no worker runs
	patience time.Duration // see unmoved
	seen     int64         // how often rebuilds were written
	moved    time.Time     // when that grew last

	stop  context.CancelFunc // of what this command does itself; nil: nothing
	ended chan error
}

// follow shows how far a rebuild is until it ends, and carries it out if nobody else does.
func (a *app) follow(ctx context.Context, j rebuild.Job, wait bool) error {
	id := j.ID
	defer func() {
		if ctx.Err() != nil {
			fmt.Fprintf(a.stderr, "Rebuild %[1]s goes on where a projector runs: `%[2]s rebuild list` shows how far it is, `%[2]s rebuild stop %[1]s` stops it\n", id, a.commandLine())
		}
	}()
	s, err := a.streamStatus(ctx)
	if err != nil {
		return err
	}
	f := &following{app: a, alone: len(s.Workers) == 0, patience: unmoved, moved: time.Now()}
	switch {
	case !wait && f.alone:
		fmt.Fprintln(a.stderr, "No projector runs: the rebuild begins when one does")
	case !wait:
	case f.alone:
		fmt.Fprintln(a.stderr, "No projector runs, so this command does it")
	default:
		fmt.Fprintf(a.stderr, "The worker group does it (%s workers)\n", count(len(s.Workers)))
	}
	if wait {
		j, err = f.run(ctx, j)
	}
	if err := cmp.Or(err, a.printJob(j)); err != nil {
		return err
	}
	switch {
	case j.State == rebuild.Stopped:
		return fmt.Errorf("rebuild %[1]s was stopped: `%[2]s rebuild resume %[1]s` goes on with it", j.ID, a.commandLine())
	case j.State == rebuild.Done && j.Counts.Failed > 0 && j.Scope.View == "": // that of a view is judged by the view
		return fmt.Errorf("%s conversations could not be rebuilt", count(j.Counts.Failed))
	}
	return nil
}

// Pauses between two looks at a rebuild: they grow, since it is written every second.
const (
	minFollowPause = 100 * time.Millisecond
	maxFollowPause = 500 * time.Millisecond
)

// run waits until a rebuild ends, and returns it as it is then.
func (f *following) run(ctx context.Context, j rebuild.Job) (_ rebuild.Job, err error) {
	bar := newProgress(f.process, "rebuilding", max(j.Expected, 1))
	for pause := minFollowPause; err == nil && j.State == rebuild.Running; pause = min(2*pause, maxFollowPause) {
		bar.Describe("rebuilding, " + rebuildOf(j).speed())
		_ = bar.Set64(min(j.Counts.Read, j.Expected))
		if err = f.wait(ctx, pause); err == nil {
			j, err = f.look(ctx, j.ID)
		}
	}
	_ = bar.Finish()
	if f.stop != nil {
		f.stop()
		err = cmp.Or(err, <-f.ended)
	}
	return j, err
}

// wait waits, and begins to do the work if nobody does.
func (f *following) wait(ctx context.Context, pause time.Duration) error {
	if f.stop == nil && (f.alone || time.Since(f.moved) > f.patience) {
		if err := f.work(ctx); err != nil {
			return err
		}
	}
	select {
	case err := <-f.ended:
		f.ended <- nil
		return cmp.Or(err, context.Cause(ctx))
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}

// work has this command carry out rebuilds from now on.
func (f *following) work(ctx context.Context) error {
	if !f.alone {
		fmt.Fprintf(f.stderr, "No projector has done anything for %v: this command does it\n", f.patience)
	}
	r, err := f.rebuilder(ctx)
	if err != nil {
		return err
	}
	ctx, f.stop = context.WithCancel(ctx)
	f.ended = make(chan error, 1)
	go func() { f.ended <- r.Lead(ctx) }()
	return nil
}

// look reads a rebuild.
func (f *following) look(ctx context.Context, id string) (rebuild.Job, error) {
	jobs, damaged, err := rebuild.Read(ctx, f.control())
	if err != nil {
		return rebuild.Job{}, err
	}
	var writes int64
	for _, j := range jobs {
		writes += j.Writes()
	}
	if writes != f.seen {
		f.seen, f.moved = writes, time.Now()
	}
	for _, j := range jobs {
		if j.ID == id {
			return j, nil
		}
	}
	for _, d := range damaged {
		return rebuild.Job{}, d
	}
	return rebuild.Job{}, &rebuild.UnknownError{ID: id}
}
