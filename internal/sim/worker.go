package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
)

// Worker is one process as the scheduler sees it.
type Worker struct {
	Name string
	// OnOpen, if set, is called for every iterator that is opened, when the scheduler
	// makes the call. It is set before the first call.
	OnOpen func(arn, shard string)

	s      *Scheduler
	store  *Store
	kill   context.CancelFunc
	dead   bool
	frozen time.Time // until then
}

// Worker returns a process that works on the store. kill is called when the process
// dies; none of its later calls has any effect.
func (s *Scheduler) Worker(name string, store *Store, kill context.CancelFunc) *Worker {
	return &Worker{Name: name, s: s, store: store, kill: kill}
}

// Dead reports whether the worker has died.
func (w *Worker) Dead() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.dead
}

// pass parks a call until the scheduler makes it.
func pass[T any](ctx context.Context, w *Worker, c *call, do func(part int) (T, error)) (T, error) {
	var none, result T
	var err error
	c.w, c.since, c.done = w, time.Now(), make(chan error, 1)
	c.run = func(part int) { result, err = do(part) }
	if refused := w.park(c); refused != nil {
		return none, refused
	}
	if failed := w.s.wait(ctx, c); failed != nil {
		return none, failed
	}
	return result, err
}

// park queues a call, in an order that does not depend on which of two goroutines
// that woke together is first.
func (w *Worker) park(c *call) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.dead {
		return errDead
	}
	c.unsent = time.Now().Before(w.frozen)
	i, _ := slices.BinarySearchFunc(w.s.parked, c, func(a, b *call) int {
		if n := a.since.Compare(b.since); n != 0 {
			return n
		}
		if n := strings.Compare(a.w.Name, b.w.Name); n != 0 {
			return n
		}
		return strings.Compare(a.op, b.op)
	})
	w.s.parked = slices.Insert(w.s.parked, i, c)
	return nil
}

// part returns how many of n entries are carried out: all, or so many in a hundred.
func part(n, of100 int) int {
	if of100 == 0 {
		return n
	}
	return n * of100 / 100
}

// Queue opens a queue whose calls pass the worker's gate.
func (w *Worker) Queue(name string) backend.Queue {
	return &gatedQueue{&queueView{s: w.store, name: name, by: w.Name}, w}
}

type gatedQueue struct {
	backend.Queue

	w *Worker
}

func (q *gatedQueue) Send(ctx context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	c := &call{op: fmt.Sprintf("send %d %.12s", len(entries), entries[0].DeduplicationID), partial: true, send: true}
	return pass(ctx, q.w, c, func(of100 int) ([]backend.EntryError, error) {
		n := part(len(entries), of100)
		if n > 0 {
			if _, err := q.Queue.Send(context.Background(), entries[:n]); err != nil {
				return nil, err
			}
		}
		var failed []backend.EntryError
		for i := n; i < len(entries); i++ {
			failed = append(failed, backend.EntryError{Index: i, Code: "ServiceUnavailable"})
		}
		return failed, nil
	})
}
