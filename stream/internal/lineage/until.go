package lineage

import (
	"context"
	"errors"
	"time"

	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/stream/internal/lease"
)

// ErrDone says that the group has read everything up to its end.
var ErrDone = errors.New("the group has read up to its end")

// childWithin is how long the children of a shard that has ended are waited for before
// a group with an end does without them. They appear within seconds.
const childWithin = time.Hour

// endPause is the pause between two listings once a group's end is past, as it may be
// done any moment. An account has ten calls a second.
const endPause = 2 * time.Second

// AllFinished reports whether a group may be done: no shard is left to be read.
func AllFinished(leases map[string]lease.Lease) bool {
	for _, l := range leases {
		if !l.Finished {
			return false
		}
	}
	return len(leases) > 0
}

// IsDone reports whether the group of some leases is done.
func IsDone(ctx context.Context, table batch.Table, id lease.GroupID) (bool, error) {
	it, err := table.Get(ctx, HistoryKey(id))
	if err != nil || it == nil {
		return false, err
	}
	h, err := DecodeHistory(it)
	return err == nil && !h.DoneAt.IsZero(), nil // a damaged one is the leader's to replace
}

// passed reports whether the group has read all that is not younger than its end: each
// listed shard has a lease, all are finished, and what follows those that ended before
// has been read too.
func (h *History) passed(l Listing, leases map[string]lease.Lease, now time.Time) bool {
	if h.Until.IsZero() || !AllFinished(leases) || now.Before(h.Until) {
		return false
	}
	for _, s := range l.Shards {
		if _, ok := leases[s.ID]; !ok {
			return false
		}
	}
	parents := Parents(leases)
	for id, one := range leases {
		if !parents[id] && one.Checkpoint.At.Before(h.Until) && !l.Disabled && now.Sub(one.FinishedAt) < childWithin {
			return false // its children are not known yet
		}
	}
	return true
}

// done writes that the group is, and tells the others.
func (s *Sync) done(ctx context.Context) error {
	next := *s.known
	next.DoneAt = s.Now()
	next.ListedAt = next.DoneAt
	if err := s.update(ctx, next); err != nil {
		return err
	}
	s.Logger.Info("the group has read the stream up to its end", "group", s.Leases.ID.Name, "until", s.known.Until)
	_ = s.Notify(ctx) // they look now and then all the same
	return ErrDone
}
