package stream

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
)

// Status is what stands in the control table of a stream, beside its listing.
type Status struct {
	StreamARN string
	Disabled  bool  // the stream is switched off: no more records will come
	Owner     Owner // zero: nobody has read the stream yet
	Shards    []ShardStatus
}

// Owner is who reads a stream.
type Owner struct {
	Worker  string // empty: released
	Epoch   int64  // grows with every change of owner
	Counter int64  // grows with every heartbeat
	// LeaseDuration is how long the owner keeps the stream without a heartbeat.
	LeaseDuration time.Duration
	// RenewedAt is when the owner last renewed, by its own clock: for people.
	RenewedAt time.Time
}

// ShardStatus is one shard, listed or remembered.
type ShardStatus struct {
	Shard, Parent string
	Listed        bool   // the stream still shows it
	Worker        string // who read it last; empty: nobody yet
	Epoch         int64  // grows with every change of owner; 0: not begun
	// Checkpoint is the sequence number up to which all is done, CheckpointTime
	// when that record was made, about. Empty and zero: nothing yet.
	Checkpoint     string
	CheckpointTime time.Time
	Finished       bool // read to its end, and all acknowledged
	FinishedAt     time.Time
	Lost           string // what was lost, see [DataLossError]; empty: nothing
}

// ReadStatus reads the status of a stream. It needs no Reader and disturbs
// none. Shards come in the order of their ids.
func ReadStatus(ctx context.Context, s backend.Stream, control backend.Table) (Status, error) {
	listed, err := list(ctx, s)
	if err != nil {
		return Status{}, err
	}
	status := Status{StreamARN: listed.arn, Disabled: listed.disabled}
	if status.Owner, err = readOwner(ctx, control, listed.arn); err != nil {
		return Status{}, err
	}
	shards := make(map[string]ShardStatus)
	for _, shard := range listed.shards {
		shards[shard.ID] = ShardStatus{Shard: shard.ID, Parent: shard.Parent, Listed: true}
	}
	err = eachLease(ctx, control, listed.arn, bounded, func(l lease) {
		shards[l.shard] = ShardStatus{
			Shard: l.shard, Parent: l.parent, Listed: shards[l.shard].Listed,
			Worker: l.worker, Epoch: l.epoch, Checkpoint: l.done.sequence, CheckpointTime: l.done.at,
			Finished: l.finished, FinishedAt: l.finishedAt, Lost: l.lost,
		}
	})
	if err != nil {
		return Status{}, err
	}
	for _, shard := range shards {
		status.Shards = append(status.Shards, shard)
	}
	slices.SortFunc(status.Shards, func(a, b ShardStatus) int { return cmp.Compare(a.Shard, b.Shard) })
	return status, nil
}

func readOwner(ctx context.Context, control backend.Table, arn string) (Owner, error) {
	item, _, err := control.Get(ctx, ownerKey(arn))
	if err != nil || item == nil {
		return Owner{}, err
	}
	o, err := decodeOwner(item)
	return Owner{Worker: o.worker, Epoch: o.epoch, Counter: o.counter, LeaseDuration: o.lease, RenewedAt: o.renewedAt}, err
}
