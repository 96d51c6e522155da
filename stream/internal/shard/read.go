package shard

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

const (
	// stuckAfter is how long a shard with children may bring nothing and not end
	// before the log says so.
	stuckAfter = 5 * time.Minute
	// pagesInStep is how many full pages of one shard are read before others that
	// are due have their step.
	pagesInStep = 16
	// settled is for how long a shard must bring empty pages, in one go, until it
	// counts as read to its tip. A single one proves nothing: "it might take multiple
	// calls to get to a portion of the shard that contains stream records".
	// Source: DynamoDB Streams API reference, GetRecords.
	settled = time.Minute
)

// readPages reads until there is nothing more to be read at once.
func (s *Shard) readPages(ctx context.Context) (rest time.Duration, err error) {
	for range pagesInStep {
		rest, err = s.readPage(ctx)
		if err != nil || rest > 0 || s.phase != reading || s.transferring() {
			break
		}
	}
	if stopped := ctx.Err(); stopped != nil && errors.Is(err, stopped) && s.transferring() {
		return 0, nil // the next step transfers it
	}
	return rest, err
}

// readPage reads one page, and says how long to wait for the next.
func (s *Shard) readPage(ctx context.Context) (rest time.Duration, err error) {
	if err := s.env.InFlight.waitForRoom(ctx); err != nil {
		return 0, err
	}
	if s.beginningExpired() {
		return 0, s.continuePastTrimmed(ctx, nil)
	}
	page, err := s.next(ctx)
	if err != nil {
		return s.handleReadError(ctx, err)
	}
	if page.Records, s.passed = s.upToEnd(page.Records); s.passed {
		page.Next = ""
	}
	if err := s.deliver(ctx, page.Records); err != nil {
		return 0, err
	}
	if page.Next == "" { // and only so a shard ends
		s.end()
		return 0, nil
	}
	s.iterator = page.Next
	switch n := len(page.Records); {
	case s.full(page): // there is more
		return 0, nil
	case n > 0:
		return retry.Jitter(s.env.Tuning.PollInterval), nil
	default:
		rest = s.idle(page.Tip)
		if s.nothingLeft(page.Tip) {
			s.passed = true
			s.end()
			return 0, nil
		}
		return rest, nil
	}
}

// upToEnd returns the records up to the end of the group, and whether that was reached.
func (s *Shard) upToEnd(records []backend.Record) ([]backend.Record, bool) {
	for i, r := range records {
		if !s.until.IsZero() && r.CreatedAt.After(s.until.Add(lease.StartMargin)) {
			return records[:i], true
		}
	}
	return records, false
}

// nothingLeft reports whether an empty page proves that everything up to the end of the
// group was read. Tip is that of the page.
func (s *Shard) nothingLeft(tip bool) bool {
	switch {
	case s.until.IsZero():
		return false
	case tip:
		return s.asked.After(s.until)
	}
	return time.Since(s.emptySince) >= settled && s.asked.After(s.until.Add(lease.StartMargin))
}

// full reports whether a page was cut short by its limits, so that there is more
// to be read at once. A page that is less than half full comes from near the tip
// of the shard, and each read costs, however little it brings: a handler that
// writes to the table that it reads would be answered its own writes one by one.
func (s *Shard) full(page backend.RecordPage) bool {
	return len(page.Records) > s.limit()/2 || size(page.Records) > backend.MaxRecordsBytes/2
}

func size(records []backend.Record) (n int64) {
	for _, r := range records {
		n += r.SizeBytes
	}
	return n
}

func (s *Shard) limit() int { return min(backend.MaxRecords, s.env.InFlight.MaxRecords) }

