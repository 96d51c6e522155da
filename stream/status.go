package stream

import (
	"context"
	"errors"
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
	return Status{}, errors.New("stream: ReadStatus is not built yet")
}
