package shard

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// InFlight limits the records that are delivered and not acknowledged, over all
// shards of a reader, by count and by size.
type InFlight struct {
	count, size         *semaphore.Weighted
	MaxRecords          int
	MaxBytes            int64
	records, bytesTotal atomic.Int64
}

// NewInFlight returns the limit.
func NewInFlight(maxRecords int, maxBytes int64) *InFlight {
	return &InFlight{
		count: semaphore.NewWeighted(int64(maxRecords)), size: semaphore.NewWeighted(maxBytes),
		MaxRecords: maxRecords, MaxBytes: maxBytes,
	}
}

// Records is how many records are in flight, and Bytes how large they are.
func (f *InFlight) Records() int64 { return f.records.Load() }

// Bytes is the size of the records in flight.
func (f *InFlight) Bytes() int64 { return f.bytesTotal.Load() }

// enter waits for room for n records, which may not take more than there is.
func (f *InFlight) enter(ctx context.Context, n int, sizeBytes int64) error {
	if err := f.count.Acquire(ctx, int64(n)); err != nil {
		return err
	}
	if err := f.size.Acquire(ctx, sizeBytes); err != nil {
		f.count.Release(int64(n))
		return err
	}
	f.records.Add(int64(n))
	f.bytesTotal.Add(sizeBytes)
	return nil
}

// leave gives room back, and returns how many records are left.
func (f *InFlight) leave(n int, sizeBytes int64) (left int64) {
	left = f.records.Add(int64(-n))
	f.bytesTotal.Add(-sizeBytes)
	f.count.Release(int64(n))
	f.size.Release(sizeBytes)
	return left
}

// waitForRoom waits until there is some room.
func (f *InFlight) waitForRoom(ctx context.Context) error {
	for _, s := range []*semaphore.Weighted{f.count, f.size} {
		if err := s.Acquire(ctx, 1); err != nil {
			return err
		}
		s.Release(1)
	}
	return nil
}

// WaitUntilEmpty waits until no record is in flight.
func (f *InFlight) WaitUntilEmpty(ctx context.Context) error {
	if err := f.count.Acquire(ctx, int64(f.MaxRecords)); err != nil {
		return err
	}
	f.count.Release(int64(f.MaxRecords))
	return nil
}
