package membership

import (
	"context"
	"log/slog"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
)

// Group is the worker group as one session sees it. One goroutine uses it.
type Group struct {
	Member
	heartbeat *Heartbeat
	logger    *slog.Logger

	detector   detector
	nextExpiry time.Time
	replaced   *Destination // by this session's, which nobody may have joined before; nil: none
}

// NewGroup returns the group of a session that keeps this heartbeat.
func NewGroup(h *Heartbeat, logger *slog.Logger) *Group {
	return &Group{Member: h.Member, heartbeat: h, logger: logger, detector: detector{}}
}

// NextExpiry is when the first of the others is to be expired, unless it sends a
// heartbeat before; zero: none is observed.
func (g *Group) NextExpiry() time.Time { return g.nextExpiry }

// Live reads the heartbeats, expires the sessions that were silent for too long,
// and returns those that are alive, this one first. A silent session stays alive
// until the control table says otherwise. A damaged heartbeat is among those that
// are alive for as long as it may be renewed, and then left aside: its session keeps
// its leases until then, and gets no others.
func (g *Group) Live(ctx context.Context) ([]Worker, error) {
	if !g.heartbeat.Valid() {
		clear(g.detector) // and so expires nobody for now
	}
	all, err := g.Workers(ctx)
	if err != nil {
		return nil, err
	}
	live := []Worker{{Owner: g.Self, Leads: g.heartbeat.leads.Load()}}
	g.nextExpiry = time.Time{}
	g.detector.keepOnly(all)
	var damaged []*item.DamageError
	for _, w := range all {
		if w.Damaged != nil {
			damaged = append(damaged, w.Damaged)
		}
		if w.Session == g.Self.Session || w.Damaged != nil && w.Expired {
			continue
		}
		if w.Expired { // by a worker that has not come to deleting it
			if err := g.delete(ctx, w); err != nil {
				return nil, err
			}
			continue
		}
		silent, most := g.detector.observe(w, g.LeaseDuration/3), max(g.LeaseDuration, w.LeaseDuration)
		if silent >= most && g.heartbeat.Valid() {
			gone, err := g.expire(ctx, w)
			if err != nil {
				return nil, err
			}
			if gone {
				continue
			}
		} else if at := time.Now().Add(most - silent); silent < most && (g.nextExpiry.IsZero() || at.Before(g.nextExpiry)) {
			g.nextExpiry = at
		}
		live = append(live, w)
	}
	g.Aside.Set("heartbeats", damaged)
	return live, nil
}

// Workers reads the heartbeats of all sessions.
func (m Member) Workers(ctx context.Context) (all []Worker, err error) {
	q := backend.Query{PK: m.ID.Partition(), SKPrefix: workerPrefix, Consistent: true}
	for it, err := range m.Table.Query(ctx, q) {
		if err != nil {
			return nil, err
		}
		w, err := DecodeWorker(it)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// expire ends another session by one write, which all its leases depend on, and
// reports whether the session is gone. It is not if it has sent a heartbeat
// meanwhile.
func (g *Group) expire(ctx context.Context, w Worker) (bool, error) {
	if w.Damaged != nil && !w.canRenew() {
		return true, nil // its session has noticed, or there never was one
	}
	found, err := conditional.Put(ctx, g.Table, w.expired(g.ID), w.unchanged(), DecodeWorker)
	switch {
	case err != nil:
		return false, err
	case found != nil: // a heartbeat, another worker's expiry, or nothing since the session has left
		return found.Expired || found.Session == "", nil
	}
	g.logger.Warn("a worker sent no heartbeat: its session was expired, and its shards are free",
		"worker", w.Worker, "session", w.Session)
	if w.Damaged != nil {
		return true, nil
	}
	return true, g.delete(ctx, w)
}

func (g *Group) delete(ctx context.Context, w Worker) error {
	return g.Table.Delete(ctx, []backend.Key{WorkerKey(g.ID, w.Session)})
}
