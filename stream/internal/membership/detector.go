package membership

import (
	"context"
	"maps"
	"slices"
	"time"
)

// detector is a failure detector: it observes the counters of others on this
// worker's own monotonic clock, by session.
type detector map[string]observation

// observation is a counter, and for how long it was seen to stand still.
type observation struct {
	counter int64
	silent  time.Duration
	at      time.Time // of the last look
}

// observe notes a heartbeat that was just read, and returns for how long its
// counter has stood still. Of the time since the last look at most counts: longer
// looks apart mean that nobody could look.
func (d detector) observe(w Worker, most time.Duration) (silent time.Duration) {
	now := time.Now()
	was, ok := d[w.Session]
	if !ok || was.counter != w.Counter {
		was = observation{counter: w.Counter, at: now}
	}
	was.silent += min(now.Sub(was.at), most)
	was.at = now
	d[w.Session] = was
	return was.silent
}

// look is [Watch.Look].
func (m Member) look(ctx context.Context, d detector) (lives string, silent bool, err error) {
	all, err := m.Workers(ctx)
	if err != nil {
		return "", false, err
	}
	begun := len(d) > 0
	silent = true
	for _, w := range all {
		if w.Expired {
			continue
		}
		before, known := d[w.Session]
		if known && before.counter != w.Counter || !known && begun {
			lives = w.Worker
		}
		silent = d.observe(w, m.LeaseDuration/3) >= max(m.LeaseDuration, w.LeaseDuration) && silent
	}
	return lives, silent && lives == "", nil
}

// Watch is how one who is not of a group finds out whether a worker of it is alive. One
// goroutine uses it.
type Watch struct {
	member   Member
	detector detector
}

// NewWatch returns a watch of the group of a member, of which its own session is none
// and its lease duration is the least that a silence must last.
func NewWatch(m Member) *Watch { return &Watch{m, detector{}} }

// Look returns a worker that has shown since the first look that it lives, or that there
// is none, or that all were silent for their lease duration. Until one of both is so,
// look again, a part of the lease duration later.
func (w *Watch) Look(ctx context.Context) (lives string, silent bool, err error) {
	return w.member.look(ctx, w.detector)
}

// keepOnly forgets the sessions that are not among those that were read.
func (d detector) keepOnly(all []Worker) {
	maps.DeleteFunc(d, func(session string, _ observation) bool {
		return !slices.ContainsFunc(all, func(w Worker) bool { return w.Session == session })
	})
}
