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
	Messages    map[Outcome]int64 `metric:"postroom_webhook_messages_total" label:"outcome" help:"Messages handled by the webhook, by outcome."`
	Requests    int64             `metric:"postroom_webhook_requests_total" help:"Requests that have ended; each hop of a redirect is one."`
	RequestTime time.Duration     `metric:"postroom_webhook_request_seconds_total" help:"Time that all requests took together."`
	InFlight    int64             `metric:"postroom_webhook_requests_in_flight" help:"Requests under way."`
	PauseLeft   time.Duration     `metric:"postroom_webhook_pause_seconds" help:"For how long nothing will be sent, as the receiver asked."`
	Disabled    bool              `metric:"postroom_webhook_disabled" help:"1 once the receiver has answered that it wants no more events."`
}

// tally keeps the counts.
type tally struct {
	mu    sync.Mutex
	stats Stats
}

// newTally returns a tally with a zero for every outcome, so that each shows from
// the start.
func newTally() *tally {
	t := &tally{stats: Stats{Messages: make(map[Outcome]int64, len(outcomes))}}
	for _, o := range outcomes {
		t.stats.Messages[o] = 0
	}
	return t
}

func (t *tally) add(o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
	return metric.Struct(s.Stats)
}
