package consumer

import (
	"context"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// A message is extended when between three and four eighths of its visibility
// have passed: every eighth the extender looks for messages that are due.
func extendAfter(visibility time.Duration) time.Duration  { return visibility * 3 / 8 }
func extendPeriod(visibility time.Duration) time.Duration { return visibility / 8 }

const extender = "all messages in flight"

// extend keeps every message in flight hidden until ctx is done.
func (w *Worker) extend(ctx context.Context) {
	ticker := time.NewTicker(extendPeriod(w.opts.Visibility))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		due := w.inFlight.due()
		if len(due) == 0 {
			w.extending.Succeeded(extender) // the messages that failed were settled meanwhile
		}
		for batch := range slices.Chunk(due, backend.MaxQueueBatch) {
			w.extendBatch(ctx, batch)
		}
	}
}

// due returns the extensions to be made now, each of which has begun.
func (f *inFlight) due() (due []call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, m := range f.messages {
		if m.calling || m.unextended || now.Before(m.extendAt) {
			continue
		}
		left := m.visibilityLeft(now)
		if left == 0 {
			m.unextended = true
			continue
		}
		m.calling = true
		due = append(due, call{m, m.Receipt, min(f.visibility, left)})
	}
	return due
}

// extendBatch makes one call. A message whose extension failed is due again at the
// next tick; one whose extension the queue refused may come again.
func (w *Worker) extendBatch(ctx context.Context, batch []call) {
	failed, err := retry.Once(ctx, w.extending.Policy, func(ctx context.Context) ([]backend.EntryError, error) { return w.hide(ctx, batch) })
	w.inFlight.extended(batch, failed, err == nil)
	for _, e := range failed {
		err = e
	}
	if err != nil {
		w.extending.Failed(ctx, extender, err)
	} else {
		w.extending.Succeeded(extender)
	}
}

// extended records the outcomes of extensions, and ends their calls.
func (f *inFlight) extended(batch []call, failed []backend.EntryError, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	refused := make(map[int]bool, len(failed))
	for _, e := range failed {
		refused[e.Index] = e.SenderFault
	}
	now := time.Now()
	for i, c := range batch {
		sender, bad := refused[i]
		switch {
		case c.Receipt != c.receipt: // received again meanwhile
		case ok && !bad:
			f.stats.Extended++
			c.extendAt = now.Add(extendAfter(f.visibility))
		case sender:
			c.unextended = true
		}
		f.end(c.message)
	}
}
