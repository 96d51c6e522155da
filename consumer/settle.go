package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

const (
	// linger is how long an incomplete batch waits for more.
	linger = 5 * time.Millisecond
	// parallelDeletes is how many batches of deletes are on their way at once.
	parallelDeletes = 4
	// callTimeout bounds one call that settles messages.
	callTimeout = 10 * time.Second
)

// settleCall settles messages with one call to the queue.
type settleCall func(ctx context.Context, calls []call) ([]backend.EntryError, error)

func (w *Worker) delete(ctx context.Context, calls []call) ([]backend.EntryError, error) {
	receipts := make([]string, len(calls))
	for i, c := range calls {
		receipts[i] = c.receipt
	}
	return w.queue.Delete(ctx, receipts)
}

func (w *Worker) giveBack(ctx context.Context, calls []call) ([]backend.EntryError, error) {
	changes := make([]backend.VisibilityChange, len(calls))
	for i, hide := range w.hand.hideFor(calls) {
		changes[i] = backend.VisibilityChange{Receipt: calls[i].receipt, Timeout: hide}
	}
	return w.queue.ChangeVisibility(ctx, changes)
}

// settle takes messages in batches until their flow ends, with several calls
// under way at once.
func (w *Worker) settle(ctx context.Context, work *trouble.Work, in <-chan *held, parallel int, do settleCall) {
	var calls sync.WaitGroup
	defer calls.Wait()
	permits := make(chan struct{}, parallel)
	for {
		batch := collect(in)
		if len(batch) == 0 {
			return
		}
		permits <- struct{}{}
		calls.Go(func() {
			w.settleBatch(ctx, work, batch, do)
			<-permits
		})
	}
}

// collect returns the next batch: a full one, or what came within linger. It is
// empty at the end.
func collect(in <-chan *held) []*held {
	first, ok := <-in
	if !ok {
		return nil
	}
	batch := append(make([]*held, 0, backend.MaxQueueBatch), first)
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

// settleBatch settles a batch, each entry on its own, until nothing is left of
// it or ctx is done.
func (w *Worker) settleBatch(ctx context.Context, work *trouble.Work, batch []*held, do settleCall) {
	who := batch[0].MessageID
	for {
		calls := w.hand.begin(batch)
		if len(calls) == 0 {
			break
		}
		failed, err := callOnce(ctx, func(ctx context.Context) ([]backend.EntryError, error) { return do(ctx, calls) })
		outcomes := make([]outcome, len(calls))
		if err == nil {
			outcomes, err = w.sortOut(ctx, work, calls, failed)
		}
		batch = w.hand.told(calls, outcomes)
		if err == nil {
			continue
		}
		pause, _ := work.Failed(ctx, who, err)
		if trouble.Sleep(ctx, pause, nil) != nil {
			return
		}
	}
	work.Worked(who)
}

// sortOut tells what became of each part of a call. The error is of one that
// failed, and asks for a pause. A message that the queue refuses to settle is
// given up: it comes again.
func (w *Worker) sortOut(
	ctx context.Context, work *trouble.Work, calls []call, failed []backend.EntryError,
) (outcomes []outcome, err error) {
	outcomes = make([]outcome, len(calls))
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
		work.Failed(ctx, who, e)
		work.Worked(who)
	}
	return outcomes, err
}

func callOnce[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errNoAnswer)
	defer cancel()
	return call(ctx)
}
