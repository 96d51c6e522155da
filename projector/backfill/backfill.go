package backfill

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/quarantine"
)

// gapPoll is the pause between looks for gaps that other workers recorded. One
// that is recorded here is seen at once.
const gapPoll = 10 * time.Second

// Item is one message of the log that is to be processed.
type Item struct {
	Message postroom.Message
	Record  quarantine.Record
	// Done is to be called once, when the message is processed, from any
	// goroutine.
	Done func(Outcome)
}

// Outcome is what became of a message of the log.
type Outcome struct {
	Projected   bool // it had not been before
	Silent      bool // nobody was notified
	Quarantined bool
}

func (o Outcome) counts() (c Counts) {
	if o.Projected && !o.Quarantined {
		c.Projected = 1
	}
	switch {
	case o.Quarantined:
	case !o.Silent:
		c.Notified = 1
	case o.Projected:
		c.Unnotified = 1
	}
	return c
}

// Config is what backfill works on. All of it is required.
type Config struct {
	Log     backend.Table // whose items are scanned
	Control backend.Table
	// Submit takes over messages to process. It may block while too many are in
	// flight, until ctx is done; with an error it has taken over none. Calls
	// overlap.
	Submit     func(ctx context.Context, items []Item) error
	Quarantine *quarantine.Quarantine // of messages that cannot be decoded
	Incidents  *incident.Log
	Logger     *slog.Logger
}

// Options tune a backfill. The zero value of each field means its default.
type Options struct {
	// Units is how many read units a second a scan may take, one for loading each
	// conversation included. Default 500.
	Units int
	// Segments is how many parts of the log are read side by side. A scan that was
	// begun keeps the number it has. Default 4.
	Segments int
	// Window is the most messages of the log that are in flight at once; a large
	// one counts once for each 16 KiB. Default 2,000.
	Window int
	// Now is the clock of what people read. Default time.Now.
	Now func() time.Time
}

// Backfill brings from the log what was lost to the stream. Any worker records
// gaps, the leader closes them. It is safe for concurrent use.
type Backfill struct {
	Config

	opts   Options
	writer string // of the progress of scans
	store  store
	loop   retry.Loop
	window *semaphore.Weighted // of what is in flight, also of a scan that was given up
	pace   *longscan.Pace
	aside  *item.Aside
	wake   chan struct{} // a gap was recorded here
	added  atomic.Int64

	mu        sync.Mutex
	leads     bool
	recording int       // gaps, just now
	recorded  int       // gaps here
	open      int       // gaps, when last looked
	since     time.Time // when none was open any more; zero: not so, or not known
	counts    Counts
}

// New makes a backfill. It makes no call.
func New(c Config, o Options) *Backfill {
	option.Default(&o.Units, 500)
	option.Default(&o.Segments, 4)
	option.Default(&o.Window, 2_000)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Backfill{
		Config: c, opts: o, writer: rand.Text(),
		store:  store{batch.NewTable(c.Control)},
		loop:   retry.Loop{Policy: policy(), Operation: c.Incidents.Operation("backfilling from the log")},
		window: semaphore.NewWeighted(int64(o.Window)),
		pace:   longscan.NewPace(o.Units), aside: item.NewAside(c.Logger), wake: make(chan struct{}, 1),
	}
}

// policy repeats calls until another leader takes over or the breaker trips.
func policy() retry.Policy {
	return retry.Policy{
		Min: 20 * time.Millisecond, Max: 2 * time.Second, Patience: retry.Forever,
		Final: func(err error) bool {
			var tripped *quarantine.BreakerError
			return errors.Is(err, errOvertaken) || errors.As(err, &tripped)
		},
	}
}

// Record keeps a loss durably. It has to return before anything is read behind
// the gap. Of the gap StreamARN, Shard, Reason, After, From, Until and Silent are
// to be set.
func (b *Backfill) Record(ctx context.Context, g Gap) error {
	b.noteRecording() // whoever asks meanwhile must not hear that all is done
	added, err := b.store.record(ctx, g.found(b.opts.Now()))
	b.noteRecorded()
	if err != nil {
		return err
	}
	if added {
		b.added.Add(1)
	}
	retry.Wake(b.wake)
	return nil
}

// Lead closes gaps until ctx is done. It is for the leader of the worker group,
// and harmless where another leads too.
func (b *Backfill) Lead(ctx context.Context) error {
	b.setLeads(true)
	defer b.setLeads(false)
	for {
		var closed bool
		err := b.loop.Do(ctx, "gaps", func(ctx context.Context) (err error) {
			closed, err = b.closeGaps(ctx)
			return err
		})
		if ctx.Err() != nil {
			return nil
		}
		if err == nil && closed {
			continue // more may have been recorded meanwhile
		}
		if retry.Sleep(ctx, gapPoll, b.wake) != nil {
			return nil
		}
	}
}

// Damaged returns the gaps and scans that this worker has found to be damaged when it
// last read them. It leaves them aside, and goes on with the others.
func (b *Backfill) Damaged() []*item.DamageError { return b.aside.All() }

// closeGaps closes the gaps that are open now, by one scan of the log, and
// reports whether there were any.
func (b *Backfill) closeGaps(ctx context.Context) (bool, error) {
	recorded := b.recordedSoFar()
	all, err := b.store.read(ctx)
	if err != nil {
		return false, err
	}
	b.aside.Set("backfill", all.damaged)
	open := all.openGaps()
	b.noteOpen(recorded, len(open))
	if len(open)+len(all.scans) == 0 {
		return false, nil
	}
	s, err := b.resume(ctx, all, open)
	if err != nil {
		return false, err
	}
	if err := s.readAll(ctx); err != nil {
		return false, err
	}
	return true, s.finish(ctx)
}

// resume goes on with the scan that was begun, or begins one for all open gaps.
// What is recorded later waits for the next one, since its messages may be in a
// part that was read already.
func (b *Backfill) resume(ctx context.Context, all snapshot, open []Gap) (*scan, error) {
	if len(all.scans) > 0 {
		s := b.newScan(all.scans[0], all.gaps)
		b.Logger.Info("backfill resumed", "gaps", len(s.progress.gaps), "messages", s.progress.counts.Read)
		return s, nil
	}
	p := newProgress(open, b.opts.Segments, b.writer, b.opts.Now())
	condition := backend.Condition{Absent: true}
	if broken := all.broken[p.key()]; broken != nil { // begun before, and damaged since
		condition = item.Same(broken)
	}
	if err := b.store.write(ctx, p, condition); err != nil {
		return nil, err
	}
	b.Logger.Info("backfill started: projecting from the log what the stream does not hold", "gaps", len(open), "segments", len(p.segments))
	return b.newScan(p, all.gaps), nil
}
