package consumer

import (
	"context"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

const (
	// linger is how long an incomplete batch waits for more messages.
	linger = 5 * time.Millisecond
	// parallelDeletes is how many batches are deleted at once.
	parallelDeletes = 4
)

// queueCall makes one call to the queue, which may fail for single entries.
type queueCall func(ctx context.Context, calls []call) ([]backend.EntryError, error)

func (w *Worker) delete(ctx context.Context, calls []call) ([]backend.EntryError, error) {
	receipts := make([]string, len(calls))
	for i, c := range calls {
		receipts[i] = c.receipt
	}
	return w.queue.Delete(ctx, receipts)
}

func (w *Worker) hide(ctx context.Context, calls []call) ([]backend.EntryError, error) {
	changes := make([]backend.VisibilityChange, len(calls))
	for i, c := range calls {
		changes[i] = backend.VisibilityChange{Receipt: c.receipt, Timeout: c.hide}
	}
	return w.queue.ChangeVisibility(ctx, changes)
}

// settle settles the messages that come from a channel until it is closed, in
// batches, of which several may be under way at once.
func (w *Worker) settle(ctx context.Context, loop retry.Loop, in <-chan *message, parallel int, do queueCall) {
	var group errgroup.Group
	group.SetLimit(parallel)
	for batch := range batches(in) {
		group.Go(func() error {
			w.settleBatch(ctx, loop, batch, do)
			return nil
		})
	}
	_ = group.Wait()
}

// batches yields what comes from a channel until it is closed: in full batches,
// or as much as came within the time to linger.
func batches(in <-chan *message) iter.Seq[[]*message] {
	return func(yield func([]*message) bool) {
		for first := range in {
			if !yield(collect(first, in)) {
				return
			}
		}
	}
}

func collect(first *message, in <-chan *message) []*message {
	batch := append(make([]*message, 0, backend.MaxQueueBatch), first)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(batch) < backend.MaxQueueBatch {
		select {
		case m, ok := <-in:
			if !ok {
				return batch
			}
			batch = append(batch, m)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// settleBatch settles a batch, each message on its own, until every message has
// its answer or ctx is done.
func (w *Worker) settleBatch(ctx context.Context, loop retry.Loop, batch []*message, do queueCall) {
	who := batch[0].MessageID
	for {
		calls := w.inFlight.begin(batch)
		if len(calls) == 0 {
			break
		}
		outcomes := make([]outcome, len(calls))
		err := loop.Once(ctx, func(ctx context.Context) error {
			failed, err := do(ctx, calls)
			if err == nil {
				err = sortOut(ctx, loop, calls, failed, outcomes)
			}
			return err
		})
		batch = w.inFlight.answered(calls, outcomes)
		if err != nil && !again(ctx, loop, who, err) {
			return
		}
	}
	loop.Succeeded(who)
}

// sortOut sets the outcome of each entry of a call. It returns the error of one
// that is to be tried again. An entry that the queue refuses is given up: its
// message comes again.
func sortOut(ctx context.Context, loop retry.Loop, calls []call, failed []backend.EntryError, outcomes []outcome) (err error) {
	for i := range outcomes {
		outcomes[i] = done
	}
	for _, e := range failed {
		if !e.SenderFault {
			outcomes[e.Index], err = undone, e
			continue
		}
		outcomes[e.Index] = refused
		who := calls[e.Index].MessageID
		loop.Failed(ctx, who, e)
		loop.Succeeded(who)
	}
	return err
}

// outcome is what the queue did about a message's disposition.
type outcome int

const (
	undone  outcome = iota // nothing yet: try again
	done                   // carried out
	refused                // never to be carried out: the message comes again
)

// begin returns the calls that may be made now for a batch. A message that another
// call names is submitted again when that call ends.
func (f *inFlight) begin(batch []*message) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	calls := make([]call, 0, len(batch))
	for _, m := range batch {
		if m.calling {
			m.pending = true
			continue
		}
		m.calling = true
		calls = append(calls, call{m, m.Receipt, min(m.disposition.hide, m.visibilityLeft(now))})
	}
	return calls
}

// end records that a call for a message has ended, and submits the message if it
// waited for that.
func (f *inFlight) end(m *message) {
	m.calling = false
	if m.pending {
		m.pending = false
		f.submit(m)
	}
}

// answered records the outcomes of calls. It returns the messages to call for
// again: those that are undone, and those of which a newer receipt came meanwhile.
func (f *inFlight) answered(calls []call, outcomes []outcome) (again []*message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range calls {
		c.calling = false
		if outcomes[i] == undone || c.Receipt != c.receipt {
			again = append(again, c.message)
			continue
		}
		f.remove(c.message, outcomes[i])
	}
	f.lastSettled = time.Now()
	f.room.Broadcast()
	return again
}

// remove removes a message that the queue has answered for.
func (f *inFlight) remove(m *message, o outcome) {
	m.state = settled
	delete(f.messages, m.MessageID)
	f.bytes -= m.sizeBytes()
	if m.blocking {
		if f.blocked[m.GroupID]--; f.blocked[m.GroupID] == 0 {
			delete(f.blocked, m.GroupID)
		}
	}
	switch a := m.disposition.action; {
	case a.deletes() && o == done:
		f.stats.Deleted++
	case a.deletes():
		f.stats.DeleteFailed++
		f.handled.Add(m.MessageID, struct{}{})
	case a == released && o == done:
		f.stats.Released++
	}
}
