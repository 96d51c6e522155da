package membership

import (
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

// keepOnly forgets the sessions that are not among those that were read.
func (d detector) keepOnly(all []Worker) {
	maps.DeleteFunc(d, func(session string, _ observation) bool {
		return !slices.ContainsFunc(all, func(w Worker) bool { return w.Session == session })
	})
}
