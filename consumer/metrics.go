package consumer

import (
	"time"

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

// ages are how long ago something happened. Waited compares the queue's clock with this
// machine's, and is never negative.
type ages struct {
	Failing    time.Duration `metric:"postroom_consumer_failing_seconds" help:"For how long the call has failed in a row that has done so for longest; 0 where none fails. The log says which."`
	InFlight   time.Duration `metric:"postroom_consumer_oldest_in_flight_seconds" help:"How long ago the message was received that has been in flight for the longest time; 0 where there is none."`
	Waited     time.Duration `metric:"postroom_consumer_queue_age_seconds" help:"How long the messages of the last receive had waited in the queue, the oldest of those that were never received before; 0 where there was none."`
	Unanswered time.Duration `metric:"postroom_consumer_unanswered_seconds" help:"How long ago the receive began that the queue has not answered; an empty queue answers when the receive's wait is over."`
}

// metrics is all that is collected.
type metrics struct {
	Stats
	ages
}

// Collector returns the worker's metrics: its [Stats], and how old the oldest message
// and the oldest call are.
func (w *Worker) Collector() prometheus.Collector {
	return metric.Struct(func() metrics { return w.metrics(time.Now()) })
}

func (w *Worker) metrics(now time.Time) metrics {
	ages := w.inFlight.ages(now)
	ages.Failing = w.incidents.Longest(now)
	return metrics{w.Stats(), ages}
}

func (f *inFlight) ages(now time.Time) ages {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := ages{Waited: f.waited}
	for _, m := range f.messages {
		a.InFlight = max(a.InFlight, now.Sub(m.receivedAt))
	}
	if !f.askedSince.IsZero() {
		a.Unanswered = now.Sub(f.askedSince)
	}
	return a
}
