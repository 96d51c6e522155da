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

// Scheduler holds every call of every worker until it is its turn, and makes it.
type Scheduler struct {
	faults Faults
	rng    *rand.Rand

	mu      sync.Mutex
	parked  []*call
	down    time.Time // until when the queue answers nobody
	history []event
}

// call is a call of a worker on its way to the backend.
type call struct {
	w           *Worker
	op          string
	quiet       bool           // says nothing in the history unless something is wrong with it
	partial     bool           // may be done in part
	send        bool           // goes to the queue
	transaction bool           // may meet another
	run         func(part int) // makes it; part: of a batch, out of 100; 0: all of it

	since  time.Time
	unsent bool       // its worker has been frozen since before it was made
	ripe   time.Time  // from when on it can be made; zero: not thought about yet
	done   chan error // why there is no answer; nil: there is one
}

// NewScheduler makes a scheduler whose choices follow from the seed.
func NewScheduler(seed uint64, f Faults) *Scheduler {
	return &Scheduler{faults: f, rng: rand.New(rand.NewPCG(seed, 2))}
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
	c.done <- s.make(c)
	synctest.Wait()
}

// choose takes a call whose turn it is; nil: there is none just now.
func (s *Scheduler) choose() *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var ready []*call
	for _, c := range s.parked {
		if c.ripe.IsZero() {
			c.ripe = now
			if s.chance(s.faults.Delay) {
				c.ripe = now.Add(time.Duration(s.rng.Int64N(int64(s.faults.DelayFor))))
			}
		}
		if !now.Before(c.w.frozen) && !now.Before(c.ripe) {
			ready = append(ready, c)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	c := ready[s.rng.IntN(len(ready))]
	if s.chance(s.faults.Freeze) || c.transaction && s.chance(s.faults.Torn) {
		s.freeze(c.w, time.Duration(s.rng.Int64N(int64(s.faults.FreezeFor))))
		return nil
	}
	s.parked = slices.DeleteFunc(s.parked, func(p *call) bool { return p == c })
	return c
}

func (s *Scheduler) chance(of1000 int) bool { return s.rng.IntN(1000) < of1000 }

// verdict is what becomes of a call.
type verdict struct {
	what   string // as the history says it; empty: all is well
	before error  // instead of the call
	after  error  // instead of its answer
	part   int    // in which it is done, out of 100; 0: all of it
}

// make makes a call, unless something is wrong with it. The error is instead of
// an answer.
func (s *Scheduler) make(c *call) error {
	s.mu.Lock()
	v := s.judge(c)
	if v.what != "" || !c.quiet {
		s.note(c.w.Name, cmp.Or(v.what, "does"), c.op)
	}
	s.mu.Unlock()
	if v.before != nil {
		return v.before
	}
	c.run(v.part)
	return v.after
}

func (s *Scheduler) judge(c *call) verdict {
	if s.chance(s.faults.Outage) {
		s.down = time.Now().Add(time.Duration(s.rng.Int64N(int64(s.faults.OutageFor))))
	}
	switch {
	case c.w.dead: // what it sent before is still on its way
		return verdict{what: "has died; done all the same:", after: errDead}
	case s.chance(s.faults.Crash), c.transaction && s.chance(s.faults.Torn):
		s.bury(c.w)
		if s.rng.IntN(2) == 0 {
			return verdict{what: "dies after", after: errDead}
		}
		return verdict{what: "dies before", before: errDead}
	case c.send && time.Now().Before(s.down):
		return verdict{what: "finds the queue down for", before: fail(c.op, backend.KindUnavailable)}
	case c.transaction && s.chance(s.faults.Conflict):
		return verdict{what: "meets a conflict in", before: fail(c.op, backend.KindConflict)}
	case s.chance(s.faults.Throttle):
		return verdict{what: "is throttled in", before: fail(c.op, backend.KindThrottled)}
	case s.chance(s.faults.Lost):
		return verdict{what: "loses the answer of", after: fail(c.op, backend.KindUnavailable)}
	case c.partial && s.chance(s.faults.Partial):
		return verdict{what: "does in part", part: 1 + s.rng.IntN(99)}
	}
	return verdict{}
}

// bury makes a worker dead. Of its calls some are on their way and arrive, the
// others come to nothing.
func (s *Scheduler) bury(w *Worker) {
	w.dead = true
	s.parked = slices.DeleteFunc(s.parked, func(c *call) bool {
		lost := c.w == w && (c.unsent || s.rng.IntN(4) > 0)
		if lost {
			c.done <- errDead
		}
		return lost
	})
	w.frozen = time.Time{}
	w.kill()
}

// Kill ends a worker at once.
func (s *Scheduler) Kill(w *Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.dead {
		s.note(w.Name, "is killed", "")
		s.bury(w)
	}
}

// Freeze has a worker stand still: none of its calls goes on.
func (s *Scheduler) Freeze(w *Worker, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freeze(w, d)
}

func (s *Scheduler) freeze(w *Worker, d time.Duration) {
	w.frozen = time.Now().Add(d)
	s.note(w.Name, "freezes", "for "+d.Round(time.Millisecond).String())
}

// Free ends all faults: from here on everything is meant to come right.
func (s *Scheduler) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.down = Faults{}, time.Time{}
	s.note("", "the faults are over", "")
}

// event is a line of the history.
type event struct {
	at              time.Time
	who, what, whom string
}

// epoch is when a synctest bubble's clock starts.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (e event) String() string {
	return fmt.Sprintf("%12s  %s", e.at.Sub(epoch).Round(time.Millisecond), strings.Join(strings.Fields(e.who+" "+e.what+" "+e.whom), " "))
}

func (s *Scheduler) note(who, what, whom string) {
	s.history = append(s.history, event{time.Now(), who, what, whom})
}

// Note adds a line to the history.
func (s *Scheduler) Note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("", fmt.Sprintf(format, args...), "")
}

// History is what happened, a line each; at most the last n.
func (s *Scheduler) History(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, e := range s.history[max(0, len(s.history)-n):] {
		lines = append(lines, e.String())
	}
	return strings.Join(lines, "\n")
}

// wait is how a worker waits for a call: until it is made, or until ctx is done,
// which does not call back what was sent.
func (s *Scheduler) wait(ctx context.Context, c *call) error {
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.unsent && time.Now().Before(c.w.frozen) {
			s.parked = slices.DeleteFunc(s.parked, func(p *call) bool { return p == c })
		}
		return &backend.Error{Op: c.op, Kind: backend.KindUnavailable, Err: ctx.Err()}
	}
}
