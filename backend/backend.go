package backend

import "context"

// Backend opens the ports by name, and makes and removes what they stand for.
// Opening makes no call: a name that does not exist shows at the first use, as
// [KindNotFound].
type Backend interface {
	Table(name string) Table
	Stream(table string) Stream
	Queue(name string) Queue

	// CreateTable makes a table and returns once it, its index and its stream
	// can be used. It does not compare: an existing name is KindExists. An error
	// that is errors.ErrUnsupported says that the table was made, and can be
	// used, but that its server has no point-in-time recovery or no time to live.
	CreateTable(ctx context.Context, spec TableSpec) error
	// DescribeTable tells how an existing table is made.
	DescribeTable(ctx context.Context, name string) (TableSpec, error)
	// SetDeletionProtection switches a table's protection against DeleteTable on
	// or off, and returns once that holds. Where it is so already nothing happens.
	// A missing table is KindNotFound.
	SetDeletionProtection(ctx context.Context, table string, on bool) error
	// SetTimeToLive switches [TableSpec].TimeToLive of a table on, for the items
	// that it holds already, too. Where it is so already nothing happens; another
	// attribute than the table's is KindInvalid, a missing table KindNotFound. An
	// error that is errors.ErrUnsupported says that the server has no such thing.
	SetTimeToLive(ctx context.Context, table, attribute string) error
	// DeleteTable removes a table and all in it. A protected table is KindInvalid.
	DeleteTable(ctx context.Context, name string) error

	// CreateQueue makes a queue. Its dead-letter queue must exist; otherwise the
	// error is KindNotFound or KindInvalid. An existing name with other settings
	// is KindExists; with the same ones it is that, too, or no error.
	CreateQueue(ctx context.Context, spec QueueSpec) error
	// DescribeQueue tells how an existing queue is made.
	DescribeQueue(ctx context.Context, name string) (QueueSpec, error)
	// DeleteQueue removes a queue and all in it.
	DeleteQueue(ctx context.Context, name string) error

	// Close gives back what the backend holds. Calls after it fail.
	Close() error
}

// TableSpec is the shape of a table. Keys and index keys are strings; capacity
// is on demand.
type TableSpec struct {
	Name         string
	PartitionKey string // attribute, PK in Postroom's tables
	SortKey      string // attribute, SK in Postroom's tables
	Index        *IndexSpec
	// StreamView is what a stream record carries, as DynamoDB names it
	// ("NEW_IMAGE"); empty: no stream.
	StreamView string
	// DeletionProtection makes DeleteTable fail, until SetDeletionProtection
	// switches it off.
	DeletionProtection bool
	// TimeToLive is the attribute, a number of seconds since 1970, after which an
	// item is removed some time later, on AWS within two days; until then it is
	// read as any other. A removal takes no units and leaves a record as any
	// other. Empty: none.
	TimeToLive string
	// PointInTimeRecovery keeps continuous backups where the server can.
	PointInTimeRecovery bool
}

// IndexSpec is a global secondary index that holds keys only. Items without its
// key attributes are not in it.
type IndexSpec struct {
	Name         string
	PartitionKey string // attribute
	SortKey      string // attribute
}

// QueueSpec is the shape of a queue. A name that ends in ".fifo" is a FIFO
// queue in high-throughput mode: deduplication and throughput per message group.
type QueueSpec struct {
	Name string
	// VisibilitySeconds is the queue's default visibility timeout, 0 to 43,200.
	VisibilitySeconds int
	// RetentionSeconds is how long a message is kept, 60 to 1,209,600.
	RetentionSeconds int
	// DeadLetterQueue names the queue, of the same type, that takes a message at
	// the receive after MaxReceiveCount; empty: none.
	DeadLetterQueue string
	MaxReceiveCount int // 1 to 1,000
}
