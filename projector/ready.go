package projector

import (
	"slices"
	"sync"
)

// ready is a first-in, first-out queue of what can be worked on now, and of what
// may wait until there is nothing else. It is not bounded itself: what enters was
// admitted by the reader's in-flight limit, or by backfill's window.
type ready[T comparable] struct {
	mu     sync.Mutex
	filled sync.Cond
	items  []T
	low    []T
	closed bool
}

func newReady[T comparable]() *ready[T] {
	r := &ready[T]{}
	r.filled.L = &r.mu
	return r
}

func (r *ready[T]) push(items ...T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, items...)
	for range items {
		r.filled.Signal()
	}
}

func (r *ready[T]) pushLow(item T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.low = append(r.low, item)
	r.filled.Signal()
}

// promote lets an item that may wait do so no longer.
func (r *ready[T]) promote(item T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.low, item); i >= 0 {
		r.low = slices.Delete(r.low, i, i+1)
		r.items = append(r.items, item)
	}
}

// pop waits for up to n items; none: the queue is closed.
func (r *ready[T]) pop(n int) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.items)+len(r.low) == 0 && !r.closed {
		r.filled.Wait()
	}
	if r.closed {
		return nil
	}
	from := &r.items
	if len(r.items) == 0 {
		from = &r.low
	}
	n = min(n, len(*from))
	taken := append([]T(nil), (*from)[:n]...)
	clear((*from)[:n])
	if *from = (*from)[n:]; len(*from) == 0 {
		*from = nil
	}
	return taken
}

// close ends every pop, now and later. What is still queued stays undone.
func (r *ready[T]) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.filled.Broadcast()
}
