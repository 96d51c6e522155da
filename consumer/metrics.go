package consumer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
)

// AskedSince is when the first receive began that the queue has not answered
// since it last answered one. Where it is longer ago than Options.Wait and some
// seconds, the queue does not answer. Zero: none is under way, as before Run and
// while there is no room for more messages.
func (w *Worker) AskedSince() time.Time {
	w.hand.mu.Lock()
	defer w.hand.mu.Unlock()
	return w.hand.askedSince
}

// Collector returns the worker's metrics: its [Stats].
func (w *Worker) Collector() prometheus.Collector {
	return metric.Collector(w.Stats, metrics()...)
}

func metrics() []metric.Metric[Stats] {
	return []metric.Metric[Stats]{
		metric.Counter("postroom_consumer_received_total", "Messages received, repeated ones included.",
			func(s Stats) int64 { return s.Received }),
		metric.Counter("postroom_consumer_delivered_total", "Messages handled to success.",
			func(s Stats) int64 { return s.Delivered }),
		metric.Counter("postroom_consumer_failed_total", "Messages whose handling failed; they come again.",
			func(s Stats) int64 { return s.Failed }),
		metric.Counter("postroom_consumer_dropped_total", "Messages deleted unhandled, since the handler wanted it.",
			func(s Stats) int64 { return s.Dropped }),
		metric.Counter("postroom_consumer_dead_lettered_total", "Messages sent to the dead-letter queue, since the handler gave them up.",
			func(s Stats) int64 { return s.DeadLettered }),
		metric.Counter("postroom_consumer_duplicates_total", "Messages received again while in hand or after handling, and dropped.",
			func(s Stats) int64 { return s.Duplicates }),
		metric.Counter("postroom_consumer_deleted_total", "Messages deleted from the queue.",
			func(s Stats) int64 { return s.Deleted }),
		metric.Counter("postroom_consumer_delete_failed_total", "Messages handled that the queue refused to delete; they come again.",
			func(s Stats) int64 { return s.DeleteFailed }),
		metric.Counter("postroom_consumer_given_back_total", "Messages returned to the queue unhandled.",
			func(s Stats) int64 { return s.GivenBack }),
		metric.Counter("postroom_consumer_extended_total", "Extensions of a message's visibility.",
			func(s Stats) int64 { return s.Extended }),
		metric.Gauge("postroom_consumer_in_flight", "Messages in hand: waiting, being handled, and not yet settled.",
			func(s Stats) float64 { return float64(s.InFlight) }),
		metric.Gauge("postroom_consumer_in_flight_bytes", "Bodies and attributes of the messages in hand.",
			func(s Stats) float64 { return float64(s.InFlightBytes) }),
	}
}
