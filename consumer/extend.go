package consumer

import (
	"context"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
)

// A message is extended between three and four eighths of its visibility: the
// extender looks every eighth.
func extendAfter(visibility time.Duration) time.Duration  { return visibility * 3 / 8 }
func extendPeriod(visibility time.Duration) time.Duration { return visibility / 8 }

const extender = "all in hand"

// extend keeps everything in hand out of sight until ctx is done.
func (w *Worker) extend(ctx context.Context) {
	ticker := time.NewTicker(extendPeriod(w.opts.Visibility))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		due := w.hand.due()
		if len(due) == 0 {
			w.extending.Worked(extender) // what failed was settled meanwhile
		}
		for batch := range slices.Chunk(due, backend.MaxQueueBatch) {
			w.extendBatch(ctx, batch)
		}
	}
}

// extension is a call that extends a message.
type extension struct {
	call

	timeout time.Duration
}

// due begins and returns what has to be extended now.
func (h *hand) due() []extension {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	var due []extension
	for _, m := range h.messages {
		if m.calling || m.unextended || now.Before(m.extendAt) {
			continue
		}
		left := m.visibilityLeft(now)
		if left == 0 {
			m.unextended = true
			continue
		}
		m.calling = true
		due = append(due, extension{call{m, m.Receipt}, min(h.visibility, left)})
	}
	return due
}

// extendBatch extends a batch. What failed is due again at the next look; what
// the queue refuses may come again.
func (w *Worker) extendBatch(ctx context.Context, batch []extension) {
	changes := make([]backend.VisibilityChange, len(batch))
	for i, e := range batch {
		changes[i] = backend.VisibilityChange{Receipt: e.receipt, Timeout: e.timeout}
	}
	bounded, cancel := context.WithTimeoutCause(ctx, w.opts.Visibility/4, errNoAnswer)
	defer cancel()
	failed, err := w.queue.ChangeVisibility(bounded, changes)
	w.hand.extended(batch, failed, err == nil)
	for _, e := range failed {
		err = e
	}
	if err != nil {
		w.extending.Failed(ctx, extender, err)
	} else {
		w.extending.Worked(extender)
	}
}

// extended takes note of what became of extensions, and lets go on what waited
// for them to end.
func (h *hand) extended(batch []extension, failed []backend.EntryError, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	refused := make(map[int]bool, len(failed))
	for _, e := range failed {
		refused[e.Index] = e.SenderFault
	}
	now := time.Now()
	for i, e := range batch {
		sender, bad := refused[i]
		switch {
		case e.Receipt != e.receipt: // received again meanwhile
		case ok && !bad:
			h.stats.Extended++
			e.extendAt = now.Add(extendAfter(h.visibility))
		case sender:
			e.unextended = true
		}
		h.ended(e.held)
	}
}
