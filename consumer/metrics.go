package consumer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
)

// Stats counts what a worker did since it was made.
type Stats struct {
	Received      int64 // messages received, duplicates included
	Delivered     int64 // handled successfully
	Failed        int64 // handled with an error or a panic
	Dropped       int64 // deleted unhandled: see [Drop]
	DeadLettered  int64 // sent to the dead-letter queue: see [DeadLetter]
	Duplicates    int64 // received again while in flight or after handling, and ignored
	Deleted       int64 // deleted from the queue
	DeleteFailed  int64 // handled, but the queue refused to delete them: they come again
	Released      int64 // returned to the queue unhandled
	Extended      int64 // extensions of a message's visibility
	InFlight      int64 // messages in flight now
	InFlightBytes int64 // the size of those, bodies and attributes
}

// Collector returns the worker's metrics: its [Stats].
func (w *Worker) Collector() prometheus.Collector {
	return metric.Collector(w.Stats, metrics()...)
}

func metrics() []metric.Metric[Stats] {
	return []metric.Metric[Stats]{
		metric.Counter("postroom_consumer_received_total", "Messages received, duplicates included.",
			func(s Stats) int64 { return s.Received }),
		metric.Counter("postroom_consumer_delivered_total", "Messages handled successfully.",
			func(s Stats) int64 { return s.Delivered }),
		metric.Counter("postroom_consumer_failed_total", "Messages whose handling failed; they come again.",
			func(s Stats) int64 { return s.Failed }),
		metric.Counter("postroom_consumer_dropped_total", "Messages deleted unhandled, as their handler asked.",
			func(s Stats) int64 { return s.Dropped }),
		metric.Counter("postroom_consumer_dead_lettered_total", "Messages sent to the dead-letter queue, as their handler asked.",
			func(s Stats) int64 { return s.DeadLettered }),
		metric.Counter("postroom_consumer_duplicates_total", "Messages received again while in flight or after handling, and ignored.",
			func(s Stats) int64 { return s.Duplicates }),
		metric.Counter("postroom_consumer_deleted_total", "Messages deleted from the queue.",
			func(s Stats) int64 { return s.Deleted }),
		metric.Counter("postroom_consumer_delete_failed_total", "Messages handled that the queue refused to delete; they come again.",
			func(s Stats) int64 { return s.DeleteFailed }),
		metric.Counter("postroom_consumer_released_total", "Messages returned to the queue unhandled.",
			func(s Stats) int64 { return s.Released }),
		metric.Counter("postroom_consumer_extended_total", "Extensions of a message's visibility.",
			func(s Stats) int64 { return s.Extended }),
		metric.Gauge("postroom_consumer_in_flight", "Messages in flight: waiting, being handled, and not yet settled.",
			func(s Stats) float64 { return float64(s.InFlight) }),
		metric.Gauge("postroom_consumer_in_flight_bytes", "Size of the messages in flight, bodies and attributes.",
			func(s Stats) float64 { return float64(s.InFlightBytes) }),
	}
}
