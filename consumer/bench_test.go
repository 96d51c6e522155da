//go:build unix

package consumer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/consumer"
)

// BenchmarkWorker empties a FIFO queue of the local backend, with a handler
// that does nothing: an operation is one message, received and deleted.
func BenchmarkWorker(b *testing.B) {
	benchmarkWorker(b, 16, func() {})
}

// BenchmarkWorkerAndLoop does so with a handler that takes a millisecond, at
// concurrency 64, and beside it by a plain loop that receives ten, handles each
// and deletes it. It also reports the processor time of a message.
//
//	go test -run - -bench WorkerAndLoop -benchtime 100000x ./consumer
func BenchmarkWorkerAndLoop(b *testing.B) {
	handle := func() { time.Sleep(time.Millisecond) }
	b.Run("worker", func(b *testing.B) { benchmarkWorker(b, 64, handle) })
	b.Run("loop", func(b *testing.B) { benchmarkLoop(b, handle) })
}

func benchmarkLoop(b *testing.B, handle func()) {
	ctx := b.Context()
	queue := filled(ctx, b)
	measure(b, func() {
		for n := 0; n < b.N; {
			got, err := queue.Receive(ctx, backend.MaxQueueBatch, time.Second, 30*time.Second)
			if err != nil {
				b.Fatal(err)
			}
			for _, d := range got {
				handle()
				if failed, err := queue.Delete(ctx, []string{d.Receipt}); err != nil || failed != nil {
					b.Fatal(failed, err)
				}
				n++
			}
		}
	})
}

// measure times what handles b.N messages.
func measure(b *testing.B, work func()) {
	before := processorTime(b)
	b.ResetTimer()
	work()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/msg")
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func benchmarkWorker(b *testing.B, concurrency int, handle func()) {
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	queue := filled(ctx, b)
	done := make(chan struct{})
	var handled atomic.Int64
	worker, err := consumer.New(queue, consumer.HandlerFunc(func(context.Context, backend.Delivery) error {
		handle()
		if handled.Add(1) == int64(b.N) {
			close(done)
		}
		return nil
	}), consumer.Options{Wait: time.Second, Concurrency: concurrency})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	measure(b, func() {
		go func() { ended <- worker.Run(ctx) }()
		<-done
		stop()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	})
}

// filled is a queue of b.N messages.
func filled(ctx context.Context, b *testing.B) backend.Queue {
	b.Helper()
	store, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	const name = "bench.fifo"
	if err := store.CreateQueue(ctx, backend.QueueSpec{Name: name, VisibilitySeconds: 30, RetentionSeconds: 3600}); err != nil {
		b.Fatal(err)
	}
	queue := store.Queue(name)
	fill(ctx, b, queue)
	return queue
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
