package stream

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
)

// Status is what stands in the control table of a group, beside the listing of the
// stream.
type Status struct {
	StreamARN string
	Group     string
	Disabled  bool         // the stream is switched off: no more records will come
	Leader    LeaderStatus // zero: nobody has read the stream yet
	// Destination is where the workers send to; empty: none of them has said so.
	Destination string
	Workers     []WorkerStatus
	Shards      []ShardStatus
	Damaged     []*DamageError // items that cannot be read; the shards whose leases they are, are among Shards

	leases int // of shards, damaged ones included
}

// LeaderStatus is the lock of the worker group's leader.
type LeaderStatus struct {
	Worker    string    // empty: released
	Epoch     int64     // grows with every change of leader
	Counter   int64     // grows with every renewal
	RenewedAt time.Time // by its own clock: for people
}

// WorkerStatus is one worker of the group.
type WorkerStatus struct {
	Worker, Session string
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
	// approximately when that record was made. Empty and zero: nothing yet.
	Checkpoint     string
	CheckpointTime time.Time
	Finished       bool // read to its end, and all acknowledged
	FinishedAt     time.Time
	Until          time.Time // up to which the group reads it; zero: without end
	Lost           string    // what was lost, see [DataLossError]; empty: nothing
	Damaged        bool      // the lease cannot be read, and nothing else is known
	// Doubt is why the lease is not believed although it can be read; nil: it is, or
	// [Status.Doubt] has not looked.
	Doubt *DamageError
}

func (s *Status) id() lease.GroupID { return lease.GroupID{ARN: s.StreamARN, Name: s.Group} }

// ReadStatus reads the status of a group of a stream; of the default one with an empty
// name. It needs no Reader and disturbs none. Shards come in the order of their ids.
func ReadStatus(ctx context.Context, s backend.Stream, control backend.Table, group string) (Status, error) {
	option.Default(&group, DefaultGroup)
	listed, err := lineage.List(ctx, s, once())
	if err != nil {
		return Status{}, err
	}
	status := Status{StreamARN: listed.ARN, Group: group, Disabled: listed.Disabled}
	m := membership.Member{Table: batch.Table{Table: control, Retry: once()}, ID: status.id()}
	leader, err := m.Leader(ctx)
	if err != nil {
		return Status{}, err
	}
	if leader.Damaged == nil {
		status.Leader = LeaderStatus{leader.Worker, leader.Epoch, leader.Counter, leader.RenewedAt}
	} else {
		status.Damaged = append(status.Damaged, leader.Damaged)
	}
	destination, err := m.Destination(ctx)
	if err != nil {
		return Status{}, err
	}
	status.Destination = destination.Text
	if destination.Damaged != nil {
		status.Damaged = append(status.Damaged, destination.Damaged)
		status.Destination = ""
	}
	if err := status.readShards(ctx, m, listed); err != nil {
		return Status{}, err
	}
	workers, err := m.Workers(ctx)
	if err != nil {
		return Status{}, err
	}
	for _, w := range workers {
		if w.Damaged != nil {
			status.Damaged = append(status.Damaged, w.Damaged)
		} else if !w.Expired {
			status.Workers = append(status.Workers, WorkerStatus{w.Worker, w.Session, w.RenewedAt, w.Leads})
		}
	}
	return status, nil
}

func (s *Status) readShards(ctx context.Context, m membership.Member, listed lineage.Listing) error {
	shards := make(map[string]ShardStatus)
	for _, shard := range listed.Shards {
		shards[shard.ID] = ShardStatus{Shard: shard.ID, Parent: shard.Parent, Listed: true}
	}
	leases := lease.Store{Table: m.Table, ID: m.ID}
	all, err := leases.Load(ctx)
	if err != nil {
		return err
	}
	s.leases = len(all)
	s.Damaged = append(s.Damaged, damagedLeases(all)...)
	for _, l := range all {
		if l.Checkpoint.Sequence == "" {
			l.Checkpoint.At = time.Time{} // not of a record
		}
		shards[l.Shard] = ShardStatus{
			Shard: l.Shard, Parent: cmp.Or(l.Parent, shards[l.Shard].Parent), Listed: shards[l.Shard].Listed,
			Worker: l.Worker, Session: l.Session, Epoch: l.Epoch,
			Checkpoint: l.Checkpoint.Sequence, CheckpointTime: l.Checkpoint.At,
			Finished: l.Finished, FinishedAt: l.FinishedAt, Until: l.Until, Lost: l.Lost,
			Damaged: l.Damaged != nil,
		}
	}
	s.Shards = slices.SortedFunc(maps.Values(shards), func(a, b ShardStatus) int { return cmp.Compare(a.Shard, b.Shard) })
	return nil
}
