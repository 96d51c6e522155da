package webhook

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
)

// Outcome is what happened to a message; see the table in the documentation of the
// package.
type Outcome string

// The outcomes. After Poison and Disabled, and if a message was Cancelled while it
// waited, nothing was sent.
const (
	Delivered   Outcome = "delivered"
	Refused     Outcome = "refused"
	Gone        Outcome = "gone"
	Throttled   Outcome = "throttled"
	Redirected  Outcome = "redirected"
	ClientError Outcome = "client_error"
	ServerError Outcome = "server_error"
	TimedOut    Outcome = "timeout"
	Unreachable Outcome = "unreachable"
	Forbidden   Outcome = "forbidden_address"
	Poison      Outcome = "poison"
	Disabled    Outcome = "disabled"
	Cancelled   Outcome = "cancelled"
)

var outcomes = []Outcome{
	Delivered, Refused, Gone, Throttled, Redirected, ClientError, ServerError,
	TimedOut, Unreachable, Forbidden, Poison, Disabled, Cancelled,
}

// Stats counts what a sink did since it was made.
type Stats struct {
	Messages    map[Outcome]int64 `metric:"postroom_webhook_messages_total" label:"outcome" help:"Messages handled by the webhook, by outcome."`
	Requests    int64             `metric:"postroom_webhook_requests_total" help:"Requests that have ended; each hop of a redirect is one."`
	RequestTime time.Duration     `metric:"postroom_webhook_request_seconds_total" help:"Time that all requests took together."`
	InFlight    int64             `metric:"postroom_webhook_requests_in_flight" help:"Requests under way."`
	PauseLeft   time.Duration     `metric:"postroom_webhook_pause_seconds" help:"For how long nothing will be sent, as the receiver asked."`
	Disabled    bool              `metric:"postroom_webhook_disabled" help:"1 once the receiver has answered that it wants no more events."`
}

func (s *Sink) count(add func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.stats)
}

// Stats returns the counts so far.
func (s *Sink) Stats() Stats {
	s.mu.Lock()
	stats := s.stats
	stats.Messages = maps.Clone(stats.Messages)
	s.mu.Unlock()
	stats.PauseLeft = s.gate.pauseLeft()
	stats.Disabled = s.Disabled() != nil
	return stats
}

// Collector returns the sink's metrics: its [Stats].
func (s *Sink) Collector() prometheus.Collector {
	return metric.Struct(s.Stats)
}
