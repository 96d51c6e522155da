package membership

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// ErrExpired says that another worker has expired this session.
var ErrExpired = errors.New("this worker's session was expired by another worker")

// Heartbeat is what keeps a session alive, and with it all its leases.
type Heartbeat struct {
	renewable[Worker]
	leads  atomic.Bool
	notify atomic.Int64
}

// NewHeartbeat returns the heartbeat of a session that has not joined yet.
func NewHeartbeat(m Member, loop retry.Loop) *Heartbeat {
	h := &Heartbeat{renewable: newRenewable(m, loop, "heartbeat", ErrExpired, DecodeWorker)}
	h.shape = func(w *Worker) { w.Leads, w.Notify = h.leads.Load(), h.notify.Load() }
	return h
}

// Join sends the first heartbeat, trying again as loop says.
func (h *Heartbeat) Join(ctx context.Context, loop retry.Loop) error {
	first := Worker{Owner: h.Self, LeaseDuration: h.LeaseDuration}.renewed(h.Now())
	ours, err := h.acquire(ctx, loop, first, backend.Condition{Absent: true})
	if err == nil && !ours {
		err = ErrExpired
	}
	return err
}

// Beat sends one heartbeat.
func (h *Heartbeat) Beat(ctx context.Context) error { return h.renew(ctx, nil) }

// Notify sends a heartbeat that asks the others to look at the leases. If it fails, the
// next one asks them: who was not asked believes that nothing has changed.
func (h *Heartbeat) Notify(ctx context.Context) error {
	h.notify.Add(1)
	return h.Beat(ctx)
}

// SetLeads decides whether the following heartbeats say that the session leads.
func (h *Heartbeat) SetLeads(leads bool) { h.leads.Store(leads) }

// Leave removes the heartbeat. All leases of the session are free at once.
func (h *Heartbeat) Leave(ctx context.Context) error {
	return h.Table.Delete(ctx, []backend.Key{WorkerKey(h.ID, h.Self.Session)})
}

// Valid reports whether nobody can have expired the session yet. A session that is
// in doubt may become valid again.
func (h *Heartbeat) Valid() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.valid()
}

// Fence returns once the session is valid, at once if it is. It stands before
// everything that only a live session may do. It returns [ErrExpired] if the
// session was expired.
func (h *Heartbeat) Fence(ctx context.Context) error {
	for {
		h.mu.Lock()
		valid, lost, changed := h.valid(), h.lost, h.changed
		h.mu.Unlock()
		switch {
		case lost:
			return h.gone
		case valid:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
