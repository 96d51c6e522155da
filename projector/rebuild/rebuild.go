package rebuild

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/projection"
)

// jobPoll is the pause between looks for rebuilds. It is shorter just after one.
const (
	jobPoll      = 2 * time.Second
	leastJobPoll = 100 * time.Millisecond
	// takeover is for how long a worker's rebuild may not move before another one carries
	// it on: it is written every second.
	takeover = 3 * saveInterval
)

// Config is what rebuilds work on. All of it is required.
type Config struct {
	Log     backend.Table // of the messages, and of the heads and rows
	Index   bool          // it has the index of the rows
	Control backend.Table
	Worker  string // the name of this one
	// Now is the clock of what people read.
	Now       func() time.Time
	Incidents *incident.Log
	Logger    *slog.Logger
}

// Rebuilder carries out rebuilds. It is safe for concurrent use.
type Rebuilder struct {
	Config

	projection projection.Projection
	store      store
	writer     string // of the progress
	loop       retry.Loop
	aside      *item.Aside
	seen       sighting // by Lead

	mu     sync.Mutex
	leads  bool
	open   int       // rebuilds that it is to carry out, when last looked
	since  time.Time // when there was none any more; zero: there is, or that is not known
	counts Counts
}

// New makes no call.
func New(c Config) *Rebuilder {
	return &Rebuilder{
		Config: c, projection: projection.New(c.Log).By(c.Worker), store: store{batch.NewTable(c.Control)}, writer: rand.Text(),
		loop:  retry.Loop{Policy: policy(), Operation: c.Incidents.Operation("rebuilding from the log")},
		aside: item.NewAside(c.Logger),
	}
}

// policy repeats calls until another worker takes over.
func policy() retry.Policy {
	return retry.Policy{
		Min: 20 * time.Millisecond, Max: 2 * time.Second, Patience: retry.Forever,
		Final: func(err error) bool {
			_, hopeless := errors.AsType[*unableError](err)
			return hopeless || errors.Is(err, errOvertaken)
		},
	}
}

// Lead carries out the rebuilds that were asked for, one after the other, until ctx is
// done. It is for the leader of the worker group, and harmless where another leads too.
func (r *Rebuilder) Lead(ctx context.Context) error {
	r.setLeads(true)
	defer r.setLeads(false)
	for pause := leastJobPoll; ; {
		var worked bool
		err := r.loop.Do(ctx, "rebuilds", func(ctx context.Context) (err error) {
			worked, err = r.next(ctx)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && worked:
			pause = leastJobPoll
			continue
		}
		if retry.Sleep(ctx, pause, nil) != nil {
			return nil
		}
		pause = min(2*pause, jobPoll)
	}
}

// next carries out the rebuild that was asked for first, and reports whether there was
// one.
func (r *Rebuilder) next(ctx context.Context) (bool, error) {
	all, damaged, err := r.store.read(ctx)
	if err != nil {
		return false, err
	}
	r.aside.Set("rebuilds", damaged)
	running := slices.DeleteFunc(all, func(j Job) bool { return j.State != Running })
	mine := len(running) > 0 && r.mayTake(running[0])
	r.note(len(running), mine)
	if !mine {
		return false, nil
	}
	return true, r.carryOut(ctx, running[0])
}

// sighting is a rebuild as another worker wrote it last, and when that was first seen.
type sighting struct {
	id, writer string
	version    int64
	at         time.Time
}

// mayTake reports whether nobody else carries out a rebuild, as far as can be seen: if
// two did, each would undo the other's progress.
func (r *Rebuilder) mayTake(j Job) bool {
	if j.Worker == "" || j.writer == r.writer {
		return true
	}
	now := sighting{j.ID, j.writer, j.version, r.seen.at}
	if now != r.seen {
		now.at = time.Now()
		r.seen = now
	}
	return time.Since(r.seen.at) >= takeover
}

// Damaged returns the rebuilds that this worker has found to be damaged when it last read
// them. It leaves them aside, and carries out the others.
func (r *Rebuilder) Damaged() []*item.DamageError { return r.aside.All() }

// Stats counts what rebuilds did since the Rebuilder was made.
type Stats struct {
	Open   int `metric:"postroom_rebuild_open" help:"Rebuilds that are under way or wait for others, as the leader sees them; 0 elsewhere, and while another process carries them out."`
	Counts Counts
}

// Stats returns the counts so far.
func (r *Rebuilder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{r.open, r.counts}
}

// IdleSince says since when there is nothing for this worker to rebuild; false while
// there is, or may be. A worker that does not lead has nothing to do.
func (r *Rebuilder) IdleSince(leads bool) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !leads && !r.leads {
		return time.Time{}, true
	}
	return r.since, !r.since.IsZero()
}

func (r *Rebuilder) setLeads(leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leads, r.open, r.since = leads, 0, time.Time{}
}

// note notes how many rebuilds there are, and whether this worker is to carry them out.
func (r *Rebuilder) note(open int, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open = 0; mine {
		r.open = open
	}
	switch {
	case open > 0:
		r.since = time.Time{}
	case r.since.IsZero():
		r.since = time.Now()
	}
}

func (r *Rebuilder) count(c Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts = r.counts.add(c)
}
