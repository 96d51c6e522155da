package dedup

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
)

// Stats counts what a handler did since it was made.
type Stats struct {
	Claimed      int64 // messages handed on
	Dropped      int64 // messages dropped, since their id was handled
	Busy         int64 // messages put off, since another had their id in hand
	Lost         int64 // claims that ran out, and another took the id
	RecordFailed int64 // messages handled that could not be recorded
}

func (h *Handler) count(add func(*Stats)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	add(&h.stats)
}

// Stats returns the counts so far.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats
}

// Collector returns the handler's metrics: its [Stats].
func (h *Handler) Collector() prometheus.Collector {
	return metric.Collector(h.Stats, metrics()...)
}

func metrics() []metric.Metric[Stats] {
	return []metric.Metric[Stats]{
		metric.Counter("postroom_dedup_claimed_total", "Messages handed on to the handler.",
			func(s Stats) int64 { return s.Claimed }),
		metric.Counter("postroom_dedup_dropped_total", "Messages dropped, since their id was handled.",
			func(s Stats) int64 { return s.Dropped }),
		metric.Counter("postroom_dedup_busy_total", "Messages put off, since another had their id in hand.",
			func(s Stats) int64 { return s.Busy }),
		metric.Counter("postroom_dedup_lost_total", "Claims that ran out while handling, and another took the id.",
			func(s Stats) int64 { return s.Lost }),
		metric.Counter("postroom_dedup_record_failed_total", "Messages handled that could not be recorded; a repetition is handled once more.",
			func(s Stats) int64 { return s.RecordFailed }),
	}
}
