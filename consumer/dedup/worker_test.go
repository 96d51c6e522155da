package dedup

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/consumer"
)

// Two workers of one queue share a table: what is sent again is dropped, and an
// outage of the table, be it longer than the queue's visibility timeout, consumes
// no receive counts.
func TestQ12WorkersShareATable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBackend(t)
		must(t, b.CreateQueue(t.Context(), backend.QueueSpec{Name: "dead", RetentionSeconds: 14 * 86400}))
		must(t, b.CreateQueue(t.Context(), backend.QueueSpec{
			Name: "bells", VisibilitySeconds: 30, RetentionSeconds: 14 * 86400, DeadLetterQueue: "dead", MaxReceiveCount: 2,
		}))
		queue := b.Queue("bells")
		var away atomic.Bool
		table := faultyTable(b, func() backendtest.Fault {
			if away.Load() {
				return backendtest.Fault{Kind: backend.KindUnavailable}
			}
			return backendtest.Fault{}
		})
		next := &sink{do: takes(time.Minute)}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		handlers := [2]*Handler{}
		for i := range handlers {
			handlers[i] = newHandler(t, next, NewTable(table), Options{})
			w, err := consumer.New(queue, handlers[i], consumer.Options{Concurrency: 1})
			must(t, err)
			go func() { ended <- w.Run(ctx) }()
		}
		send := func() {
			_, err := queue.Send(t.Context(), []backend.SendEntry{{Body: "a"}})
			must(t, err)
		}
		away.Store(true)
		send()
		time.Sleep(5 * time.Minute)
		next.wants(t, 0)
		away.Store(false)
		time.Sleep(2 * time.Minute)
		next.wants(t, 1)
		for range 20 {
			send()
		}
		time.Sleep(5 * time.Minute)
		next.wants(t, 1)
		for name, want := range map[string]backend.Depth{"bells": {}, "dead": {}} {
			got, err := b.Queue(name).Depth(t.Context())
			if err != nil || got != want {
				t.Errorf("%s: %+v, error %v", name, got, err)
			}
		}
		if dropped := handlers[0].Stats().Dropped + handlers[1].Stats().Dropped; dropped != 20 {
			t.Errorf("%d dropped", dropped)
		}
		stop()
		for range handlers {
			must(t, <-ended)
		}
	})
}
