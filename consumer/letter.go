package consumer

import (
	"context"
	"maps"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/trouble"
)

// maxReason bounds a dead letter's reason, in bytes.
const maxReason = 1 << 10

// bury sends messages to the dead-letter queue in batches until their flow ends,
// and has each deleted that is there.
func (w *Worker) bury(ctx context.Context) {
	for {
		batch := collect(w.hand.letters)
		if len(batch) == 0 {
			return
		}
		for len(batch) > 0 && ctx.Err() == nil {
			batch = w.buryBatch(ctx, batch)
		}
	}
}

// buryBatch sends one batch, and returns the messages that are to be sent still.
func (w *Worker) buryBatch(ctx context.Context, messages []*held) (left []*held) {
	who := messages[0].MessageID
	entries := make([]backend.SendEntry, len(messages))
	for i, m := range messages {
		entries[i] = m.asLetter()
	}
	now, later := batch.Next(entries)
	failed, err := callOnce(ctx, func(ctx context.Context) ([]backend.EntryError, error) {
		return w.opts.DeadLetters.Send(ctx, batch.Pick(entries, now))
	})
	if err == nil {
		left, err = w.buriedAll(batch.Pick(messages, now), failed)
	} else {
		left = batch.Pick(messages, now)
	}
	if err == nil {
		w.burying.Worked(who)
		return append(left, batch.Pick(messages, later)...)
	}
	pause, _ := w.burying.Failed(ctx, who, err)
	_ = trouble.Sleep(ctx, pause, nil)
	return append(left, batch.Pick(messages, later)...)
}

// buriedAll settles what was sent, each message on its own, and returns those to
// send again. One that the dead-letter queue refuses fails as any other.
func (w *Worker) buriedAll(sent []*held, failed []backend.EntryError) (again []*held, err error) {
	fates := make(map[int]backend.EntryError, len(failed))
	for _, e := range failed {
		fates[e.Index] = e
	}
	for i, m := range sent {
		switch e, bad := fates[i]; {
		case !bad:
			w.hand.buried(m)
		case e.SenderFault:
			w.log.Error("the dead-letter queue refuses a message, which comes again", "message", m.MessageID, "error", e)
			w.hand.unburied(m, w.retryIn(m.ReceiveCount))
		default:
			again, err = append(again, m), e
		}
	}
	return again, err
}

// asLetter is the message as it goes to the dead-letter queue. Its id makes
// sending it again, after a lost answer or by another worker, the same message.
func (m *held) asLetter() backend.SendEntry {
	e := backend.SendEntry{Body: m.Body, GroupID: m.GroupID, Attributes: maps.Clone(m.Attributes)}
	if m.DeduplicationID != "" { // of a FIFO queue, and so is its dead-letter queue
		e.DeduplicationID = m.MessageID
	}
	if len(e.Attributes) < backend.MaxAttributes || e.Attributes[ReasonAttribute] != "" {
		if e.Attributes == nil {
			e.Attributes = make(map[string]string, 1)
		}
		e.Attributes[ReasonAttribute] = m.fate.reason
	}
	return e
}
