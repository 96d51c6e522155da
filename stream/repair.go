package stream

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
)

// Repair returns how to repair an item of the control table; nil: it is good, or not one
// that a Reader keeps there. The status is that of the table's stream and the item's group, with what
// [Status.Doubt] has found. The error is that of a newer format. Readers notice within a
// minute; none has to stop.
func Repair(it backend.Item, status Status, now time.Time) (*item.Repair, error) {
	key := backend.KeyOf(it)
	id, ours := lease.ParsePartition(key.PK)
	switch {
	case !ours:
		return nil, nil
	case lease.IsLease(key):
		return repairLease(it, id, status, now)
	}
	return membership.Repair(it)
}

func repairLease(it backend.Item, id lease.GroupID, status Status, now time.Time) (*item.Repair, error) {
	l, err := lease.Decode(it)
	if err != nil {
		return nil, err
	}
	var known ShardStatus // nothing, of another stream or group
	if i := slices.IndexFunc(status.Shards, func(sh ShardStatus) bool { return sh.Shard == l.Shard }); i >= 0 && status.id() == id {
		known = status.Shards[i]
	}
	damage := cmp.Or(l.Damaged, known.Doubt)
	if damage == nil {
		return nil, nil
	}
	repaired := lease.Repaired(it, known.Parent, now)
	if errors.Is(damage, errNoCheckpoint) {
		repaired.Checkpoint.Sequence = ""
	}
	effect := "the shard is read from its checkpoint"
	if repaired.Checkpoint.Sequence == "" {
		effect = "the shard is read from its trim horizon: messages of the last 24 hours may be notified again"
	}
	return &item.Repair{Damaged: damage, Put: repaired.Encode(id), Effect: effect}, nil
}
