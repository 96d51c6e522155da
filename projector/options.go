package projector

import (
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/projector/backfill"
)

// Config is what a projector works on. All of it is required.
type Config struct {
	Table   backend.Table // of the messages, and of the rows
	Control backend.Table // of leases, checkpoints, quarantined records, gaps and rebuilds
	Stream  backend.Stream
	Queue   backend.Queue
	// QueueName says whether the queue is a FIFO queue, see [postroom.IsFIFO].
	QueueName string
	// TableName is the table as notifications name their source.
	TableName string
	// Index says that the table has the index of the group rows. All entries of
	// a conversation share one of its keys, which bounds how often it moves.
	Index bool
}

// destination is what all projectors of a table have to agree on: otherwise each
// would send a part of the notifications somewhere else.
func (c Config) destination() string {
	return fmt.Sprintf("queue %s, as table %s", c.QueueName, c.TableName)
}

// Options tune a projector. The zero value of each field means its default.
type Options struct {
	Worker        string        // see stream.Options
	LeaseDuration time.Duration // see stream.Options
	// OnDataLoss says what follows when the stream has lost records. Default
	// Backfill.
	OnDataLoss DataLossPolicy
	Logger     *slog.Logger // Default: none.
	// TracerProvider continues the traces of messages whose posts were traced. Default
	// otel.GetTracerProvider, which records nothing unless the program has set one.
	TracerProvider trace.TracerProvider
}

// DataLossPolicy says what follows when the stream no longer holds records that
// were not read.
type DataLossPolicy int

const (
	// Backfill records what is missing, reads on, and projects it from the log.
	Backfill DataLossPolicy = iota
	// Halt ends Run with the [stream.DataLossError].
	Halt
)

// tuning is what tests set otherwise. The zero value of each field means its
// default.
type tuning struct {
	Movers  int // conversations that are processed at once; default 32
	Senders int // batches of notifications that are sent at once; default 8
	// MaxQuarantined is the share of the last records that may be quarantined
	// before Run gives up; see package quarantine. Default 0.5; 1 never gives up.
	MaxQuarantined float64
	// MemberWait is how long a message waits in its lane for the one that names
	// the members of its conversation, before it is quarantined. Default 30 s.
	MemberWait time.Duration
	Backfill   backfill.Options
	Now        func() time.Time // see stream.Options and backfill.Options
}

func (t *tuning) setDefaults() {
	option.Default(&t.Movers, 32)
	option.Default(&t.Senders, 8)
	option.Default(&t.MaxQuarantined, 0.5)
	option.Default(&t.MemberWait, 30*time.Second)
	if t.Now == nil {
		t.Now = time.Now
	}
	t.Backfill.Now = t.Now
}
