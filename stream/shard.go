package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// stuckAfter is how long a shard with children may bring nothing and not end
// before somebody is told.
const stuckAfter = 5 * time.Minute

const (
	// gather is how long a reader that was woken waits for what follows: writes
	// come in bursts, and one read may bring several.
	gather = 2 * time.Millisecond
	// maxPageBytes ends a page of records.
	// Source: DynamoDB Streams API reference, GetRecords.
	maxPageBytes = 1 << 20
)

// reading is the reading of one shard in one run. Its fields belong to the
// goroutine that reads, but for the lease.
type reading struct {
	*run
	node    *node
	id      string
	tracker *tracker

	iterator string    // empty: to be opened
	fresh    bool      // the iterator has brought no page yet
	seen     time.Time // when it brought the last one, by the wall clock
	read     position  // of the last record read
	missing  int       // times in a row that the shard was not found
	pause    time.Duration
	barren   time.Time // since when a shard with children has brought nothing
	warned   bool

	writing exclusive
	lease   lease // as it stands in the control table; guarded by writing
}

// readShard reads one shard until it is finished or ctx is done.
func (r *run) readShard(ctx context.Context, n *node) error {
	taken, err := r.leases.take(ctx, n.lease)
	if err != nil {
		return err
	}
	s := &reading{run: r, node: n, id: taken.shard, lease: taken, read: taken.done, writing: newExclusive()}
	s.tracker = newTracker(taken.done, r.opt.FlushCount, r.settle, func() { signal(r.due) })
	if taken.finished {
		s.finished()
		return nil
	}
	if n.orphan {
		r.opt.Logger.Error("a shard's parent is gone and was never read: records may be lost; recover them from the table",
			"shard", s.id, "parent", taken.parent)
	}
	r.mu.Lock()
	r.reads = append(r.reads, s)
	r.mu.Unlock()
	for {
		if err := s.awaitRoom(ctx); err != nil {
			return err
		}
		changed := s.stream.Changed() // taken before reading, or a write in between goes unnoticed
		page, err := s.next(ctx)
		if err != nil {
			switch err := s.mend(ctx, err); {
			case err == nil:
				continue
			case errors.Is(err, errUnread):
				return s.finish(ctx)
			default:
				return err
			}
		}
		if err := s.deliver(ctx, page.Records); err != nil {
			return err
		}
		if page.Next == "" { // and only so a shard ends
			return s.finish(ctx)
		}
		s.iterator = page.Next
		switch n := len(page.Records); {
		case s.full(page): // there is more
			continue
		case n > 0:
			err = trouble.Sleep(ctx, jitter(s.opt.PollInterval), changed)
		default:
			err = s.idle(ctx, changed)
		}
		if err == nil && changed != nil {
			err = trouble.Sleep(ctx, gather, nil)
		}
		if err != nil {
			return err
		}
	}
}

// full reports whether a page was cut short by its limits, about, so that there
// is more to be read at once. A smaller page comes from near the tip of the
// shard, and each read costs, however little it brings: a handler that writes
// to the table that it reads would be answered its own writes one by one.
func (s *reading) full(page backend.RecordPage) bool {
	var size int64
	for _, r := range page.Records {
		size += r.SizeBytes
	}
	return len(page.Records) > s.limit()/2 || size > maxPageBytes/2
}

func (s *reading) limit() int { return min(backend.MaxRecords, s.opt.Window) }

// awaitRoom pauses reading while the window is full.
func (s *reading) awaitRoom(ctx context.Context) error {
	if err := s.window.Acquire(ctx, 1); err != nil {
		return err
	}
	s.window.Release(1)
	return nil
}

