package backend

import (
	"context"
	"time"
)

// MaxRecords is the most one call of Records returns.
// Source: DynamoDB Streams API reference, GetRecords.
const MaxRecords = 1000

// StreamRetention is how long a stream keeps a record: afterwards the record is
// trimmed and can no longer be read.
// Source: DynamoDB developer guide, "Change data capture for DynamoDB Streams".
const StreamRetention = 24 * time.Hour

// Stream is the change stream of one table. Every rule of the real one is meant
// to be met: listings are no snapshot, empty pages are not the end, positions
// expire, and records are trimmed after StreamRetention.
type Stream interface {
	// Shards lists a page of shards after the named one; empty: from the first.
	// A table without a stream is KindNotFound.
	Shards(ctx context.Context, after string) (ShardPage, error)

	// Children lists the children of a shard that has ended, as far as they are
	// known: they may appear late. Others may be among them: a server may ignore
	// the filter, so callers compare Parent. KindInvalid: the server cannot
	// filter; list the shards instead.
	Children(ctx context.Context, streamARN, parent string) ([]Shard, error)

	// Iterator opens a shard at a position. A position past the trim horizon is
	// KindTrimmed, a shard that is gone KindNotFound.
	Iterator(ctx context.Context, streamARN, shard string, at Position) (string, error)

	// Records reads up to limit records, at most MaxRecords. An iterator older
	// than 15 minutes is KindExpired.
	Records(ctx context.Context, iterator string, limit int) (RecordPage, error)

	// Changed returns a channel that is closed once records may have been
	// appended after the call, or nil where the backend cannot tell: then a
	// reader waits for its next poll. It must not block.
	Changed() <-chan struct{}
}

// ShardPage is a part of the list of shards.
type ShardPage struct {
	StreamARN string // changes when a stream is switched off and on
	Disabled  bool   // no more records will come
	Shards    []Shard
	Last      string // go on after this one; empty: that was all
}

// Shard is one shard as it is listed, open or ended: only Records shows the end.
type Shard struct {
	ID     string
	Parent string // may name a shard that is gone; empty: none
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
	TrimHorizon PositionType = iota // the oldest record there is
	AtSequence
	AfterSequence
)

// RecordPage is what one read brought.
type RecordPage struct {
	Records []Record
	// Next is the iterator to read on with. Empty: the shard has ended, with
	// the records of this page as its last.
	Next string
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
	// Sequence is a number of up to 40 digits, growing within its shard: see
	// [CompareSequence].
	Sequence string
	// CreatedAt is approximate, to the second.
	CreatedAt time.Time
	SizeBytes int64 // of keys and image
	// NewImage decodes the item as it was after the change, at each call anew;
	// nil after a removal. Whoever skips a record by its key does not pay for it.
	NewImage func() (Item, error)
}

// CompareSequence orders two sequence numbers of one shard, as numbers: they
// have 21 to 40 digits, and text order is wrong for different lengths.
func CompareSequence(a, b string) int {
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
