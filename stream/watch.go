package stream

import "time"

// watch follows the counters of others on this worker's own monotonic clock:
// whether somebody lives is never a matter of two clocks.
type watch map[string]seen // by run

// seen is a counter, and since when it stands.
type seen struct {
	counter int64
	since   time.Time
}

// see notes a sign that was just read, and returns for how long its counter has
// stood still.
func (w watch) see(s sign) time.Duration {
	was, ok := w[s.run]
	if !ok || was.counter != s.counter {
		was = seen{s.counter, time.Now()}
		w[s.run] = was
	}
	return time.Since(was.since)
}
