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

// errDead is the error of every call of a dead worker.
var errDead = errors.New("this worker is dead")

// Scheduler holds every call of every worker until the call's turn comes, and makes
// it.
type Scheduler struct {
	faults Faults
	rng    *rand.Rand

	mu      sync.Mutex
	parked  []*call
	down    time.Time // the end of the queue's outage
	history []event
}

// call is a call of a worker on its way to the backend.
type call struct {
	w           *Worker
	op          string
	quiet       bool           // it is in the history only if it has a fault
	partial     bool           // it may be carried out in part
	send        bool           // it is a call of the queue
	transaction bool           // it may conflict with another
	run         func(part int) // makes the call; part: of a batch, out of 100; 0: all of it

	since  time.Time
	unsent bool       // its worker was frozen before the call left it
	ripe   time.Time  // when it can be made; zero: not decided yet
	done   chan error // receives why there is no answer; nil: there is one
}

// NewScheduler returns a scheduler whose choices follow from the seed.
func NewScheduler(seed uint64, f Faults) *Scheduler {
	return &Scheduler{faults: f, rng: rand.New(rand.NewPCG(seed, 2))}
}

// Step makes one parked call, or lets time pass if there is none to make. It returns
// once every goroutine is blocked again.
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

// choose takes a call that can be made; nil: there is none now.
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

// fault is what goes wrong with a call.
type fault struct {
	what   string // its text in the history; empty: nothing goes wrong
	before error  // returned instead of making the call
	after  error  // returned instead of the call's answer
	part   int    // the part of a batch that is carried out, out of 100; 0: all of it
}

// make makes a call, with the fault that is drawn for it. An error replaces the
// call's answer.
func (s *Scheduler) make(c *call) error {
	s.mu.Lock()
	v := s.draw(c)
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

func (s *Scheduler) draw(c *call) fault {
	if s.chance(s.faults.Outage) {
		s.down = time.Now().Add(time.Duration(s.rng.Int64N(int64(s.faults.OutageFor))))
	}
	switch {
	case c.w.dead: // the worker sent the call before it died
		return fault{what: "has died; done all the same:", after: errDead}
	case s.chance(s.faults.Crash), c.transaction && s.chance(s.faults.Torn):
		s.end(c.w)
		if s.rng.IntN(2) == 0 {
			return fault{what: "dies after", after: errDead}
		}
		return fault{what: "dies before", before: errDead}
	case c.send && time.Now().Before(s.down):
		return fault{what: "finds the queue down for", before: fail(c.op, backend.KindUnavailable)}
	case c.transaction && s.chance(s.faults.Conflict):
		return fault{what: "meets a conflict in", before: fail(c.op, backend.KindConflict)}
	case s.chance(s.faults.Throttle):
		return fault{what: "is throttled in", before: fail(c.op, backend.KindThrottled)}
	case s.chance(s.faults.Lost):
		return fault{what: "loses the answer of", after: fail(c.op, backend.KindUnavailable)}
	case c.partial && s.chance(s.faults.Partial):
		return fault{what: "does in part", part: 1 + s.rng.IntN(99)}
	}
	return fault{}
}

// end makes a worker dead. Some of its calls have left it and arrive, the others are
// lost.
func (s *Scheduler) end(w *Worker) {
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
		s.end(w)
	}
}

// Freeze freezes a worker: none of its calls is made meanwhile.
func (s *Scheduler) Freeze(w *Worker, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freeze(w, d)
}

func (s *Scheduler) freeze(w *Worker, d time.Duration) {
	w.frozen = time.Now().Add(d)
	s.note(w.Name, "freezes", "for "+d.Round(time.Millisecond).String())
}

// Free ends all faults: from now on the pipeline must recover.
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

// epoch is the start of a synctest bubble's clock.
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

// History returns at most the last n events, a line each.
func (s *Scheduler) History(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, e := range s.history[max(0, len(s.history)-n):] {
		lines = append(lines, e.String())
	}
	return strings.Join(lines, "\n")
}

// wait waits until a call is made, or until ctx is done, which does not recall a call
// that was sent.
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
