package dedup

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
)

// Stats counts what a handler did since it was made.
type Stats struct {
	Claimed      int64 `metric:"postroom_dedup_claimed_total" help:"Messages passed on to the next handler."`
	Dropped      int64 `metric:"postroom_dedup_dropped_total" help:"Messages dropped because their id was handled before."`
	Busy         int64 `metric:"postroom_dedup_busy_total" help:"Messages put off because another delivery of their id was being handled."`
	Lost         int64 `metric:"postroom_dedup_lost_total" help:"Claims that expired during handling and were lost to another worker."`
	RecordFailed int64 `metric:"postroom_dedup_record_failed_total" help:"Handled messages that could not be recorded; a repetition is handled once more."`
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

// metrics is all that is collected.
type metrics struct {
	Stats

	Failing time.Duration `metric:"postroom_dedup_failing_seconds" help:"For how long the call has failed in a row that has done so for longest; 0 where none fails. The log says which."`
}

// Collector returns the handler's metrics: its [Stats], and for how long the store has
// not done what it was asked.
func (h *Handler) Collector() prometheus.Collector {
	return metric.Struct(func() metrics { return metrics{h.Stats(), h.incidents.Longest(time.Now())} })
}
