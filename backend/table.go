package backend

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Limits of one call. Source: DynamoDB API reference; Service quotas.
const (
	MaxBatchGet   = 100       // keys of a BatchGet
	MaxBatchWrite = 25        // writes of a BatchWrite
	MaxTransact   = 100       // actions of a Transact
	MaxItemBytes  = 400 << 10 // names and values of one item, see [ItemBytes]
)

// Item is an item of a table, as the SDK has it. Keys are its strings PK and SK.
type Item = map[string]types.AttributeValue

// Key is the primary key of an item.
type Key struct{ PK, SK string }

// Units are capacity units, as DynamoDB counts them: a write unit for each KB,
// a read unit for each 4 KB read consistently, half of one otherwise, twice
// that in a transaction; what an index takes is included. A server that does
// not tell reports zero.
type Units struct{ Read, Write float64 }

// Add returns the sum.
func (u Units) Add(v Units) Units { return Units{u.Read + v.Read, u.Write + v.Write} }

// Table is one table.
type Table interface {
	// Get reads one item, consistently. A missing item is nil, not an error.
	Get(ctx context.Context, key Key) (Item, Units, error)

	// BatchGet reads up to MaxBatchGet distinct keys, consistently. What is
	// missing is absent from the items; what was not read comes back in
	// unprocessed, to be asked for again after a pause.
	BatchGet(ctx context.Context, keys []Key) (items []Item, unprocessed []Key, units Units, err error)

	// Query reads a page of one partition, in order of the sort key.
	Query(ctx context.Context, q Query) (Page, error)

	// Scan reads a page of the whole table, or of one of its segments.
	Scan(ctx context.Context, s Scan) (Page, error)

	// Put writes one item if the condition holds of the item it replaces.
	// Otherwise the error is KindConditionFailed and carries that item.
	Put(ctx context.Context, item Item, condition Condition) (Units, error)

	// BatchWrite puts and deletes up to MaxBatchWrite distinct keys, each on its
	// own. What was not written comes back in unprocessed.
	BatchWrite(ctx context.Context, writes []Write) (unprocessed []Write, units Units, err error)

	// Transact writes all of up to MaxTransact actions on distinct keys, or
	// nothing. Within ten minutes the same token and actions again change
	// nothing and succeed. The token has 1 to 36 characters. A refused
	// transaction is an [Error] with one reason for each action.
	Transact(ctx context.Context, token string, actions []Action) (Units, error)
}

// Query asks for items of one partition. The zero limit is a full page (1 MB).
type Query struct {
	PK         string
	SKPrefix   string // only sort keys that begin so; empty: all
	After      Key    // the last key read; zero: from the start
	Descending bool
	Limit      int
	Consistent bool
	// Index names an index to read instead. PK and SKPrefix are of its keys
	// then, Consistent must be off, and the items carry keys only. After is the
	// table's key of the last item read and its index keys are in AfterIndex.
	Index      string
	AfterIndex Key
}

// Scan asks for items of a whole table, in no promised order.
type Scan struct {
	Segment, Segments int // 0 of 1 when Segments is zero
	After             Key // the last key read; zero: from the start
	Limit             int
	Consistent        bool
}

// Page is a part of an answer. It may be short, even empty, and not the last.
type Page struct {
	Items []Item
	// Last is the last key read, to go on after; nil: that was all. Of an index
	// its keys are in LastIndex.
	Last      *Key
	LastIndex Key
	Units     Units
}

// Condition is what must hold of the item under a key for a write to go ahead.
// The zero Condition always holds.
type Condition struct {
	Absent bool // there is no item
	Equals Item // there is one, and each of these attributes is equal
}

// Write is a put, or a delete where Put is nil.
type Write struct {
	Put    Item
	Delete Key
}

// Action is a part of a transaction: a put, or a check of a key where Put is
// nil. A check needs a condition: the zero one is KindInvalid.
type Action struct {
	Put       Item
	Check     Key
	Condition Condition
}
