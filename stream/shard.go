package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
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
	// pagesInTurn is how many full pages of one shard are read before others
	// that are due have their turn.
	pagesInTurn = 16
)

// shard is one shard that this run holds. One step at a time works on it, which
// owns the fields of the reading.
type shard struct {
	*run

	id       string
	original bool // see lease
	begun    time.Time
	ctx      context.Context // done when the shard is no longer ours to read
	cancel   context.CancelFunc
	intake   context.Context // done when no more is to be delivered, since the shard is to be handed over
	halt     context.CancelFunc
	tracker  *tracker
	turn     turn // of the queue

	// Of the reading.
	phase    phase
	iterator string // empty: to be opened
	fresh    bool   // the iterator has brought no page yet
	read     position
	missing  int // times in a row that the shard was not found
	pause    time.Duration
	barren   time.Time // since when a shard with children has brought nothing
	warned   bool
	drainBy  time.Time // when to hand over, with or without the last acknowledgements
	lookups  int       // for children, in vain

	writing exclusive
	lease   lease // as it stands in the control table; guarded by writing

	mu       sync.Mutex
	seen     time.Time // when it brought the last page, by the wall clock
	readAt   position  // a copy of read, for those who ask
	lost     string    // a loss that the lease is to say from now on; empty: none
	saved    position  // what the lease says
	savedEnd bool      // and that it is finished
	caught   time.Time // when a read last brought nothing, by the wall clock; zero: none did
	tip      time.Time // since when it is read to its open end; zero: it is not
	to       string    // the run that it is handed over to; empty: nobody
	worker   string    // of that run
}

// phase is what the next step does.
type phase uint8

const (
	reading  phase = iota
	ended          // waits for the last acknowledgements, to be finished
	orphaned       // finished, and looks for its children
)

func newShard(r *run, l lease) *shard {
	s := &shard{
		run: r, id: l.shard, original: l.original, begun: time.Now(),
		lease: l, read: l.done, readAt: l.done, saved: l.done, writing: newExclusive(), turn: turn{index: -1},
	}
	s.ctx, s.cancel = context.WithCancel(r.reads)
	s.intake, s.halt = context.WithCancel(s.ctx)
	s.tracker = newTracker(l.done, r.opt.FlushCount, r.settle,
		func() { signal(r.due) }, func() { r.queue.wake(s) })
	return s
}

// step does what is next and says how long the shard rests.
func (r *run) step(s *shard) (rest time.Duration, more bool) {
	rest, err := s.advance(s.ctx)
	switch {
	case err == nil:
		return rest, true
	case errors.Is(err, errOver), s.ctx.Err() != nil:
		return 0, false
	case errors.Is(err, errTaken) && s.self.valid():
		s.forfeit()
		return 0, false
	default:
		r.fail(err)
		return 0, false
	}
}

// errOver says that there is nothing left to do for a shard.
var errOver = errors.New("the shard is done with")

func (s *shard) advance(ctx context.Context) (rest time.Duration, err error) {
	if to := s.heir(); to != "" && s.phase == reading {
		return s.handOver(ctx)
	}
	switch s.phase {
	case ended:
		return s.finish(ctx)
	case orphaned:
		return s.findChildren(ctx)
	}
	for range pagesInTurn {
		rest, err = s.readPage(ctx)
		if err != nil || rest > 0 || s.phase != reading || s.heir() != "" {
			break
		}
	}
	if err != nil && ctx.Err() == nil && s.intake.Err() != nil && errors.Is(err, s.intake.Err()) {
		return 0, nil // to be handed over
	}
	return rest, err
}

// readPage reads one page, and says how long to wait for the next.
func (s *shard) readPage(ctx context.Context) (rest time.Duration, err error) {
	if err := s.window.open(s.intake); err != nil {
		return 0, err
	}
	if s.expired() {
		return 0, s.trimmed(ctx, nil)
	}
	page, err := s.next(ctx)
	if err != nil {
		return s.mend(ctx, err)
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
		return jitter(s.opt.PollInterval), nil
	default:
		return s.idle(), nil
	}
}

// full reports whether a page was cut short by its limits, about, so that there
// is more to be read at once. A smaller page comes from near the tip of the
// shard, and each read costs, however little it brings: a handler that writes
// to the table that it reads would be answered its own writes one by one.
func (s *shard) full(page backend.RecordPage) bool {
	return len(page.Records) > s.limit()/2 || size(page.Records) > maxPageBytes/2
}