// next reads a page, and opens the shard first where it has to: after the last
// record read, or at the trim horizon, and never at the latest.
func (s *reading) next(ctx context.Context) (page backend.RecordPage, err error) {
	if s.iterator == "" {
		s.fresh = true
		at := backend.Position{Type: backend.TrimHorizon}
		if s.read.sequence != "" {
			at = backend.Position{Type: backend.AfterSequence, Sequence: s.read.sequence}
		}
		err = bounded(ctx, func(ctx context.Context) (err error) {
			s.iterator, err = s.stream.Iterator(ctx, s.arn, s.id, at)
			return err
		})
		if err != nil {
			return page, err
		}
	}
	err = bounded(ctx, func(ctx context.Context) (err error) {
		page, err = s.stream.Records(ctx, s.iterator, s.limit())
		return err
	})
	if err == nil {
		s.fresh, s.missing, s.seen = false, 0, time.Now().Round(0)
		s.everRead.Store(true)
		s.readTroubles.Worked(s.id)
	}
	return page, err
}

// deliver gives records to the handler, as soon as the window has room for them
// and the stream is surely ours.
func (s *reading) deliver(ctx context.Context, records []backend.Record) error {
	if len(records) == 0 {
		return nil
	}
	s.forest.atTip(s.node, false)
	s.pause, s.barren = 0, time.Time{}
	for part := range slices.Chunk(records, s.opt.Window) {
		if err := s.window.Acquire(ctx, int64(len(part))); err != nil {
			return err
		}
		s.waiting.Add(int64(len(part)))
		if err := s.own.hold(ctx); err != nil {
			s.settle(len(part))
			return err
		}
		delivered := s.tracker.deliver(s.id, part)
		if err := s.handler.Handle(ctx, delivered); err != nil {
			s.tracker.refuse(delivered)
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return ctx.Err()
			}
			return fmt.Errorf("handle %d records of shard %s after %q: %w", len(part), s.id, s.read.sequence, err)
		}
		for _, r := range part {
			if backend.CompareSequence(r.Sequence, s.read.sequence) > 0 {
				s.read = position{r.Sequence, r.CreatedAt}
			}
		}
	}
	return nil
}

// idle waits after an empty page, which is not the end: longer each time, or
// until something was written.
func (s *reading) idle(ctx context.Context, changed <-chan struct{}) error {
	s.forest.atTip(s.node, true)
	switch {
	case !s.forest.hasChildren(s.node):
		s.barren = time.Time{}
	case s.barren.IsZero():
		s.barren = time.Now()
	case time.Since(s.barren) > stuckAfter && !s.warned:
		s.warned = true
		s.opt.Logger.Warn("a shard has children and brings nothing, but does not end: its children wait for it",
			"shard", s.id, "since", s.barren)
	}
	s.pause = min(max(2*s.pause, s.opt.PollInterval), s.opt.MaxIdle)
	return trouble.Sleep(ctx, jitter(s.pause), changed)
}

// finish waits until all records of an ended shard are acknowledged, makes that
// durable, and lets the children begin.
func (s *reading) finish(ctx context.Context) error {
	s.forest.atTip(s.node, false)
	s.tracker.end()
	select {
	case <-s.tracker.settled:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.own.hold(ctx); err != nil {
		return err
	}
	err := persist(ctx, s.flushTroubles, s.id, false, func(ctx context.Context) error { return s.save(ctx, "") })
	if err != nil {
		return err
	}
	s.finished()
	return nil
}

// finished tells the forest, persisted first and then believed.
func (s *reading) finished() {
	s.writing.Lock()
	at := s.lease.finishedAt
	s.writing.Unlock()
	s.mu.Lock()
	s.reads = slices.DeleteFunc(s.reads, func(other *reading) bool { return other == s })
	s.mu.Unlock()
	s.forest.finish(s.node, at)
	s.stirred()
	signal(s.ended)
}

// save makes durable what is done, if there is anything new.
func (s *reading) save(ctx context.Context, lost string) (err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.lease
	next.done, next.finished = s.tracker.state()
	if lost != "" {
		next.lost = lost
	}
	if next.same(s.lease) && next.lost == s.lease.lost {
		return nil
	}
	if next.finished {
		next.finishedAt = time.Now()
	}
	s.lease, err = s.leases.save(ctx, s.lease, next)
	return err
}
