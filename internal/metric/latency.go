package metric

import (
	"sync"
	"time"
)

// Histogram is how often durations were counted, as [Struct] collects it.
type Histogram struct {
	Count uint64
	Sum   time.Duration
	// Buckets has, for each upper bound in seconds, how many took no longer.
	Buckets map[float64]uint64
}

// Latency counts how long something took. Its buckets begin with what one process on
// one machine reaches, and end where seconds have ceased to matter. The zero value
// has counted nothing. It is safe for concurrent use.
type Latency struct {
	mu     sync.Mutex
	counts [len(latencyBounds)]uint64 // within a bound, and not within the one before
	count  uint64
	sum    time.Duration
}

// latencyBounds are the upper bounds of the buckets.
var latencyBounds = [...]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
}

// Since counts the time from then to now. Where the clocks of two machines disagree, and
// then is still to come, that is no time at all.
func (l *Latency) Since(then, now time.Time) {
	took := max(0, now.Sub(then))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	l.sum += took
	for i, bound := range latencyBounds {
		if took <= bound {
			l.counts[i]++
			return
		}
	}
}

// Histogram returns what was counted so far.
func (l *Latency) Histogram() Histogram {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := Histogram{Count: l.count, Sum: l.sum, Buckets: make(map[float64]uint64, len(latencyBounds))}
	var within uint64
	for i, bound := range latencyBounds {
		within += l.counts[i]
		h.Buckets[bound.Seconds()] = within
	}
	return h
}
