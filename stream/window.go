package stream

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// window bounds the records that are delivered and not acknowledged, over all
// shards and runs of a reader, by count and by size.
type window struct {
	count, bytes          *semaphore.Weighted
	most                  int64 // records
	waiting, waitingBytes atomic.Int64
}

func newWindow(o Options) *window {
	return &window{
		count: semaphore.NewWeighted(int64(o.MaxInFlight)), most: int64(o.MaxInFlight),
		bytes: semaphore.NewWeighted(o.MaxInFlightBytes),
	}
}

// enter waits for room for n records, which may not take more than there is.
func (w *window) enter(ctx context.Context, n int, sizeBytes int64) error {
	if err := w.count.Acquire(ctx, int64(n)); err != nil {
		return err
	}
	if err := w.bytes.Acquire(ctx, sizeBytes); err != nil {
		w.count.Release(int64(n))
		return err
	}
	w.waiting.Add(int64(n))
	w.waitingBytes.Add(sizeBytes)
	return nil
}

// leave gives back room, and returns how many records are left.
func (w *window) leave(n int, sizeBytes int64) (left int64) {
	left = w.waiting.Add(int64(-n))
	w.waitingBytes.Add(-sizeBytes)
	w.count.Release(int64(n))
	w.bytes.Release(sizeBytes)
	return left
}

// open waits until there is some room.
func (w *window) open(ctx context.Context) error {
	for _, s := range []*semaphore.Weighted{w.count, w.bytes} {
		if err := s.Acquire(ctx, 1); err != nil {
			return err
		}
		s.Release(1)
	}
	return nil
}

// empty waits until nothing is left in it.
func (w *window) empty(ctx context.Context) error {
	if err := w.count.Acquire(ctx, w.most); err != nil {
		return err
	}
	w.count.Release(w.most)
	return nil
}
