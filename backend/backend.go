package backend

import "context"

// Backend opens tables, streams and queues by name, and creates, changes and
// deletes them. Opening makes no call: a name that does not exist fails at its
// first use, with [KindNotFound].
type Backend interface {
	Table(name string) Table
	Stream(table string) Stream
	Queue(name string) Queue

	// CreateTable creates a table and returns once the table, its index and its
	// stream can be used. An existing name is KindExists, whatever its table looks
	// like. With an error that is errors.ErrUnsupported the table was created and
	// can be used, but the server has no point-in-time recovery or no time to live.
	CreateTable(ctx context.Context, spec TableSpec) error
	// DescribeTable returns the shape of an existing table.
	DescribeTable(ctx context.Context, name string) (TableSpec, error)
	// SetDeletionProtection switches a table's protection against DeleteTable on
	// or off, and returns once the change is in force. It does nothing where the
	// protection is as wanted already. A missing table is KindNotFound.
	SetDeletionProtection(ctx context.Context, table string, on bool) error
	// SetTimeToLive switches [TableSpec].TimeToLive of a table on, also for the
	// items that the table holds already. It does nothing where the attribute is
	// the table's already. If the table has another one the error is KindInvalid,
	// if there is no such table KindNotFound, and errors.ErrUnsupported if the
	// server has no time to live.
	SetTimeToLive(ctx context.Context, table, attribute string) error
	// DeleteTable deletes a table and everything in it. A protected table is
	// KindInvalid.
	DeleteTable(ctx context.Context, name string) error

	// CreateQueue creates a queue. Its dead-letter queue must exist; otherwise the
	// error is KindNotFound or KindInvalid. An existing name with other settings
	// is KindExists; with the same settings it is KindExists or no error.
	CreateQueue(ctx context.Context, spec QueueSpec) error
	// DescribeQueue returns the shape of an existing queue.
	DescribeQueue(ctx context.Context, name string) (QueueSpec, error)
	// DeleteQueue deletes a queue and everything in it.
	DeleteQueue(ctx context.Context, name string) error

	// Close releases the backend's resources. Calls after it fail.
	Close() error
}

// TableSpec is the shape of a table. Keys and index keys are strings; capacity
// is on demand.
type TableSpec struct {
	Name         string
	PartitionKey string // attribute, PK in Postroom's tables
	SortKey      string // attribute, SK in Postroom's tables
	Index        *IndexSpec
	// StreamView says what a stream record contains, in DynamoDB's words
	// ("NEW_IMAGE"); empty: no stream.
	StreamView string
	// DeletionProtection makes DeleteTable fail until SetDeletionProtection
	// switches it off.
	DeletionProtection bool
	// TimeToLive names the attribute that holds an item's expiry, in seconds since
	// 1970. An expired item is removed some time later, on AWS within two days;
	// until then it is read like any other. Its removal consumes no units and
	// leaves a stream record like any other. Empty: items do not expire.
	TimeToLive string
	// PointInTimeRecovery keeps continuous backups, if the server can.
	PointInTimeRecovery bool
}

// IndexSpec is a global secondary index that holds keys only. An item without the
// index's key attributes is not in the index.
type IndexSpec struct {
	Name         string
	PartitionKey string // attribute
	SortKey      string // attribute
}

// QueueSpec is the shape of a queue. A queue whose name ends in ".fifo" is a FIFO
// queue in high-throughput mode: deduplication and throughput are per FIFO group.
type QueueSpec struct {
	Name string
	// VisibilitySeconds is the queue's default visibility timeout, 0 to 43,200.
	VisibilitySeconds int
	// RetentionSeconds is how long the queue keeps a message, 60 to 1,209,600. A
	// description has 0 where the server does not tell.
	RetentionSeconds int
	// DeadLetterQueue names the queue, of the same type, to which a message moves
	// when it would be received more than MaxReceiveCount times; empty: none.
	DeadLetterQueue string
	MaxReceiveCount int // 1 to 1,000
}
