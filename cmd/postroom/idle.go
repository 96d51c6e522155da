package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// idleOptions are the flags of commands that can end when there is nothing left to
// do.
type idleOptions struct {
	until bool
	after time.Duration
}

func (o *idleOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.until, "until-idle", false, "end once everything is done and nothing new arrives")
	cmd.Flags().DurationVar(&o.after, "idle-after", 2*time.Second, "how long nothing new must arrive before the command ends")
}

func (o *idleOptions) check() error {
	if o.after < 0 {
		return usagef("--idle-after is %v, must not be negative", o.after)
	}
	return nil
}

// idlePeriod is how often waitQuiet checks.
const idlePeriod = 50 * time.Millisecond

// quiet reports since when there has been nothing to do; ok is false while there
// is something to do.
type quiet func(ctx context.Context) (since time.Time, ok bool, err error)

// all is quiet once each of its parts is quiet.
func all(parts ...quiet) quiet {
	return func(ctx context.Context) (since time.Time, ok bool, err error) {
		for _, part := range parts {
			t, ok, err := part(ctx)
			if !ok || err != nil {
				return time.Time{}, false, err
			}
			if t.After(since) {
				since = t
			}
		}
		return since, true, nil
	}
}

// waitQuiet returns once q has been quiet for the duration after. It returns since
// when.
func waitQuiet(ctx context.Context, after time.Duration, q quiet) (time.Time, error) {
	ticker := time.NewTicker(idlePeriod)
	defer ticker.Stop()
	var seen time.Time // q has been quiet at every check since
	for {
		since, ok, err := q(ctx)
		switch {
		case err != nil:
			return time.Time{}, err
		case !ok:
			seen = time.Time{}
		case seen.IsZero():
			seen = time.Now()
		}
		if since.Before(seen) {
			since = seen
		}
		if ok && time.Since(since) >= after {
			return since, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		}
	}
}

// daemon runs until ctx is done and then returns nil.
type daemon func(ctx context.Context) error

// runUntil runs daemons until ctx is done, one of them fails, or the script, which
// may be nil, has returned. It waits until all of them have ended. Without a script ctx
// is how they end, also if they are still starting.
func runUntil(ctx context.Context, script func(context.Context) error, daemons ...daemon) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	group, groupCtx := errgroup.WithContext(running)
	for _, d := range daemons {
		group.Go(func() error { return d(groupCtx) })
	}
	if script != nil {
		group.Go(func() error {
			defer cancel()
			return script(groupCtx)
		})
	}
	err := group.Wait()
	if script == nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
