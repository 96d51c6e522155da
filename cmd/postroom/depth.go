package main

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/metric"
	"github.com/postroom/postroom/internal/retry"
)

const (
	// depthPeriod is how often a daemon with a server asks for the depth of the queues:
	// two calls each time, and each of them is billed.
	depthPeriod = 30 * time.Second
	// depthTimeout bounds one call.
	depthTimeout = 10 * time.Second
)

// depths is what is in the queue and in its dead-letter queue. NaN: that is not known,
// since the queue has not answered lately.
type depths struct {
	Visible  float64 `metric:"postroom_queue_visible_messages" help:"Notifications in the queue that wait for a consumer; NaN where the queue does not answer."`
	InFlight float64 `metric:"postroom_queue_in_flight_messages" help:"Notifications that consumers have in flight; NaN where the queue does not answer."`
	Dead     float64 `metric:"postroom_dead_letters" help:"Messages in the dead-letter queue; NaN where it does not answer."`
}

// depthGauge asks for the depths every so often.
type depthGauge struct {
	queue, dead backend.Queue

	mu   sync.Mutex
	last depths
}

func (a *app) newDepthGauge() *depthGauge {
	unknown := math.NaN()
	return &depthGauge{
		queue: a.backend.Queue(a.queue), dead: a.backend.Queue(postroom.DeadLetterQueue(a.queue)),
		last: depths{unknown, unknown, unknown},
	}
}

func (g *depthGauge) collector() prometheus.Collector {
	return metric.Struct(func() depths {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.last
	})
}

// run asks until ctx is done.
func (g *depthGauge) run(ctx context.Context) error {
	ticker := time.NewTicker(depthPeriod)
	defer ticker.Stop()
	for {
		g.ask(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// ask notes what the queues answer. That they do not is for those to log who work them.
func (g *depthGauge) ask(ctx context.Context) {
	unknown := math.NaN()
	d := depths{unknown, unknown, unknown}
	oneCall := retry.Policy{Timeout: depthTimeout}
	if depth, err := retry.Once(ctx, oneCall, g.queue.Depth); err == nil {
		d.Visible, d.InFlight = float64(depth.Visible), float64(depth.InFlight)
	}
	letters := func(ctx context.Context) (int, error) {
		n, _, err := lettersIn(ctx, g.dead)
		return n, err
	}
	if n, err := retry.Once(ctx, oneCall, letters); err == nil {
		d.Dead = float64(n)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = d
}
