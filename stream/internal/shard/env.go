package shard

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// Env is what the shards of one session share.
type Env struct {
	Stream   backend.Stream
	ARN      string
	Leases   *lease.Store
	InFlight *InFlight
	Queue    *Queue
	Tuning   Tuning
	Counters *Counters
	Now      func() time.Time
	Logger   *slog.Logger

	// Fence returns once the session is valid; see membership.Heartbeat.
	Fence func(ctx context.Context) error
	// Deliver hands records over. It may block until ctx is done.
	Deliver func(ctx context.Context, page *Page, records []backend.Record) error
	// Record records a loss of data.
	Record lineage.Recorder

	// These must not block.
	Active        func()                  // something happens in a shard: it is not idle now
	CheckpointDue func()                  // enough acknowledgements wait to be saved
	ChildAcquired func(*lease.Handle)     // a child of a finished shard is to be read
	HasChildren   func(shard string) bool // as far as is known

	Call retry.Policy // of one call of the stream
	Read retry.Loop   // of reads that fail
	List retry.Loop   // of look-ups of children
	Save retry.Loop   // of writes of the lease

	EverRead atomic.Bool // a page of any shard was read
}

// Tuning is how shards are read.
type Tuning struct {
	PollInterval    time.Duration // the pause after a page that is less than half full, or empty
	MaxIdle         time.Duration // that further empty pages double it to
	DrainTimeout    time.Duration // how long a transfer waits for acknowledgements
	CheckpointCount int           // acknowledgements after which the checkpoint is due
}

// Counters counts what the shards of a reader did.
type Counters struct {
	Records  atomic.Int64 // delivered
	Reads    atomic.Int64 // of records, the empty ones included
	Empty    atomic.Int64 // reads that brought nothing
	Listings atomic.Int64 // pages of the list of shards, and look-ups of children
}
