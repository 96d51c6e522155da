package sim

import (
	"context"
	"errors"
	"time"

	"github.com/postroom/postroom/backend"
)

// queueView accepts messages and keeps them: the simulation checks the messages that
// were sent, and has no consumer.
type queueView struct {
	backend.Queue // no other call is made

	s    *Store
	name string
	by   string
}

func (v *queueView) Send(_ context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	if len(entries) == 0 || len(entries) > backend.MaxQueueBatch {
		return nil, fail("Send: number of entries", backend.KindInvalid)
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.s.sent[v.name] = append(v.s.sent[v.name], entries...)
	if v.s.OnSend != nil {
		for _, e := range entries {
			v.s.OnSend(v.by, v.name, e)
		}
	}
	return nil, nil
}

func (v *queueView) Receive(context.Context, int, time.Duration, time.Duration) ([]backend.Delivery, error) {
	return nil, errors.New("nobody receives in the simulation")
}
