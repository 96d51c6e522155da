package local

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

// benchBody is as long as a notification.
var benchBody = func() string {
	b := make([]byte, 600)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}()

// BenchmarkQueueFlow sends b.N messages over 237 groups, in batches with one
// entry a group, while receivers receive and delete them in batches of ten.
func BenchmarkQueueFlow(b *testing.B) {
	for _, backlog := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("backlog=%d", backlog), func(b *testing.B) { benchmarkFlow(b, backlog) })
	}
}

func benchmarkFlow(b *testing.B, backlog int) {
	const groups, senders, receivers = 237, 2, 2
	ctx := b.Context()
	store := open(b, filepath.Join(b.TempDir(), "q.db"), Options{})
	spec := fifoSpec("q")
	if err := store.CreateQueue(ctx, spec); err != nil {
		b.Fatal(err)
	}
	q := store.Queue(spec.Name)
	if err := sendNumbered(ctx, q, 0, 1, backlog, groups); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	var g errgroup.Group
	for s := range senders {
		g.Go(func() error { return sendNumbered(ctx, q, backlog/10+s, senders, b.N/senders, groups) })
	}
	var left atomic.Int64
	left.Store(int64(b.N / senders * senders))
	for range receivers {
		g.Go(func() error { return drainQueue(ctx, q, &left) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// sendNumbered sends n messages as batches number first, first+step, …
func sendNumbered(ctx context.Context, q backend.Queue, first, step, n, groups int) error {
	for batch := first; n > 0; batch += step {
		entries := make([]backend.SendEntry, min(n, backend.MaxQueueBatch))
		for i := range entries {
			number := batch*backend.MaxQueueBatch + i
			entries[i] = backend.SendEntry{
				Body:            benchBody,
				GroupID:         fmt.Sprintf("5f0c1d6e-0000-4000-8000-%012d", number%groups),
				DeduplicationID: fmt.Sprintf("%064d", number),
			}
		}
		failed, err := q.Send(ctx, entries)
		if err != nil || len(failed) > 0 {
			return fmt.Errorf("send: %v %w", failed, err)
		}
		n -= len(entries)
	}
	return nil
}

// drainQueue receives and deletes until none is left to be received.
func drainQueue(ctx context.Context, q backend.Queue, left *atomic.Int64) error {
	for left.Load() > 0 {
		ds, err := q.Receive(ctx, backend.MaxQueueBatch, time.Second, 30*time.Second)
		if err != nil {
			return err
		}
		if len(ds) == 0 {
			continue
		}
		receipts := make([]string, len(ds))
		for i, d := range ds {
			receipts[i] = d.Receipt
		}
		if _, err := q.Delete(ctx, receipts); err != nil {
			return err
		}
		left.Add(-int64(len(ds)))
	}
	return nil
}

// BenchmarkQueueReceiveBlocked receives from one free group beside 100,000
// messages in blocked groups.
func BenchmarkQueueReceiveBlocked(b *testing.B) {
	const blocked, groups = 100_000, 200
	ctx := b.Context()
	store := open(b, filepath.Join(b.TempDir(), "q.db"), Options{})
	spec := fifoSpec("q")
	if err := store.CreateQueue(ctx, spec); err != nil {
		b.Fatal(err)
	}
	q := store.Queue(spec.Name)
	if err := sendNumbered(ctx, q, 0, 1, blocked, groups); err != nil {
		b.Fatal(err)
	}
	for range groups {
		// The oldest group comes first: this blocks one after the other.
		if _, err := q.Receive(ctx, 1, 0, backend.MaxVisibility); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for i := range b.N {
		free := []backend.SendEntry{{Body: benchBody, GroupID: "free", DeduplicationID: fmt.Sprint(i)}}
		if _, err := q.Send(ctx, free); err != nil {
			b.Fatal(err)
		}
		ds, err := q.Receive(ctx, backend.MaxQueueBatch, 0, 30*time.Second)
		if err != nil || len(ds) != 1 {
			b.Fatalf("received %d messages, error %v", len(ds), err)
		}
		if _, err := q.Delete(ctx, []string{ds[0].Receipt}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQueueDepth counts 100,000 messages.
func BenchmarkQueueDepth(b *testing.B) {
	ctx := b.Context()
	store := open(b, filepath.Join(b.TempDir(), "q.db"), Options{})
	spec := fifoSpec("q")
	if err := store.CreateQueue(ctx, spec); err != nil {
		b.Fatal(err)
	}
	q := store.Queue(spec.Name)
	if err := sendNumbered(ctx, q, 0, 1, 100_000, 237); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if d, err := q.Depth(ctx); err != nil || d.Visible != 100_000 {
			b.Fatal(d, err)
		}
	}
}
