// Package item encodes and decodes the items of the control table, and the head
// of a conversation: attribute values to and from Go's types, and a format number
// in each item of the control table.
package item

import (
	"errors"
	"fmt"
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

// Decoder reads the attributes of one item and keeps the first error, which is
// a backend.Error of KindInvalid.
type Decoder struct {
	item backend.Item
	err  error
}

// Decode returns a decoder of an item of a format number up to newest. A newer
// one is an error, which names it, and so is an item without a format number.
func Decode(it backend.Item, newest int64) *Decoder {
	d := &Decoder{item: it}
	if format := d.Int(AttrFormat); format > newest {
		d.err = d.invalid(fmt.Errorf("it has format %d, and this program knows formats up to %d: use a newer program",
			format, newest))
	}
	return d
}

// String returns a string attribute, "" where it is missing.
func (d *Decoder) String(name string) string { return backend.Text(d.item, name) }

// Int returns a number attribute. A missing one is an error.
func (d *Decoder) Int(name string) int64 {
	n, err := strconv.ParseInt(backend.Number(d.item, name), 10, 64)
	if err != nil {
		d.Fail(name, err)
	}
	return n
}

// Bool returns a boolean attribute, false where it is missing.
func (d *Decoder) Bool(name string) bool {
	b, ok := d.item[name].(*types.AttributeValueMemberBOOL)
	return ok && b.Value
}

// Bytes returns a binary attribute, nil where it is missing.
func (d *Decoder) Bytes(name string) []byte {
	if b, ok := d.item[name].(*types.AttributeValueMemberB); ok {
		return b.Value
	}
	return nil
}

// Time returns what [Time] wrote; the zero time where it is missing.
func (d *Decoder) Time(name string) time.Time {
	s := d.String(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		d.Fail(name, err)
	}
	return t
}

// Maps calls read with a decoder for each of the maps that [Maps] wrote. A missing
// list is an error, and so is the first error of any of the maps.
func (d *Decoder) Maps(name string, read func(*Decoder)) {
	list, ok := d.item[name].(*types.AttributeValueMemberL)
	if !ok {
		d.Fail(name, errors.New("it is not a list"))
		return
	}
	for _, v := range list.Value {
		m, ok := v.(*types.AttributeValueMemberM)
		if !ok {
			d.Fail(name, errors.New("its elements are not maps"))
			return
		}
		inner := &Decoder{item: m.Value}
		read(inner)
		if inner.err != nil {
			d.Fail(name, inner.err)
		}
	}
}

// Fail records that an attribute has a value that the caller does not understand.
func (d *Decoder) Fail(name string, err error) {
	if d.err == nil {
		d.err = d.invalid(fmt.Errorf("attribute %s: %w", name, err))
	}
}

// Err returns the first error.
func (d *Decoder) Err() error { return d.err }

func (d *Decoder) invalid(err error) error {
	key := backend.KeyOf(d.item)
	return &backend.Error{
		Op: fmt.Sprintf("decode item %q, %q", key.PK, key.SK), Kind: backend.KindInvalid, Err: err,
	}
}
