package webhook

import (
	"maps"
	"sync"
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
	Messages    map[Outcome]int64 // messages handled, by outcome
	Requests    int64             // requests that have ended; each hop of a redirect is one
	RequestTime time.Duration     // the time that these took together
	InFlight    int64             // requests under way
	PauseLeft   time.Duration     // for how long nothing will be sent
	Disabled    bool              // the receiver is gone
}

// tally keeps the counts. The zero tally is ready to use.
type tally struct {
	mu    sync.Mutex
	stats Stats
}

func (t *tally) add(o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stats.Messages == nil {
		t.stats.Messages = map[Outcome]int64{}
	}
	t.stats.Messages[o]++
}

// began counts a request that begins. Call ended when it ends.
func (t *tally) began() (ended func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.InFlight++
	begin := time.Now()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.stats.InFlight--
		t.stats.Requests++
		t.stats.RequestTime += time.Since(begin)
	}
}

func (t *tally) snapshot() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats := t.stats
	stats.Messages = maps.Clone(stats.Messages)
	return stats
}

// Stats returns the counts so far.
func (s *Sink) Stats() Stats {
	stats := s.tally.snapshot()
	stats.PauseLeft = s.gate.pauseLeft()
	stats.Disabled = s.Disabled() != nil
	return stats
}

// Collector returns the sink's metrics: its [Stats].
func (s *Sink) Collector() prometheus.Collector {
	return metric.Collector(s.Stats, metrics()...)
}

func metrics() []metric.Metric[Stats] {
	all := []metric.Metric[Stats]{
		metric.Counter("postroom_webhook_requests_total", "Requests that have ended; each hop of a redirect is one.",
			func(s Stats) int64 { return s.Requests }),
		metric.Counter("postroom_webhook_request_seconds_total", "Time that all requests took together.",
			func(s Stats) float64 { return s.RequestTime.Seconds() }),
		metric.Gauge("postroom_webhook_requests_in_flight", "Requests under way.",
			func(s Stats) float64 { return float64(s.InFlight) }),
		metric.Gauge("postroom_webhook_pause_seconds", "For how long nothing will be sent, as the receiver asked.",
			func(s Stats) float64 { return s.PauseLeft.Seconds() }),
		metric.Gauge("postroom_webhook_disabled", "1 once the receiver has answered that it wants no more events.",
			func(s Stats) float64 {
				if s.Disabled {
					return 1
				}
				return 0
			}),
	}
	for _, o := range outcomes {
		all = append(all, metric.LabelledCounter("postroom_webhook_messages_total",
			"Messages handled by the webhook, by outcome.", prometheus.Labels{"outcome": string(o)},
			func(s Stats) int64 { return s.Messages[o] }))
	}
	return all
}
