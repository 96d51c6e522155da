// Package item encodes and decodes the items of the control table: attribute values
// to and from Go's types, and a format number in each item.
//
// Decoding is strict. Nothing else guards these items, and a person, or another
// program, may have changed one: an attribute that is missing, of another type or
// out of its range makes the whole item damaged, see [DamageError]. Whoever reads a
// damaged item leaves it aside, see [Aside].
package item

import (
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// AttrFormat is the attribute that holds an item's format number.
const AttrFormat = "format"

// New returns an item with a key and a format number and nothing else.
func New(key backend.Key, format int64) backend.Item {
	return backend.Item{
		backend.AttrPK: String(key.PK), backend.AttrSK: String(key.SK), AttrFormat: Int(format),
	}
}

// Same is the condition that an item is still as it was read, whatever it holds.
func Same(it backend.Item) backend.Condition {
	c := backend.Condition{Equals: maps.Clone(it)}
	delete(c.Equals, backend.AttrPK)
	delete(c.Equals, backend.AttrSK)
	return c
}

// String returns a string attribute.
func String(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// Int returns a number attribute.
func Int(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Bool returns a boolean attribute.
func Bool(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

// Bytes returns a binary attribute.
func Bytes(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// Time returns a time as a string attribute, in UTC and RFC 3339 with as many
// digits as it takes; the zero time is the empty string.
func Time(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return String("")
	}
	return String(t.UTC().Format(time.RFC3339Nano))
}

// Maps returns a list of maps.
func Maps(items []backend.Item) types.AttributeValue {
	list := make([]types.AttributeValue, len(items))
	for i, it := range items {
		list[i] = &types.AttributeValueMemberM{Value: it}
	}
	return &types.AttributeValueMemberL{Value: list}
}
