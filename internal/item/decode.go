package item

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// DamageError is the error of an item that no program of ours can have written so.
type DamageError struct {
	Key backend.Key
	Err error // which attribute it is, and what is wrong with it
	// Blocks says that something may be unread, or not projected, for as long as
	// the item is damaged.
	Blocks bool
}

func (d *DamageError) Error() string {
	return fmt.Sprintf("the item %q, %q is damaged: %v", d.Key.PK, d.Key.SK, d.Err)
}

func (d *DamageError) Unwrap() error { return d.Err }

// AsDamaged returns the damage that an error is of; nil: it is of something else.
func AsDamaged(err error) *DamageError {
	d, _ := errors.AsType[*DamageError](err)
	return d
}

// DecodeAll decodes items that are read, and leaves those aside that are damaged. Any other
// error ends it.
func DecodeAll[T any](items iter.Seq2[backend.Item, error], decode func(backend.Item) (T, error)) (all []T, damaged []*DamageError, err error) {
	for it, err := range items {
		var one T
		if err == nil {
			one, err = decode(it)
		}
		switch damage := AsDamaged(err); {
		case damage != nil:
			damaged = append(damaged, damage)
		case err != nil:
			return nil, nil, err
		default:
			all = append(all, one)
		}
	}
	return all, damaged, nil
}

// maxDigits bounds the length of a sequence number: DynamoDB's have up to 40 digits,
// LocalStack's 56.
const maxDigits = 64

// Decoder reads the attributes of one item and keeps the first error. What it
// returns for an attribute that it cannot read is the zero value.
type Decoder struct {
	item  backend.Item
	err   error
	newer bool // the error is that of the format
}

// Decode returns a decoder of an item of a format number from 1 to newest. A newer
// one is an error of its own, which names it: such an item is not damaged, and this
// program must not touch it.
func Decode(it backend.Item, newest int64) *Decoder {
	d := &Decoder{item: it}
	if format := d.Int(AttrFormat, 1); format > newest && d.err == nil {
		d.newer = true
		d.err = fmt.Errorf("it has format %d, and this program knows formats up to %d: use a newer program", format, newest)
	}
	return d
}

// String returns a string attribute.
func (d *Decoder) String(name string) string {
	s, ok := d.item[name].(*types.AttributeValueMemberS)
	if !ok {
		d.wrongType(name, "a string")
		return ""
	}
	return s.Value
}

// maxInt leaves room to count on. It is what a JSON number holds exactly.
const maxInt = 1 << 53

// Int returns a whole number from least to 2^53.
func (d *Decoder) Int(name string, least int64) int64 {
	v, ok := d.item[name].(*types.AttributeValueMemberN)
	if !ok {
		d.wrongType(name, "a number")
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	switch {
	case err != nil:
		d.Fail(name, fmt.Errorf("%.60q is not a whole number", v.Value))
		return 0
	case n < least || n > maxInt:
		d.Fail(name, fmt.Errorf("it is %d, and must be from %d to %d", n, least, int64(maxInt)))
		return 0
	}
	return n
}

// Bool returns a boolean attribute.
func (d *Decoder) Bool(name string) bool {
	b, ok := d.item[name].(*types.AttributeValueMemberBOOL)
	if !ok {
		d.wrongType(name, "a boolean")
		return false
	}
	return b.Value
}

// Bytes returns a binary attribute, nil where it is missing.
func (d *Decoder) Bytes(name string) []byte {
	if d.item[name] == nil {
		return nil
	}
	b, ok := d.item[name].(*types.AttributeValueMemberB)
	if !ok {
		d.wrongType(name, "binary")
		return nil
	}
	return b.Value
}

// Time returns what [Time] wrote, and nothing that it would write otherwise.
func (d *Decoder) Time(name string) time.Time {
	s := d.String(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.UTC().Format(time.RFC3339Nano) != s || t.IsZero() { // the zero time is written as ""
		d.Fail(name, fmt.Errorf("%.60q is not a time as it is written here, in UTC and RFC 3339", s))
		return time.Time{}
	}
	return t.UTC()
}

// OptionalTime returns the time of an attribute that is there only if it has one.
func (d *Decoder) OptionalTime(name string) (t time.Time) {
	if d.item[name] != nil {
		t = d.Time(name)
		d.Check(name, !t.IsZero(), "it is empty")
	}
	return t
}

// Sequence returns a sequence number of the stream: empty, or digits.
func (d *Decoder) Sequence(name string) string {
	s := d.String(name)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || len(s) > maxDigits {
			d.Fail(name, fmt.Errorf("%.60q is not a sequence number: it must be empty or at most %d digits", s, maxDigits))
			return ""
		}
	}
	return s
}

// Maps calls read with a decoder for each of the maps that [Maps] wrote. The first
// error of any of the maps is one.
func (d *Decoder) Maps(name string, read func(*Decoder)) {
	list, ok := d.item[name].(*types.AttributeValueMemberL)
	if !ok {
		d.wrongType(name, "a list")
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

// Check records that an attribute has a value that cannot be, unless it can.
func (d *Decoder) Check(name string, can bool, why string) {
	if !can {
		d.Fail(name, errors.New(why))
	}
}

// Fail records that an attribute has a value that the caller does not understand.
func (d *Decoder) Fail(name string, err error) {
	if d.err == nil {
		d.err = fmt.Errorf("attribute %s: %w", name, err)
	}
}

func (d *Decoder) wrongType(name, want string) {
	if d.item[name] == nil {
		d.Fail(name, errors.New("it is missing"))
		return
	}
	d.Fail(name, fmt.Errorf("it is not %s", want))
}

// Err returns the first error as a backend.Error of KindInvalid, with the item's
// key. It wraps a [DamageError], unless the item has a newer format.
func (d *Decoder) Err() error {
	if d.err == nil {
		return nil
	}
	key := backend.KeyOf(d.item)
	if d.newer {
		return &backend.Error{Op: fmt.Sprintf("decode item %q, %q", key.PK, key.SK), Kind: backend.KindInvalid, Err: d.err}
	}
	return &backend.Error{Op: "decode", Kind: backend.KindInvalid, Err: &DamageError{Key: key, Err: d.err}}
}

// Damage returns the first error if it is of a damaged item, and otherwise, as err,
// that of a newer format. Both are nil if the item is good.
func (d *Decoder) Damage() (damage *DamageError, err error) {
	err = d.Err()
	if damage = AsDamaged(err); damage != nil {
		return damage, nil
	}
	return nil, err
}
