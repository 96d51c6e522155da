package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/internal/metric"
)

// timed hands notifications to the next handler, and measures how long after its posting
// a message is delivered.
type timed struct {
	next      consumer.Handler
	delivered metric.Latency
}

// Handle counts what the next handler accepts.
func (t *timed) Handle(ctx context.Context, d backend.Delivery) error {
	err := t.next.Handle(ctx, d)
	if err != nil {
		return err
	}
	if n, err := postroom.DecodeNotification(d.Body); err == nil { // otherwise it has no time
		t.delivered.Since(posted(n, d.SentAt), time.Now())
	}
	return nil
}

// posted is when a notification's message was posted: its own time, unless the
// notification was sent more than 24 hours later. Then the message was imported, or fell
// out of the stream, and how long the notification was on its way counts.
func posted(n postroom.Notification, sent time.Time) time.Time {
	at, err := postroom.ParseTime(n.Time)
	if err != nil || sent.Sub(at) > backend.StreamRetention {
		return sent
	}
	return at
}

func (t *timed) collector() prometheus.Collector {
	type stats struct {
		Delivered metric.Histogram `metric:"postroom_delivered_seconds" help:"Time from the posting of a message to the delivery of a notification of it, which the sink has accepted."`
	}
	return metric.Struct(func() stats { return stats{t.delivered.Histogram()} })
}
