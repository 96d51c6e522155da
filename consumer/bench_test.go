package consumer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/consumer"
)

// BenchmarkWorker empties a FIFO queue of the local backend, with a handler
// that does nothing: an operation is one message, received and deleted.
func BenchmarkWorker(b *testing.B) {
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	store, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	const name = "bench.fifo"
	if err := store.CreateQueue(ctx, backend.QueueSpec{Name: name, VisibilitySeconds: 30, RetentionSeconds: 3600}); err != nil {
		b.Fatal(err)
	}
	queue := store.Queue(name)
	fill(ctx, b, queue)

	done := make(chan struct{})
	var handled atomic.Int64
	worker, err := consumer.New(queue, consumer.HandlerFunc(func(context.Context, backend.Delivery) error {
		if handled.Add(1) == int64(b.N) {
			close(done)
		}
		return nil
	}), consumer.Options{Wait: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	b.ResetTimer()
	go func() { ended <- worker.Run(ctx) }()
	<-done
	b.StopTimer()
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// fill sends b.N messages in 200 groups.
func fill(ctx context.Context, b *testing.B, queue backend.Queue) {
	b.Helper()
	for n := 0; n < b.N; {
		var batch []backend.SendEntry
		for ; n < b.N && len(batch) < backend.MaxQueueBatch; n++ {
			batch = append(batch, backend.SendEntry{
				Body: `{"id":"x"}`, GroupID: fmt.Sprint(n % 200), DeduplicationID: fmt.Sprint(n),
			})
		}
		if failed, err := queue.Send(ctx, batch); err != nil || failed != nil {
			b.Fatal(failed, err)
		}
	}
}
