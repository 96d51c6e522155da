package consumer

import (
	"context"
	"maps"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
)

// maxReason bounds a dead letter's reason, in bytes.
const maxReason = 1 << 10

// deadLetter sends messages to the dead-letter queue until their channel is
// closed, and has each deleted that the dead-letter queue has taken.
func (w *Worker) deadLetter(ctx context.Context) {
	for unsent := range batches(w.inFlight.deadLetters) {
		who := unsent[0].MessageID
		for len(unsent) > 0 {
			var err error
			unsent, err = w.sendDeadLetters(ctx, unsent)
			if err != nil && !again(ctx, w.deadLettering, who, err) {
				return
			}
		}
		w.deadLettering.Succeeded(who)
	}
}

// sendDeadLetters makes one call, and returns the messages that are still to be
// sent.
func (w *Worker) sendDeadLetters(ctx context.Context, messages []*message) (unsent []*message, err error) {
	entries := make([]backend.SendEntry, len(messages))
	for i, m := range messages {
		entries[i] = m.asDeadLetter()
	}
	now, later := batch.Next(entries)
	sent := batch.Pick(messages, now)
	err = w.deadLettering.Once(ctx, func(ctx context.Context) error {
		failed, err := w.opts.DeadLetters.Send(ctx, batch.Pick(entries, now))
		if err == nil {
			unsent, err = w.sentDeadLetters(sent, failed)
		} else {
			unsent = sent
		}
		return err
	})
	return append(unsent, batch.Pick(messages, later)...), err
}

// sentDeadLetters settles what was sent, each message on its own, and returns the
// messages to send again. One that the dead-letter queue refuses is hidden, as
// after any other failure.
func (w *Worker) sentDeadLetters(sent []*message, failed []backend.EntryError) (again []*message, err error) {
	errs := make(map[int]backend.EntryError, len(failed))
	for _, e := range failed {
		errs[e.Index] = e
	}
	w.inFlight.mu.Lock()
	defer w.inFlight.mu.Unlock()
	for i, m := range sent {
		switch e, bad := errs[i]; {
		case !bad:
			w.inFlight.stats.DeadLettered++
			w.inFlight.decide(m, disposition{action: handled})
		case e.SenderFault:
			w.opts.Logger.Error("the dead-letter queue refuses a message, which comes again", "message", m.MessageID, "error", e)
			w.inFlight.decide(m, disposition{action: hidden, hide: w.backoff(m.ReceiveCount)})
		default:
			again, err = append(again, m), e
		}
	}
	return again, err
}

// asDeadLetter returns the message as it goes to the dead-letter queue. Its id is
// the deduplication id: sent again, after a lost answer or by another worker, it
// is the same message.
func (m *message) asDeadLetter() backend.SendEntry {
	e := backend.SendEntry{Body: m.Body, GroupID: m.GroupID, Attributes: maps.Clone(m.Attributes)}
	if m.DeduplicationID != "" { // from a FIFO queue, whose dead-letter queue is one too
		e.DeduplicationID = m.MessageID
	}
	if len(e.Attributes) < backend.MaxAttributes || e.Attributes[ReasonAttribute] != "" {
		if e.Attributes == nil {
			e.Attributes = map[string]string{}
		}
		e.Attributes[ReasonAttribute] = m.disposition.reason
	}
	return e
}
