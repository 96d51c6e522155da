package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// idlePeriod is how often it is looked whether everything is quiet.
const idlePeriod = 50 * time.Millisecond

// quiet tells since when there has been nothing to do; false while there is.
type quiet func(ctx context.Context) (since time.Time, ok bool, err error)

// all is quiet when each of them is, since the last became so.
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

// waitQuiet returns once it has been quiet for a time, and since when.
func waitQuiet(ctx context.Context, after time.Duration, q quiet) (time.Time, error) {
	ticker := time.NewTicker(idlePeriod)
	defer ticker.Stop()
	var seen time.Time // quiet at every look since
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

// runUntil runs daemons until ctx is done, one of them fails, or the script has
// returned. The script may be nil. It waits for all of them.
func runUntil(ctx context.Context, script func(context.Context) error, daemons ...daemon) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, groupCtx := errgroup.WithContext(ctx)
	for _, d := range daemons {
		group.Go(func() error { return d(groupCtx) })
	}
	if script != nil {
		group.Go(func() error {
			defer cancel()
			return script(groupCtx)
		})
	}
	return group.Wait()
}
