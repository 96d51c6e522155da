package consumer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
)

// Stats counts what a worker did since it was made.
type Stats struct {
	Received      int64 `metric:"postroom_consumer_received_total" help:"Messages received, duplicates included."`
	Delivered     int64 `metric:"postroom_consumer_delivered_total" help:"Messages handled successfully."`
	Failed        int64 `metric:"postroom_consumer_failed_total" help:"Messages whose handling failed; they come again."`
	Dropped       int64 `metric:"postroom_consumer_dropped_total" help:"Messages deleted unhandled, as their handler asked."`
	DeadLettered  int64 `metric:"postroom_consumer_dead_lettered_total" help:"Messages sent to the dead-letter queue, as their handler asked."`
	Duplicates    int64 `metric:"postroom_consumer_duplicates_total" help:"Messages received again while in flight or after handling, and ignored."`
	Deleted       int64 `metric:"postroom_consumer_deleted_total" help:"Messages deleted from the queue."`
	DeleteFailed  int64 `metric:"postroom_consumer_delete_failed_total" help:"Messages handled that the queue refused to delete; they come again."`
	Released      int64 `metric:"postroom_consumer_released_total" help:"Messages returned to the queue unhandled."`
	Extended      int64 `metric:"postroom_consumer_extended_total" help:"Extensions of a message's visibility."`
	InFlight      int64 `metric:"postroom_consumer_in_flight" help:"Messages in flight: waiting, being handled, and not yet settled."`
	InFlightBytes int64 `metric:"postroom_consumer_in_flight_bytes" help:"Size of the messages in flight, bodies and attributes."`
}

// Collector returns the worker's metrics: its [Stats].
func (w *Worker) Collector() prometheus.Collector {
	return metric.Struct(w.Stats)
}