func size(records []backend.Record) (n int64) {
	for _, r := range records {
		n += r.SizeBytes
	}
	return n
}

func (s *shard) limit() int { return min(backend.MaxRecords, s.opt.MaxInFlight) }

// next reads a page, and opens the shard first where it has to: after the last
// record read, or at the trim horizon, and never at the latest.
func (s *shard) next(ctx context.Context) (page backend.RecordPage, err error) {
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
	s.count.reads.Add(1)
	asked := s.opt.Now()
	err = bounded(ctx, func(ctx context.Context) (err error) {
		page, err = s.stream.Records(ctx, s.iterator, s.limit())
		return err
	})
	if err != nil {
		return page, err
	}
	s.fresh, s.missing = false, 0
	s.mu.Lock()
	s.seen = time.Now().Round(0)
	if len(page.Records) == 0 && page.Next != "" {
		s.caught = asked
	}
	s.mu.Unlock()
	if len(page.Records) == 0 {
		s.count.empty.Add(1)
	}
	s.everRead.Store(true)
	s.readTroubles.Worked(s.id)
	return page, nil
}

// deliver gives records to the handler, as soon as the window has room for them
// and the shard is surely ours.
func (s *shard) deliver(ctx context.Context, records []backend.Record) error {
	if len(records) == 0 {
		return nil
	}
	s.setTip(false)
	s.pause, s.barren = 0, time.Time{}
	for part := range slices.Chunk(records, s.opt.MaxInFlight) {
		for i := range part { // what takes more than all the room there is takes all of it
			part[i].SizeBytes = min(part[i].SizeBytes, s.opt.MaxInFlightBytes/int64(len(part)))
		}
		bytes := size(part)
		if err := s.window.enter(s.intake, len(part), bytes); err != nil {
			return err
		}
		if err := s.self.hold(ctx); err != nil {
			s.settle(len(part), bytes)
			return err
		}
		delivered := s.tracker.deliver(s.id, part)
		if err := s.handler.Handle(s.intake, delivered); err != nil {
			s.tracker.refuse(delivered)
			if stopped := s.intake.Err(); stopped != nil && errors.Is(err, stopped) {
				return stopped
			}
			return fmt.Errorf("handle %d records of shard %s after %q: %w", len(part), s.id, s.read.sequence, err)
		}
		s.count.records.Add(int64(len(part)))
		for _, r := range part {
			if backend.CompareSequence(r.Sequence, s.read.sequence) > 0 {
				s.setRead(position{r.Sequence, r.CreatedAt})
			}
		}
	}
	return nil
}

// idle says how long to wait after an empty page, which is not the end: longer
// each time, or until something was written.
func (s *shard) idle() time.Duration {
	s.setTip(true)
	switch {
	case s.barren.IsZero():
		s.barren = time.Now()
	case time.Since(s.barren) > stuckAfter && !s.warned && s.fleet.isParent(s.id):
		s.warned = true
		s.opt.Logger.Warn("a shard has children and brings nothing, but does not end: its children wait for it",
			"shard", s.id, "since", s.barren)
	}
	s.pause = min(max(2*s.pause, s.opt.PollInterval), s.opt.MaxIdle)
	return jitter(s.pause)
}

func (s *shard) setTip(tip bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !tip:
		s.tip = time.Time{}
	case s.tip.IsZero():
		s.tip = time.Now()
	}
}

// atTip returns since when the shard is read to its open end; zero: it is not.
func (s *shard) atTip() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tip
}

func (s *shard) setRead(p position) {
	s.read = p
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readAt = p
}

// forfeit stops reading a shard that is another's.
func (s *shard) forfeit() {
	if s.dismiss() {
		s.count.forfeited.Add(1)
		s.opt.Logger.Warn("a lease was lost to another worker", "shard", s.id)
	}
}

// dismiss takes the shard from those that this run holds, and reports whether it
// was among them.
func (s *shard) dismiss() bool {
	s.run.mu.Lock()
	held := s.shards[s.id] == s
	if held {
		delete(s.shards, s.id)
		s.over[s.id] = time.Now()
	}
	s.run.mu.Unlock()
	s.cancel()
	s.fleet.again.Store(true) // it may be ours again already, or its new owner may be gone
	s.readTroubles.Worked(s.id)
	s.stirred()
	return held
}
