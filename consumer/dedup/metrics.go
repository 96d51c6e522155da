package dedup

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
)

// Stats counts what a handler did since it was made.
type Stats struct {
	Claimed      int64 // messages passed on to the next handler
	Dropped      int64 // messages dropped because their id was handled before
	Busy         int64 // messages put off because another delivery of their id was being handled
	Lost         int64 // claims that expired before another worker claimed the id
	RecordFailed int64 // handled messages that could not be recorded
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
		metric.Counter("postroom_dedup_claimed_total", "Messages passed on to the next handler.",
			func(s Stats) int64 { return s.Claimed }),
		metric.Counter("postroom_dedup_dropped_total", "Messages dropped because their id was handled before.",
			func(s Stats) int64 { return s.Dropped }),
		metric.Counter("postroom_dedup_busy_total", "Messages put off because another delivery of their id was being handled.",
			func(s Stats) int64 { return s.Busy }),
		metric.Counter("postroom_dedup_lost_total", "Claims that expired while handling before another worker claimed the id.",
			func(s Stats) int64 { return s.Lost }),
		metric.Counter("postroom_dedup_record_failed_total", "Handled messages that could not be recorded; a repetition is handled once more.",
			func(s Stats) int64 { return s.RecordFailed }),
	}
}
