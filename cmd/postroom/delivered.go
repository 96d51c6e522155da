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
// a message is delivered. A canary's notification ends here: its recipient is nobody, so
// the sink, which is a customer's receiver, might fail it or act on it.
type timed struct {
	next      consumer.Handler
	delivered metric.Latency
}

// Handle counts what the next handler accepts.
func (t *timed) Handle(ctx context.Context, d backend.Delivery) error {
	n, invalid := postroom.DecodeNotification(d.Body)
	if invalid == nil && postroom.IsCanary(n.Data.GroupUUID) {
		return nil
	}
	if err := t.next.Handle(ctx, d); err != nil {
		return err
	}
	// Of a body that is no notification nothing is known, and one that a replay sent says
	// nothing about how long its message took.
	if invalid == nil && n.Replay == "" {
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
