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

// settleLocked lets a message leave the hand. It is not extended from here on,
// and an extension under way ends first: one that landed after a backoff would
// hide the message for longer.
func (h *hand) settleLocked(s settlement) {
	s.settling = true
	if s.extending {
		s.deferred = &s
		return
	}
	h.submit(s)
}

func (h *hand) submit(s settlement) {
	switch {
	case h.closed: // abandoned by the drain; it comes again
	case s.delete:
		h.deletes <- s
	default:
		h.changes <- s
	}
}

// settled reports what became of settlements: true for those that are done,
// false for those that the queue refuses for good. It returns the ones to do
// again because a newer receipt came meanwhile.
func (h *hand) settled(batch []settlement, receipts []string, done []bool) (again []settlement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, s := range batch {
		if s.Receipt != receipts[i] {
			again = append(again, s)
			continue
		}
		delete(h.messages, s.MessageID)
		switch {
		case s.delete && done[i]:
			h.stats.Deleted++
		case s.delete:
			h.stats.DeleteFailed++
			h.handled.Add(s.MessageID, struct{}{})
		case done[i] && !s.failed:
			h.stats.GivenBack++
		}
	}
	h.lastSettled = time.Now()
	h.room.Broadcast()
	return again
}

// receiptsOf returns the newest receipts of a batch.
func (h *hand) receiptsOf(batch []settlement) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	receipts := make([]string, len(batch))
	for i, s := range batch {
		receipts[i] = s.Receipt
	}
	return receipts
}

// settleCall settles a batch with one call to the queue.
type settleCall func(ctx context.Context, batch []settlement, receipts []string) ([]backend.EntryError, error)

func (w *Worker) delete(ctx context.Context, _ []settlement, receipts []string) ([]backend.EntryError, error) {
	return w.queue.Delete(ctx, receipts)
}

func (w *Worker) giveBack(ctx context.Context, batch []settlement, receipts []string) ([]backend.EntryError, error) {
	changes := make([]backend.VisibilityChange, len(batch))
	for i, s := range batch {
		changes[i] = backend.VisibilityChange{Receipt: receipts[i], Timeout: s.visible}
	}
	return w.queue.ChangeVisibility(ctx, changes)
}

// settle takes settlements in batches until their flow ends, with several calls
// under way at once.
func (w *Worker) settle(ctx context.Context, work *trouble.Work, in <-chan settlement, parallel int, call settleCall) {
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
			w.settleBatch(ctx, work, batch, call)
			<-permits
		})
	}
}

// collect returns the next batch: a full one, or what came within linger. It is
// empty at the end.
func collect(in <-chan settlement) []settlement {
	first, ok := <-in
	if !ok {
		return nil
	}
	batch := append(make([]settlement, 0, backend.MaxQueueBatch), first)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(batch) < backend.MaxQueueBatch {
		select {
		case s, ok := <-in:
			if !ok {
				return batch
			}
			batch = append(batch, s)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// settleBatch settles a batch, each entry on its own, until nothing is left of
// it or ctx is done.
func (w *Worker) settleBatch(ctx context.Context, work *trouble.Work, batch []settlement, call settleCall) {
	who := batch[0].MessageID
	for len(batch) > 0 {
		receipts := w.hand.receiptsOf(batch)
		failed, err := callOnce(ctx, func(ctx context.Context) ([]backend.EntryError, error) {
			return call(ctx, batch, receipts)
		})
		if err == nil {
			batch, err = w.sortOut(ctx, work, batch, receipts, failed)
		}
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

// sortOut keeps of a batch what has to be tried again. The error is of an entry
// that failed, and asks for a pause. A message that the queue refuses to settle
// is given up: it comes again.
func (w *Worker) sortOut(
	ctx context.Context, work *trouble.Work, batch []settlement, receipts []string, failed []backend.EntryError,
) (again []settlement, err error) {
	fate := make(map[int]backend.EntryError, len(failed))
	for _, e := range failed {
		fate[e.Index] = e
	}
	var settled []settlement
	var used []string
	var done []bool
	for i, s := range batch {
		e, bad := fate[i]
		if bad && !e.SenderFault {
			again, err = append(again, s), e
			continue
		}
		if bad {
			work.Failed(ctx, s.MessageID, e)
			work.Worked(s.MessageID)
		}
		settled, used, done = append(settled, s), append(used, receipts[i]), append(done, !bad)
	}
	return append(again, w.hand.settled(settled, used, done)...), err
}

func callOnce[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errNoAnswer)
	defer cancel()
	return call(ctx)
}
