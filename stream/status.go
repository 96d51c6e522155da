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
	Disabled  bool         // the stream is switched off: no more records will come
	Leader    LeaderStatus // zero: nobody has read the stream yet
	Workers   []WorkerStatus
	Shards    []ShardStatus
}

// LeaderStatus is the lock of the worker group's leader.
type LeaderStatus struct {
	Worker  string // empty: released
	Session string // of that worker
	Epoch   int64  // grows with every change of leader
	Counter int64  // grows with every renewal
	// LeaseDuration is how long the leader keeps the lock without renewing it.
	LeaseDuration time.Duration
	// RenewedAt is when the leader last renewed, by its own clock: for people.
	RenewedAt time.Time
}

// WorkerStatus is one worker of the group. The others expire the session of a
// worker that sends no heartbeat for LeaseDuration.
type WorkerStatus struct {
	Worker, Session string
	Counter         int64 // grows with every heartbeat
	LeaseDuration   time.Duration
	RenewedAt       time.Time // by its own clock: for people
	Leads           bool
}

// ShardStatus is one shard, listed or remembered.
type ShardStatus struct {
	Shard, Parent   string
	Listed          bool   // the stream still shows it
	Worker, Session string // who has the lease, or had it last; empty: nobody yet
	Epoch           int64  // grows with every change of owner; 0: not begun
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
	if status.Leader, err = readLeader(ctx, control, listed.arn); err != nil {
		return Status{}, err
	}
	shards := make(map[string]ShardStatus)
	for _, shard := range listed.shards {
		shards[shard.ID] = ShardStatus{Shard: shard.ID, Parent: shard.Parent, Listed: true}
	}
	err = eachLease(ctx, control, listed.arn, bounded, func(l lease) {
		if l.done.sequence == "" {
			l.done.at = time.Time{} // not of a record
		}
		shards[l.shard] = ShardStatus{
			Shard: l.shard, Parent: l.parent, Listed: shards[l.shard].Listed,
			Worker: l.worker, Session: l.run, Epoch: l.epoch, Checkpoint: l.done.sequence, CheckpointTime: l.done.at,
			Finished: l.finished, FinishedAt: l.finishedAt, Lost: l.lost,
		}
	})
	if err != nil {
		return Status{}, err
	}
	q := backend.Query{PK: partition(listed.arn), SKPrefix: workerPrefix, Consistent: true}
	err = eachItem(ctx, control, q, bounded, func(item backend.Item) error {
		one, err := decodeSign(item)
		if err == nil && !one.dead {
			status.Workers = append(status.Workers, WorkerStatus{
				Worker: one.worker, Session: one.run, Counter: one.counter, LeaseDuration: one.lease,
				RenewedAt: one.renewedAt, Leads: one.leads,
			})
		}
		return err
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

func readLeader(ctx context.Context, control backend.Table, arn string) (LeaderStatus, error) {
	item, _, err := control.Get(ctx, ownerKey(arn))
	if err != nil || item == nil {
		return LeaderStatus{}, err
	}
	o, err := decodeSign(item)
	return LeaderStatus{Worker: o.worker, Session: o.run, Epoch: o.epoch, Counter: o.counter, LeaseDuration: o.lease, RenewedAt: o.renewedAt}, err
}
