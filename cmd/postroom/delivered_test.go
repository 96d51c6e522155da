package main

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

// What counts is the time since the message was posted; since its notification was sent
// where the message is much older; and none where the clock of its producer is ahead.
func TestDeliveredLatency(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		created, sent time.Duration // ago
		within        float64       // the bucket
		not           float64       // the one before
	}{
		"just posted":             {3 * time.Second, 2 * time.Second, 5, 2},
		"the queue was down":      {20 * time.Minute, 20 * time.Minute, 1800, 300},
		"the projector was":       {23 * time.Hour, time.Second, math.Inf(1), 7200},
		"imported":                {9000 * time.Hour, 3 * time.Second, 5, 2},
		"a producer's fast clock": {-time.Hour, 3 * time.Second, 0.005, 0},
	} {
		m := postroom.Message{GroupUUID: postroom.PairUUID(ada, bob), UserUUID: ada, CreatedAt: now.Add(-c.created)}
		fail := errors.New("not yet")
		s := &timed{next: consumer.HandlerFunc(func(context.Context, backend.Delivery) error { return fail })}
		d := backend.Delivery{Body: postroom.NewNotification("t", m, bob).Encode(), SentAt: now.Add(-c.sent)}
		if err := s.Handle(t.Context(), d); !errors.Is(err, fail) || s.delivered.Histogram().Count != 0 {
			t.Errorf("%s: %v; a failed delivery is counted", name, err)
		}
		fail = nil
		if err := s.Handle(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		h := s.delivered.Histogram()
		h.Buckets[math.Inf(1)] = h.Count
		if h.Buckets[c.within] != 1 || h.Buckets[c.not] != 0 {
			t.Errorf("%s: %+v, want one within %v s and none within %v s", name, h, c.within, c.not)
		}
	}
}

type fakeDepth struct {
	backend.Queue

	mu    sync.Mutex
	depth backend.Depth
	err   error
}

func (q *fakeDepth) Depth(context.Context) (backend.Depth, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.depth, q.err
}

func (q *fakeDepth) set(depth backend.Depth, kind backend.Kind) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.depth, q.err = depth, nil
	if kind != backend.KindUnknown {
		q.depth, q.err = backend.Depth{}, &backend.Error{Kind: kind}
	}
}

// A queue that does not answer has no depth, rather than an old one; and where there is
// no dead-letter queue there are no letters.
func TestDepthGauge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := &fakeDepth{depth: backend.Depth{Visible: 7, InFlight: 3, Delayed: 100}}
		dead := &fakeDepth{depth: backend.Depth{Visible: 1, InFlight: 2, Delayed: 4}}
		g := &depthGauge{queue: queue, dead: dead}
		want := func(d depths) {
			t.Helper()
			g.mu.Lock()
			defer g.mu.Unlock()
			same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
			if !same(d.Visible, g.last.Visible) || !same(d.InFlight, g.last.InFlight) || !same(d.Dead, g.last.Dead) {
				t.Errorf("depths %+v, want %+v", g.last, d)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.run(ctx) }()
		synctest.Wait()
		want(depths{7, 3, 7})
		queue.set(backend.Depth{}, backend.KindUnavailable)
		dead.set(backend.Depth{}, backend.KindNotFound)
		time.Sleep(depthPeriod + time.Second)
		want(depths{math.NaN(), math.NaN(), 0})
		queue.set(backend.Depth{Visible: 7, InFlight: 3}, backend.KindUnknown)
		dead.set(backend.Depth{}, backend.KindUnavailable)
		time.Sleep(depthPeriod)
		want(depths{7, 3, math.NaN()})
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
