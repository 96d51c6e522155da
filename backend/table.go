package backend

import (
	"cmp"
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

// Item is an item of a table, in the SDK's form. Its key is the strings PK and SK.
type Item = map[string]types.AttributeValue

// Key is the primary key of an item.
type Key struct{ PK, SK string }

// Compare orders keys by their partition, and within one by the sort key.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.PK, other.PK), cmp.Compare(k.SK, other.SK))
}

// What one capacity unit covers, in bytes. Source: DynamoDB developer guide, read and
// write capacity.
const (
	ReadUnitBytes  = 4 << 10
	WriteUnitBytes = 1 << 10
)

// Units are capacity units as DynamoDB counts them: one write unit for each KB, one
// read unit for each 4 KB that is read consistently and half of one otherwise, and
// twice as many in a transaction. The units of an index are included. They are zero
// if the server does not report them.
type Units struct{ Read, Write float64 }

// Add returns the sum.
func (u Units) Add(v Units) Units { return Units{u.Read + v.Read, u.Write + v.Write} }

// Table is one table.
type Table interface {
	// Get reads one item, consistently. A missing item is nil, not an error.
	Get(ctx context.Context, key Key) (Item, Units, error)

	// BatchGet reads up to MaxBatchGet distinct keys, consistently. Missing items
	// are left out. Keys that were not read come back in unprocessed, to be asked
	// for again after a pause.
	BatchGet(ctx context.Context, keys []Key) (items []Item, unprocessed []Key, units Units, err error)

	// Query reads a page of one partition, in the order of the sort key.
	Query(ctx context.Context, q Query) (Page, error)

	// Scan reads a page of the whole table, or of one of its segments.
	Scan(ctx context.Context, s Scan) (Page, error)

	// Put writes one item if the condition holds for the item it replaces.
	// Otherwise the error is KindConditionFailed and contains that item.
	Put(ctx context.Context, item Item, condition Condition) (Units, error)

	// BatchWrite puts and deletes up to MaxBatchWrite distinct keys, each by itself.
	// Writes that were not made come back in unprocessed.
	BatchWrite(ctx context.Context, writes []Write) (unprocessed []Write, units Units, err error)

	// Transact carries out up to MaxTransact actions on distinct keys, all of them
	// or none. Within ten minutes a repetition with the same token and actions
	// changes nothing and succeeds. The token has 1 to 36 characters. A refused
	// transaction is an [Error] with one reason for each action.
	Transact(ctx context.Context, token string, actions []Action) (Units, error)
}

// Query selects items of one partition. A zero limit means a full page (1 MB).
type Query struct {
	PK         string
	SKPrefix   string // only sort keys that begin with it; empty: all
	After      Key    // the last key that was read; zero: from the start
	Descending bool
	Limit      int
	Consistent bool
	// Index names an index to read instead of the table. Then PK and SKPrefix refer
	// to the index's keys, Consistent must be false, and the items have keys only.
	// After is the last item's key in the table, AfterIndex its key in the index.
	Index      string
	AfterIndex Key
}

// Scan selects items of a whole table, in no particular order.
type Scan struct {
	Segment, Segments int // zero Segments: the whole table is one segment
	After             Key // the last key that was read; zero: from the start
	Limit             int
	Consistent        bool
}

// Page is a part of an answer. A page that is short or even empty need not be the
// last one.
type Page struct {
	Items []Item
	// Last is the key to continue after; nil: this page is the last. For an index,
	// LastIndex is the same item's key in the index.
	Last      *Key
	LastIndex Key
	Units     Units
}

// Condition must hold for the item under a key, or a write fails. The zero
// Condition always holds.
type Condition struct {
	Absent bool // there is no item
	Equals Item // there is an item, and it has these attributes with equal values
}

// Write is a put, or a delete where Put is nil.
type Write struct {
	Put    Item
	Delete Key
}

// Action is a part of a transaction: a put, or else a delete, or else a check. The
// first of these fields that is not zero decides. A check needs a condition: the zero
// Condition is KindInvalid. A delete of an item that is not there succeeds.
type Action struct {
	Put       Item
	Delete    Key
	Check     Key
	Condition Condition
}

// Key is the key of the item that the action puts, deletes or checks.
func (a Action) Key() Key {
	switch {
	case a.Put != nil:
		return KeyOf(a.Put)
	case a.Delete != Key{}:
		return a.Delete
	}
	return a.Check
}