// next reads a page. It opens the shard first where it has to: after the last
// record read, or at the trim horizon, and never at the latest record.
func (s *Shard) next(ctx context.Context) (page backend.RecordPage, err error) {
	if s.iterator == "" {
		s.justOpened, s.emptySince = true, time.Time{}
		at := backend.Position{Type: backend.TrimHorizon}
		if s.read.Sequence != "" && !s.fromHorizon {
			at = backend.Position{Type: backend.AfterSequence, Sequence: s.read.Sequence}
		}
		s.iterator, err = retry.Once(ctx, s.env.Call, func(ctx context.Context) (string, error) {
			return s.env.Stream.Iterator(ctx, s.env.ARN, s.ID, at)
		})
		if err != nil {
			return page, err
		}
		s.fromHorizon = false
	}
	s.env.Counters.Reads.Add(1)
	asked := s.env.Now()
	page, err = retry.Once(ctx, s.env.Call, func(ctx context.Context) (backend.RecordPage, error) {
		return s.env.Stream.Records(ctx, s.iterator, s.limit())
	})
	if err != nil {
		return page, err
	}
	s.justOpened, s.missing, s.refused = false, 0, 0
	s.mu.Lock()
	s.seen = time.Now().Round(0)
	if len(page.Records) == 0 && page.Next != "" {
		s.asked = asked
	}
	s.mu.Unlock()
	if len(page.Records) == 0 {
		s.env.Counters.Empty.Add(1)
	}
	s.env.EverRead.Store(true)
	s.env.Read.Succeeded(s.ID)
	return page, nil
}

// deliver hands records over as soon as there is room for them and the session is
// valid. Those before the start of the group it acknowledges itself.
func (s *Shard) deliver(ctx context.Context, records []backend.Record) error {
	if len(records) == 0 {
		return nil
	}
	s.setTip(false)
	s.pause, s.emptySince = 0, time.Time{}
	for part := range s.parts(records) {
		for i := range part { // what takes more than all the room there is takes all of it
			part[i].SizeBytes = min(part[i].SizeBytes, s.env.InFlight.MaxBytes/int64(len(part)))
		}
		sizeBytes := size(part)
		if err := s.env.InFlight.enter(ctx, len(part), sizeBytes); err != nil {
			return err
		}
		if err := s.env.Fence(ctx); err != nil {
			s.tracker.release(len(part), sizeBytes)
			return err
		}
		page := s.tracker.deliver(s.ID, part, s.start.At)
		if err := s.handOver(ctx, page, part); err != nil {
			return err
		}
		for _, r := range part {
			if backend.CompareSequence(r.Sequence, s.read.Sequence) > 0 {
				s.setRead(positionOf(r, s.start.At))
			}
		}
	}
	return nil
}

// parts splits records where the group's start lies between them, and where there are
// more than may be in flight.
func (s *Shard) parts(records []backend.Record) iter.Seq[[]backend.Record] {
	return func(yield func([]backend.Record) bool) {
		for n := 0; len(records) > 0; records, n = records[n:], 0 {
			for n < min(len(records), s.env.InFlight.MaxRecords) && s.start.After(records[n]) == s.start.After(records[0]) {
				n++
			}
			if !yield(records[:n:n]) {
				return
			}
		}
	}
}

// handOver gives a page to the handler, unless it is of before the group's start.
func (s *Shard) handOver(ctx context.Context, page *Page, part []backend.Record) error {
	if s.start.After(part[0]) {
		for i := range part {
			page.Ack(i)
		}
		return nil
	}
	if err := s.env.Deliver(ctx, page, part); err != nil {
		s.tracker.refuse(page)
		return fmt.Errorf("handle %d records of shard %s after %q: %w", len(part), s.ID, s.read.Sequence, err)
	}
	s.env.Counters.Records.Add(int64(len(part)))
	return nil
}

// idle says how long to wait after an empty page, which is not the end: longer
// each time. Tip is that of the page.
func (s *Shard) idle(tip bool) time.Duration {
	s.setTip(true)
	if s.emptySince.IsZero() {
		s.emptySince = time.Now()
	}
	empty := time.Since(s.emptySince)
	if tip || empty >= settled {
		s.caughtUp(s.asked.Add(-lineage.TrimMargin))
	}
	if empty > stuckAfter && !s.warned && s.env.HasChildren(s.ID) {
		s.warned = true
		s.env.Logger.Warn("a shard has children and brings nothing, but does not end: its children wait for it",
			"shard", s.ID, "since", s.emptySince)
	}
	t := s.env.Tuning
	s.pause = min(max(2*s.pause, t.PollInterval), t.MaxIdle)
	return retry.Jitter(s.pause)
}
