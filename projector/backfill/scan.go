package backfill

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/longscan"
)

// saveInterval is how often the progress of a scan is written: what was done
// since is done again after a crash.
const saveInterval = time.Second

// scan is one scan of the log as this worker runs it.
type scan struct {
	b        *Backfill
	segments int
	gaps     []Gap // that it closes, as they are recorded

	mu       conditional.Lock // held while the progress is written
	progress progress         // as it was written last, or is about to be
	saved    time.Time
}

// newScan makes this worker the one that runs a scan: from its first write on,
// the write of whoever ran it before fails.
func (b *Backfill) newScan(p progress, recorded []Gap) *scan {
	s := &scan{b: b, mu: conditional.NewLock(), segments: len(p.segments), progress: p, saved: time.Now()}
	for _, g := range recorded {
		if _, closes := p.gaps[g.ID]; closes {
			s.gaps = append(s.gaps, g)
		}
	}
	return s
}

// readAll reads all segments to their ends, until everything in them is done.
func (s *scan) readAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, at := range s.progress.segments {
		g.Go(func() error { return s.runSegment(ctx, i, at) })
	}
	return g.Wait()
}

// covers reports whether a message of that time is among those that were lost.
func (s *scan) covers(at time.Time) bool {
	return slices.ContainsFunc(s.gaps, func(g Gap) bool { return g.covers(at) })
}

// advance notes how far a segment is done, with what counts came to that, and
// writes it if it is time, or if the segment is done.
func (s *scan) advance(ctx context.Context, i int, to longscan.Segment, counts Counts) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.segments[i] = to
	s.progress.counts = s.progress.counts.add(counts)
	if !to.Done && time.Since(s.saved) < saveInterval {
		return nil
	}
	return s.b.loop.Do(ctx, "progress", s.save)
}

// save writes the progress, with s.mu held.
func (s *scan) save(ctx context.Context) error {
	condition := s.progress.unchanged()
	next := s.progress
	next.version++
	next.writer, next.updatedAt = s.b.writer, s.b.opts.Now()
	if err := s.b.store.write(ctx, next, condition); err != nil {
		return err
	}
	s.progress, s.saved = next, time.Now()
	return nil
}

// finish marks the gaps as done that were not recorded again meanwhile, and
// removes the scan.
func (s *scan) finish(ctx context.Context) error {
	now := s.b.opts.Now()
	for _, g := range s.gaps {
		if g.state() != stateOpen || g.revision != s.progress.gaps[g.ID] {
			continue
		}
		done := g
		done.FinishedAt, done.Counts = now, s.progress.counts
		err := s.b.store.table.Put(ctx, done.encode(), g.unchanged())
		if err != nil && backend.KindOf(err) != backend.KindConditionFailed {
			return err
		}
	}
	if err := s.b.store.table.Delete(ctx, []backend.Key{s.progress.key()}); err != nil {
		return err
	}
	c := s.progress.counts
	s.b.Logger.Info("backfill finished", "gaps", len(s.progress.gaps), "messages", c.Read,
		"projected", c.Projected, "notified", c.Notified, "unnotified", c.Unnotified,
		"after", now.Sub(s.progress.startedAt).Round(time.Millisecond).String())
	return nil
}
