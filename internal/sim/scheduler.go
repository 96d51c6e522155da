package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

// errDead is what every call of a dead worker gets.
var errDead = errors.New("this worker is dead")

// Faults are chances, each out of 1,000 for one call.
type Faults struct {
	Conflict  int // a transaction meets another
	Throttle  int // nothing happens, the caller is told to slow down
	Lost      int // it happens, and the answer does not arrive
	Partial   int // a batch is done in part
	Crash     int // the worker dies before the call, or after it
	Freeze    int // the worker stands still for up to FreezeFor, in the middle of a call
	FreezeFor time.Duration
	Outage    int // the queue answers nobody for up to OutageFor
	OutageFor time.Duration
}

// Scheduler holds every call of every worker until it is its turn.
type Scheduler struct {
	faults Faults
	rng    *rand.Rand

	mu      sync.Mutex
	parked  []*call
	down    time.Time // until when the queue answers nobody
	steps   int
	history []string
}

type call struct {
	w           *Worker
	op          string
	partial     bool // may be done in part
	send        bool // goes to the queue
	transaction bool
	verdict     chan verdict
}

type verdict struct {
	before error // instead of the call
	after  error // instead of its answer
	part   int   // of a batch, out of 100; 0: all of it
}

// NewScheduler makes a scheduler whose choices follow from the seed.
func NewScheduler(seed uint64, f Faults) *Scheduler {
	return &Scheduler{faults: f, rng: rand.New(rand.NewPCG(seed, 2))}
}

// Worker is one process as the scheduler sees it.
type Worker struct {
	Name string

	s      *Scheduler
	store  *Store
	kill   context.CancelFunc
	dead   bool
	frozen time.Time
}

// Worker makes a process that works on the store. kill is called when it dies;
// none of its calls has any effect from then on.
func (s *Scheduler) Worker(name string, store *Store, kill context.CancelFunc) *Worker {
	return &Worker{Name: name, s: s, store: store, kill: kill}
}

// Dead reports whether the worker has died.
func (w *Worker) Dead() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.dead
}

// gate parks a call until the scheduler lets it go.
func (w *Worker) gate(c *call) verdict {
	c.w, c.verdict = w, make(chan verdict, 1)
	w.s.mu.Lock()
	if w.dead {
		w.s.mu.Unlock()
		return verdict{before: errDead}
	}
	w.s.parked = append(w.s.parked, c)
	w.s.mu.Unlock()
	return <-c.verdict
}

// Step lets one parked call go on, or lets time pass if there is none. It
// returns once everybody is blocked again.
func (s *Scheduler) Step() {
	synctest.Wait()
	c := s.choose()
	if c == nil {
		time.Sleep(10 * time.Millisecond)
		return
	}
	c.verdict <- s.judge(c)
	synctest.Wait()
}

func (s *Scheduler) choose() *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps++
	awake := slices.DeleteFunc(slices.Clone(s.parked), func(c *call) bool { return time.Now().Before(c.w.frozen) })
	if len(awake) == 0 {
		return nil
	}
	slices.SortFunc(awake, func(a, b *call) int {
		return cmp.Or(strings.Compare(a.w.Name, b.w.Name), strings.Compare(a.op, b.op))
	})
	c := awake[s.rng.IntN(len(awake))]
	if s.chance(s.faults.Freeze) {
		c.w.frozen = time.Now().Add(time.Duration(s.rng.Int64N(int64(s.faults.FreezeFor))))
		s.note("%s freezes before %s", c.w.Name, c.op)
		return nil
	}
	s.parked = slices.DeleteFunc(s.parked, func(p *call) bool { return p == c })
	return c
}

func (s *Scheduler) chance(of1000 int) bool { return s.rng.IntN(1000) < of1000 }

// judge decides what becomes of a call.
func (s *Scheduler) judge(c *call) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	var v verdict
	what := ""
	if s.chance(s.faults.Outage) {
		s.down = time.Now().Add(time.Duration(s.rng.Int64N(int64(s.faults.OutageFor))))
	}
	switch {
	case s.chance(s.faults.Crash):
		v, what = verdict{before: errDead}, "dies before"
		if s.rng.IntN(2) == 0 {
			v, what = verdict{after: errDead}, "dies after"
		}
		s.bury(c.w)
	case c.send && time.Now().Before(s.down):
		v, what = verdict{before: fail(c.op, backend.KindUnavailable)}, "finds the queue down for"
	case c.transaction && s.chance(s.faults.Conflict):
		v, what = verdict{before: fail(c.op, backend.KindConflict)}, "meets a conflict in"
	case s.chance(s.faults.Throttle):
		v, what = verdict{before: fail(c.op, backend.KindThrottled)}, "is throttled in"
	case s.chance(s.faults.Lost):
		v, what = verdict{after: fail(c.op, backend.KindUnavailable)}, "loses the answer of"
	case c.partial && s.chance(s.faults.Partial):
		v, what = verdict{part: 1 + s.rng.IntN(99)}, "does in part"
	}
	if what != "" || !strings.HasSuffix(c.op, " OWNER") {
		s.note("%s %s %s", c.w.Name, cmp.Or(what, "does"), c.op)
	}
	return v
}

// bury makes a worker dead: its parked calls come to nothing.
func (s *Scheduler) bury(w *Worker) {
	w.dead = true
	s.parked = slices.DeleteFunc(s.parked, func(c *call) bool {
		if c.w == w {
			c.verdict <- verdict{before: errDead}
		}
		return c.w == w
	})
	w.kill()
}

// Free ends all faults: from here on everything is meant to come right.
func (s *Scheduler) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.down = Faults{}, time.Time{}
}

func (s *Scheduler) note(format string, args ...any) {
	s.history = append(s.history, fmt.Sprintf("%8s  ", time.Since(epoch).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// epoch is when a synctest bubble's clock starts.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Note adds a line to the history.
func (s *Scheduler) Note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(format, args...)
}

// History is what happened, a line each; at most the last n.
func (s *Scheduler) History(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.history[max(0, len(s.history)-n):], "\n")
}
