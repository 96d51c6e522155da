package stream

import "time"

// watch follows the counters of others on this worker's own monotonic clock:
// whether somebody lives is never a matter of two clocks.
type watch map[string]seen // by run

// seen is a counter, and for how long it was seen to stand.
type seen struct {
	counter int64
	still   time.Duration
	at      time.Time // of the last look
}

// see notes a sign that was just read, and returns for how long its counter has
// stood still. Of a time in which nobody could look no more than most counts: who
// is cut off from the control table is so together with those that it watches.
func (w watch) see(s sign, most time.Duration) time.Duration {
	now := time.Now()
	was, ok := w[s.run]
	if !ok || was.counter != s.counter {
		was = seen{counter: s.counter, at: now}
	}
	was.still += min(now.Sub(was.at), most)
	was.at = now
	w[s.run] = was
	return was.still
}
