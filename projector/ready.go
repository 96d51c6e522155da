package projector

import "sync"

// ready is a first-in, first-out queue of what can be worked on now. It is not
// bounded itself: what enters was admitted by the reader's window.
type ready[T any] struct {
	mu     sync.Mutex
	filled sync.Cond
	items  []T
	closed bool
}

func newReady[T any]() *ready[T] {
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

// pop waits for up to n items; none: the queue is closed.
func (r *ready[T]) pop(n int) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.items) == 0 && !r.closed {
		r.filled.Wait()
	}
	if r.closed {
		return nil
	}
	n = min(n, len(r.items))
	taken := append([]T(nil), r.items[:n]...)
	clear(r.items[:n])
	if r.items = r.items[n:]; len(r.items) == 0 {
		r.items = nil
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
