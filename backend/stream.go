package backend

import (
	"cmp"
	"context"
	"time"
)

// Limits of one call of Records. Source: DynamoDB Streams API reference, GetRecords.
const (
	MaxRecords      = 1000    // records of a page
	MaxRecordsBytes = 1 << 20 // their sizes together
)

// StreamRetention is how long a stream keeps a record: afterwards the record is
// trimmed and can no longer be read.
// Source: DynamoDB developer guide, "Change data capture for DynamoDB Streams".
const StreamRetention = 24 * time.Hour

// Stream is the change stream of one table. Its users must live with every habit
// of DynamoDB Streams: a listing is not a snapshot, an empty page is not the end of
// a shard, iterators expire, and records are trimmed after StreamRetention.
type Stream interface {
	// Shards lists a page of shards after the named one; empty: from the start.
	// A table without a stream is KindNotFound.
	Shards(ctx context.Context, after string) (ShardPage, error)

	// Children lists the children of a shard that has ended. Children may appear
	// late, and a server may ignore the filter and return other shards, so callers
	// compare Parent. KindInvalid: the server cannot filter; list all shards
	// instead.
	Children(ctx context.Context, streamARN, parent string) ([]Shard, error)

	// Iterator opens a shard at a position. A position past the trim horizon is
	// KindTrimmed, and a shard that no longer exists is KindNotFound.
	Iterator(ctx context.Context, streamARN, shard string, at Position) (string, error)

	// Records reads up to limit records, at most MaxRecords. An iterator older
	// than 15 minutes is KindExpired.
	Records(ctx context.Context, iterator string, limit int) (RecordPage, error)

	// Changed returns a channel that is closed once records may have been appended
	// after the call, or nil if the backend cannot tell: then a reader polls. It
	// must not block.
	Changed() <-chan struct{}
}

// ShardPage is a part of the list of shards.
type ShardPage struct {
	StreamARN string // changes when a stream is switched off and on again
	Disabled  bool   // no more records will come
	Shards    []Shard
	Last      string // the shard to continue after; empty: this page is the last
}

// Shard is a listed shard, open or ended: only Records tells whether it has ended.
type Shard struct {
	ID     string
	Parent string // may name a shard that no longer exists; empty: none
}

// Position is a place in a shard.
type Position struct {
	Type     PositionType
	Sequence string // of AtSequence and AfterSequence
}

// PositionType says where an iterator begins.
type PositionType int

// The positions, as DynamoDB Streams names them.
const (
	TrimHorizon PositionType = iota // the oldest record that is left
	AtSequence
	AfterSequence
)

// RecordPage is the result of one read.
type RecordPage struct {
	Records []Record
	// Next is the iterator of the next read. Empty: the shard has ended, and the
	// records of this page are its last.
	Next string
	// Tip says that a page is empty because the shard held no more when it was made.
	// It is false where the backend cannot tell: a page of DynamoDB may be empty
	// although records follow.
	Tip bool
}

// EventName says what happened to an item.
type EventName string

// The event names of DynamoDB Streams.
const (
	Insert EventName = "INSERT"
	Modify EventName = "MODIFY"
	Remove EventName = "REMOVE"
)

// Record is one change of one item.
type Record struct {
	EventID string // unique in the stream
	Event   EventName
	Key     Key
	// Sequence is a number of up to 40 digits that grows within its shard; see
	// [CompareSequence].
	Sequence string
	// CreatedAt is approximate, with a precision of one second.
	CreatedAt time.Time
	SizeBytes int64 // of keys and image
	// NewImage decodes the item as it was after the change, anew at each call; it
	// returns nil after a removal. A reader that skips a record by its key does not
	// pay for decoding.
	NewImage func() (Item, error)
}

// CompareSequence compares two sequence numbers of one shard as numbers: they have
// 21 to 40 digits, and comparing them as text is wrong for different lengths.
func CompareSequence(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
