package projector

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
	"github.com/postroom/postroom/stream"
)

// DataLossPolicy says what follows when the stream no longer holds records that
// were not read.
type DataLossPolicy int

const (
	// Recover records what is missing, reads on, and projects it from the log.
	Recover DataLossPolicy = iota
	// Halt ends Run with the [stream.DataLossError].
	Halt
)

// recoveryPoll is the pause between looks for gaps that other workers recorded.
// One that is recorded here is seen at once.
const recoveryPoll = 10 * time.Second

// errOvertaken says that another leader has written the progress of the scan
// meanwhile: look again.
var errOvertaken = errors.New("another leader recovers from the log")

// recovery projects from the log what was lost to the stream. Any worker
// records gaps, the leader of the fleet closes them. See the package comment.
type recovery struct {
	p      *Projector
	run    string           // who writes the progress
	now    func() time.Time // of what people read
	table  backend.Table
	gaps   gapTable
	work   *trouble.Work
	window *semaphore.Weighted // of what is in flight, also of a scan that was given up
	size   int64               // of the window
	pace   pace
	wake   chan struct{} // a gap was recorded here

	mu     sync.Mutex
	leads  bool
	told   int       // how often a gap was recorded here
	open   int       // gaps, when last looked
	since  time.Time // when none was open any more; zero: not so, or not known
	counts RecoveryCounts
}

func newRecovery(p *Projector, control backend.Table, o Options, work *trouble.Work) *recovery {
	size := int64(max(1, o.RecoveryWindow)) // Run refuses what is less
	return &recovery{
		p: p, run: rand.Text(), now: o.Now, table: p.table, gaps: gapTable{retrying{control}}, work: work,
		window: semaphore.NewWeighted(size), size: size,
		pace: pace{perSecond: float64(o.RecoveryUnits)}, wake: make(chan struct{}, 1),
	}
}

func (o Options) checkRecovery() error {
	for name, n := range map[string]int{
		"RecoveryUnits": o.RecoveryUnits, "RecoverySegments": o.RecoverySegments, "RecoveryWindow": o.RecoveryWindow,
	} {
		if n < 1 {
			return fmt.Errorf("projector.Options: %s is %d, and must be at least 1", name, n)
		}
	}
	return nil
}

// record keeps a loss durably; it is the reader's to call before it reads on.
func (r *recovery) record(ctx context.Context, loss *stream.DataLossError) error {
	r.noteTold() // also before: whoever asks meanwhile must not be told that all is done
	added, err := r.gaps.record(ctx, loss, r.now())
	if err != nil {
		return err
	}
	r.noteTold()
	if added {
		r.p.gaps.Add(1)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return nil
}

// lead closes gaps for as long as this worker leads the worker group, until ctx is done.
func (r *recovery) lead(ctx context.Context) error {
	r.setLeads(true)
	defer r.setLeads(false)
	for {
		var closed bool
		err := r.insist(ctx, "gaps", func() (err error) {
			closed, err = r.closeGaps(ctx)
			return err
		})
		if ctx.Err() != nil {
			return nil
		}
		if err == nil && closed {
			continue // more may have been recorded meanwhile
		}
		if trouble.Sleep(ctx, recoveryPoll, r.wake) != nil {
			return nil
		}
	}
}

// closeGaps closes the gaps that are open now, by one scan of the log, and
// reports whether there were any.
func (r *recovery) closeGaps(ctx context.Context) (bool, error) {
	told := r.toldSoFar()
	state, err := r.gaps.read(ctx)
	if err != nil {
		return false, err
	}
	open := state.openGaps()
	r.looked(told, len(open))
	if len(open)+len(state.scans) == 0 {
		return false, nil
	}
	s, err := r.takeUp(ctx, state, open)
	if err != nil {
		return false, err
	}
	if err := s.readAll(ctx); err != nil {
		return false, err
	}
	return true, s.finish(ctx)
}

// takeUp goes on with the scan that was begun, or begins one for all open gaps.
// What is recorded later waits for the next one: its messages may lie behind.
func (r *recovery) takeUp(ctx context.Context, state recoveryState, open []Gap) (*scan, error) {
	if len(state.scans) > 0 {
		s := r.newScan(state.scans[0], state.gaps)
		r.p.log.Info("going on with the recovery from the log", "gaps", len(s.item.gaps), "messages", s.item.counts.Read)
		return s, nil
	}
	item := newScanItem(open, r.p.opts.RecoverySegments, r.run, r.now())
	if err := r.gaps.begin(ctx, item); err != nil {
		return nil, err
	}
	r.p.log.Info("recovering from the log what the stream does not hold", "gaps", len(open), "segments", len(item.segments))
	return r.newScan(item, state.gaps), nil
}

// insist makes a call until it succeeds, another leader takes over, or ctx is
// done.
func (r *recovery) insist(ctx context.Context, who string, call func() error) error {
	defer r.work.Worked(who)
	for {
		err := call()
		if err == nil || errors.Is(err, errOvertaken) {
			return err
		}
		pause, _ := r.work.Failed(ctx, who, err)
		if err := trouble.Sleep(ctx, pause, nil); err != nil {
			return err
		}
	}
}

// idleSince says since when nothing is to be recovered by this worker. One that
// does not lead has nothing to recover.
func (r *recovery) idleSince(leads bool) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !leads && !r.leads {
		return time.Time{}, true
	}
	return r.since, !r.since.IsZero()
}

func (r *recovery) setLeads(leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leads, r.open, r.since = leads, 0, time.Time{}
}

func (r *recovery) noteTold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told++
	r.since = time.Time{}
}

func (r *recovery) toldSoFar() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

// looked notes how many gaps were open, unless one was recorded since the look
// began.
func (r *recovery) looked(told, open int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = open
	switch {
	case open > 0 || told != r.told:
		r.since = time.Time{}
	case r.since.IsZero():
		r.since = time.Now()
	}
}

func (r *recovery) count(c RecoveryCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts = r.counts.add(c)
}

func (r *recovery) stats() (open int, counts RecoveryCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open, r.counts
}
