package stream

import (
	"context"
	"log/slog"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/shard"
)

// Record is one record of the stream that waits for its acknowledgement.
type Record struct {
	backend.Record
	Shard string // the shard it was read from

	page  *shard.Page
	index int // in the page
}

// Ack says that everything the record asks for is durably done: the checkpoint
// of its shard may pass it. It may be called concurrently with anything, in any
// order, and also after Run has returned, when it has no effect; a second call
// has none either.
func (r *Record) Ack() { r.page.Ack(r.index) }

// Handler takes over records. It is given those of one shard in their order. Calls
// for one shard follow one another, calls for different shards overlap. It may keep
// the records and acknowledge them later, in any order. The slice is the handler's
// to keep; the records must not be changed.
//
// It may block to hold back its shard, until ctx is done; other shards go on. An
// error stops the reader: return one only if no retry helps. The records of a call
// that fails count as not taken over, and acknowledging them has no effect.
//
// A record may come more than once: after a crash, when its shard has changed its
// owner, or when the stream repeats it.
type Handler func(ctx context.Context, records []*Record) error

// Options of a Reader. The zero value of each field means its default.
type Options struct {
	// Worker is the worker's name as others see it. Default host:pid:random.
	Worker string
	// Group is the name of the worker group: see [CheckGroup]. Workers with one name
	// share the shards; groups with different names read the stream independently of
	// each other: the default one, and one other at a time, see [GroupsError]. Default
	// [DefaultGroup].
	Group string
	// Start is where the group begins to read when it reads the stream for the first
	// time. Afterwards it goes on from its checkpoints, and Start counts no more: so
	// workers that are started at once should be given the same.
	// Default: the trim horizon, where the default group always begins.
	Start Start
	// Until is the time up to which the group reads, stored like Start. The group gets
	// every record that was made until then, and may get those of a minute after. Once
	// all are acknowledged it is done, and Run returns nil on each of its workers. Where
	// the backend does not say that a shard holds no more, as DynamoDB does not, that is
	// a minute later at the earliest. Default: without end, as the default group
	// always is.
	Until time.Time
	// LeaseDuration is how long a worker keeps its shards without sending a
	// heartbeat. It sends one three times as often, and looks at those of others
	// ten times as often. Default 10 s, at least 100 ms.
	LeaseDuration time.Duration

	// Destination says in words where the worker sends what it reads. All workers of
	// a group must have the same: one with another ends with a [DestinationError],
	// unless no worker of the group is alive, when the group has the new destination.
	// Default "": it does not matter.
	Destination string

	// OnDataLoss is called with each loss before reading continues past it. When
	// it returns nil it has recorded the loss durably, and the shard is read on
	// from the oldest record that is left; after an error it is called again. It
	// may be called with one loss more than once. Default nil: a loss ends Run
	// with the [DataLossError].
	OnDataLoss func(ctx context.Context, loss *DataLossError) error
	// OnLead, if set, runs on the leader of the worker group for as long as it
	// leads, and must return soon after ctx is done. After a freeze two workers
	// may believe for a moment that they lead. An error ends Run.
	OnLead func(ctx context.Context) error

	// Now is the wall clock. It is used for the times that people read in the
	// control table, for the range of a loss, and for when old leases are
	// deleted, where an hour does not matter. Which sessions are alive and who
	// owns a shard never depend on it. Default time.Now.
	Now func() time.Time

	// Logger receives incidents (once when one begins, once when it is over) and
	// changes of ownership. Default: none.
	Logger *slog.Logger
}

// DataLossError says that the stream no longer holds records that were not
// read. The lease of the shard notes it too.
type DataLossError struct {
	StreamARN string
	Shard     string    // empty: the loss concerns the whole stream
	Reason    string    // what happened
	After     string    // the last sequence number known to be read; empty: none
	AfterTime time.Time // approximate: no lost record is older; zero: not known
	Until     time.Time // approximate: no lost record is younger
	// FirstStart says that the stream is read for the first time: nobody was
	// promised what is older than the stream, and it is still to be projected.
	FirstStart bool
	// Replaced is the table's previous stream, if this loss is what it still held
	// and what was written while the table had none; otherwise empty.
	Replaced string
	Err      error // what the backend said
}

func (e *DataLossError) Error() string { return (*lineage.LossError)(e).Error() }

// Unwrap returns what the backend said.
func (e *DataLossError) Unwrap() error { return e.Err }
