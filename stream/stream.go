package stream

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/postroom/postroom/backend"
)

// Record is one record of the stream that waits for its acknowledgement.
type Record struct {
	backend.Record
	Shard string // the shard it was read from

	tracker *tracker
	state   recordState // guarded by the tracker
}

// Ack says that everything the record asks for is durably done: the checkpoint
// of its shard may pass it. It may be called concurrently with anything, in any
// order, and also after Run has returned, when it has no effect; nor has a
// second call.
func (r *Record) Ack() { r.tracker.ack(r) }

// Handler takes over records.
type Handler interface {
	// Handle is given records of one shard in their order. Calls for one shard
	// follow one another, calls for different shards overlap. It may keep the
	// records and acknowledge them later, in any order; the slice is the
	// handler's to keep, the records are not to be changed.
	//
	// It may block to hold back its shard, until ctx is done; other shards go
	// on. An error stops the reader: it is for what no retry mends. The records
	// of a call that fails count as not taken over, and their acknowledgements
	// have no effect.
	//
	// A record may come more than once: after a crash, a take-over, or when the
	// stream repeats it.
	Handle(ctx context.Context, records []*Record) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, records []*Record) error

// Handle calls the function.
func (f HandlerFunc) Handle(ctx context.Context, records []*Record) error { return f(ctx, records) }

// Options of a Reader. The zero value of each field means its default.
type Options struct {
	// Worker is who reads, as others see it. Default host:pid:random.
	Worker string
	// LeaseDuration is how long a worker that shows no sign of life keeps its
	// shards. It shows one three times as often, and looks at the others ten
	// times as often. Default 10 s, at least 100 ms.
	LeaseDuration time.Duration

	// PollInterval is the pause after a page that is less than half full, or
	// empty. Further empty ones double it up to MaxIdle, each with jitter; while
	// there is more to be read there is none. A backend that tells of changes
	// ends it. Defaults 200 ms and 1 s.
	PollInterval time.Duration
	MaxIdle      time.Duration
	// DiscoverInterval is the pause between full listings of the shards; at the
	// end of a shard its children are looked for at once. Default 30 s.
	DiscoverInterval time.Duration

	// MaxInFlight is the most records that are delivered and not acknowledged, over
	// all shards. Default 10,000.
	MaxInFlight int
	// FlushInterval and FlushCount say when a shard's checkpoint is written: so
	// long after the last writing, or after so many acknowledgements, whichever
	// comes first. Defaults 1 s and 1,000.
	FlushInterval time.Duration
	FlushCount    int
	// DrainTimeout is how long a stopping reader waits for acknowledgements. The
	// writing of what is done and the release of the stream take at most
	// 800 ms more. Default 1 s.
	DrainTimeout time.Duration

	// Pollers is how many shards are read at once, and how many calls of the
	// handler overlap at most. Default 32.
	Pollers int
	// MaxInFlightBytes is the most bytes of records, as the stream counts them, that
	// are delivered and not acknowledged, over all shards. Default 64 MiB.
	MaxInFlightBytes int64

	// Retention is how long the stream keeps its records. Default 24 h, as
	// DynamoDB Streams does.
	Retention time.Duration

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

	// Now is the wall clock: of what people read in the control table, of the
	// range of a loss, and of when old leases are forgotten, where an hour does
	// not matter. Who lives and who owns what never depends on it. Default
	// time.Now.
	Now func() time.Time

	// Logger hears of incidents, troubles (once when they begin and once when
	// they are over) and changes of ownership. Default: none.
	Logger *slog.Logger
}

// trimMargin is by how much the time of what was trimmed may be wrong: for clocks,
// and for times that are rounded.
func (o Options) trimMargin() time.Duration { return o.Retention / 24 }

// DataLossError says that the stream no longer holds records that were not
// read. It stands in the lease of the shard too.
type DataLossError struct {
	StreamARN string
	Shard     string    // empty: the whole stream was replaced
	Reason    string    // what happened
	After     string    // the last sequence number known to be read; empty: none
	AfterTime time.Time // no lost record is older, about; zero: not known
	Until     time.Time // no lost record is younger, about
	// FirstStart says that the stream is read for the first time: nobody was
	// promised what is older than the stream, and it is still to be projected.
	FirstStart bool
	// Replaced is the table's previous stream, if this loss is what it still held
	// and what was written while the table had none; otherwise empty.
	Replaced string
	Err      error // what the backend said

	halts bool // nobody takes care of it, so it ends the run
}

func (e *DataLossError) Error() string {
	what := "stream " + e.StreamARN
	if e.Shard != "" {
		what = "shard " + e.Shard + " of " + what
	}
	from := "its beginning"
	switch {
	case e.After != "":
		from = "sequence number " + e.After
		if !e.AfterTime.IsZero() {
			from += " of " + e.AfterTime.UTC().Format(time.RFC3339)
		}
	case !e.AfterTime.IsZero():
		from = e.AfterTime.UTC().Format(time.RFC3339)
	}
	s := fmt.Sprintf("%s: records after %s are lost to the stream: %s", what, from, e.Reason)
	if e.halts {
		key := leaseKey(e.StreamARN, e.Shard)
		if e.Replaced != "" {
			key = backend.Key{PK: streamsPK, SK: e.Replaced}
		}
		s += fmt.Sprintf("; recover them from the table, then delete the item %q, %q of the control table to read on without them",
			key.PK, key.SK)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *DataLossError) Unwrap() error { return e.Err }
