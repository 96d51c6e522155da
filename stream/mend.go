package stream

import (
	"errors"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
)

// Mend returns how to mend an item of the control table; nil: it is good, or not one
// that a Reader keeps there. The status is that of the table's stream, and the doubts
// are those of its leases, see [Doubts]. The error is that of a newer format. Readers
// notice within a minute; none has to stop.
func Mend(it backend.Item, status Status, doubts map[string]*DamageError, now time.Time) (*item.Mending, error) {
	key := backend.KeyOf(it)
	arn, found := strings.CutPrefix(key.PK, lease.Partition(""))
	if !found {
		return nil, nil
	}
	switch {
	case lease.IsLease(key):
		if status.StreamARN != arn {
			return mendLease(it, arn, nil, nil, now)
		}
		return mendLease(it, arn, status.Shards, doubts, now)
	case membership.IsHeartbeat(key):
		w, err := membership.DecodeWorker(it)
		if w.Damaged == nil || err != nil {
			return nil, err
		}
		return &item.Mending{Damaged: w.Damaged, Effect: "its worker, if it runs, joins the worker group again"}, nil
	case key == membership.DestinationKey(arn):
		d, err := membership.DecodeDestination(it)
		if d.Damaged == nil || err != nil {
			return nil, err
		}
		return &item.Mending{Damaged: d.Damaged, Effect: "the next worker that starts decides where the group sends to"}, nil
	case key == membership.LeaderKey(arn):
		l, err := membership.DecodeLeader(it)
		if l.Damaged == nil || err != nil {
			return nil, err
		}
		return &item.Mending{Damaged: l.Damaged, Effect: "a worker leads the worker group within seconds"}, nil
	}
	return nil, nil
}

func mendLease(it backend.Item, arn string, shards []ShardStatus, doubts map[string]*DamageError, now time.Time) (*item.Mending, error) {
	l, err := lease.Decode(it)
	if err != nil {
		return nil, err
	}
	if l.Damaged == nil {
		l.Damaged = doubts[l.Shard]
	}
	if l.Damaged == nil {
		return nil, nil
	}
	parent := ""
	for _, sh := range shards {
		if sh.Shard == l.Shard {
			parent = sh.Parent
		}
	}
	mended := lease.Mended(it, parent, now)
	if errors.Is(l.Damaged, errNoCheckpoint) {
		mended.Checkpoint.Sequence = ""
	}
	effect := "the shard is read from its checkpoint"
	if mended.Checkpoint.Sequence == "" {
		effect = "the shard is read from its trim horizon: messages of the last 24 hours may be notified again"
	}
	return &item.Mending{Damaged: l.Damaged, Put: mended.Encode(arn), Effect: effect}, nil
}
