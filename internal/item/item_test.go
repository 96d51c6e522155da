package item

import (
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

var key = backend.Key{PK: "stream#s", SK: "SHARD#1"}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 21, 10, 30, 0, 123456789, time.UTC)
	it := New(key, 1)
	it["s"], it["n"], it["b"], it["bytes"] = String("é"), Int(-7), Bool(true), Bytes([]byte{0, 1})
	it["t"], it["zero"] = Time(at.In(time.FixedZone("", 3600))), Time(time.Time{})
	it["sequence"] = String("100000000003218256368")
	it["maps"] = Maps([]backend.Item{{"id": Int(1)}, {"id": Int(2)}})

	d := Decode(it, 1)
	var ids []int64
	d.Maps("maps", func(d *Decoder) { ids = append(ids, d.Int("id", 1)) })
	got := []any{
		backend.KeyOf(it), d.String("s"), d.Int("n", -7), d.Bool("b"), d.Bytes("bytes"), d.Time("t"), d.Time("zero"), ids,
		d.Sequence("sequence"), d.Bytes("missing"), d.Err(),
	}
	want := []any{
		key, "é", int64(-7), true, []byte{0, 1}, at, time.Time{}, []int64{1, 2},
		"100000000003218256368", []byte(nil), error(nil),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestF11EveryAttributeIsDecodedStrictly: what no program of ours writes is refused
// with the item's key, the attribute and the reason, and the first error stays.
func TestF11EveryAttributeIsDecodedStrictly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want  string
		value types.AttributeValue // of the attribute a; nil: it is missing
		read  func(*Decoder)
	}{
		{"it is missing", nil, func(d *Decoder) { d.String("a"); d.Int("b", 0) }},
		{"it is missing", nil, func(d *Decoder) { d.Int("a", 0) }},
		{"it is missing", nil, func(d *Decoder) { d.Bool("a") }},
		{"it is missing", nil, func(d *Decoder) { d.Time("a") }},
		{"it is missing", nil, func(d *Decoder) { d.Maps("a", nil) }},
		{"it is not a string", Int(1), func(d *Decoder) { d.String("a") }},
		{"it is not a number", String("1"), func(d *Decoder) { d.Int("a", 0) }},
		{"it is not a boolean", String("true"), func(d *Decoder) { d.Bool("a") }},
		{"it is not binary", String(""), func(d *Decoder) { d.Bytes("a") }},
		{"it is not a string", Bool(true), func(d *Decoder) { d.Time("a") }},
		{"it is not a list", String(""), func(d *Decoder) { d.Maps("a", nil) }},
		{`"1.5" is not a whole number`, &types.AttributeValueMemberN{Value: "1.5"}, func(d *Decoder) { d.Int("a", 0) }},
		{`"1E+400" is not a whole number`, &types.AttributeValueMemberN{Value: "1E+400"}, func(d *Decoder) { d.Int("a", 0) }},
		{"it is 0, and must be from 1 to 9007199254740992", Int(0), func(d *Decoder) { d.Int("a", 1) }},
		{"it is 9007199254740993, and must be from 1 to 9007199254740992", Int(maxInt + 1), func(d *Decoder) { d.Int("a", 1) }},
		{`"yesterday" is not a time`, String("yesterday"), func(d *Decoder) { d.Time("a") }},
		{`"2026-05-21T10:30:00+02:00" is not a time`, String("2026-05-21T10:30:00+02:00"), func(d *Decoder) { d.Time("a") }},
		{`"2026-05-21T10:30:00,5Z" is not a time`, String("2026-05-21T10:30:00,5Z"), func(d *Decoder) { d.Time("a") }},
		{`"12x" is not a sequence number`, String("12x"), func(d *Decoder) { d.Sequence("a") }},
		{`"-1" is not a sequence number`, String("-1"), func(d *Decoder) { d.Sequence("a") }},
		{`"1111`, String(strings.Repeat("1", maxDigits+1)), func(d *Decoder) { d.Sequence("a") }},
		{"its elements are not maps", &types.AttributeValueMemberL{Value: []types.AttributeValue{Int(1)}}, func(d *Decoder) { d.Maps("a", nil) }},
		{"attribute id: it is missing", Maps([]backend.Item{{}}), func(d *Decoder) {
			d.Maps("a", func(d *Decoder) { d.Int("id", 0) })
		}},
		{"why", String("x"), func(d *Decoder) { d.Check("a", d.String("a") == "y", "why") }},
	} {
		it := New(key, 1)
		if c.value != nil {
			it["a"] = c.value
		}
		d := Decode(it, 1)
		c.read(d)
		damage, err := d.Damage()
		if err != nil || damage == nil || damage.Key != key || !strings.Contains(damage.Error(), "attribute a: "+c.want) {
			t.Errorf("%v %v, want %s", damage, err, c.want)
		}
		if backend.KindOf(d.Err()) != backend.KindInvalid {
			t.Errorf("%v is of kind %v", d.Err(), backend.KindOf(d.Err()))
		}
	}
}

// A format that is no number, or below 1, is damage. One that is newer is not: some
// program knows the item.
// TestOptionalTime: one that is missing is the zero time; one that is empty is damage.
func TestOptionalTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		it   backend.Item
		want time.Time
		bad  bool
	}{
		"missing": {backend.Item{}, time.Time{}, false},
		"there":   {backend.Item{"at": Time(at)}, at, false},
		"empty":   {backend.Item{"at": String("")}, time.Time{}, true},
		"a word":  {backend.Item{"at": String("now")}, time.Time{}, true},
	} {
		c.it[AttrFormat] = Int(1)
		d := Decode(c.it, 1)
		if got := d.OptionalTime("at"); !got.Equal(c.want) || (d.Err() != nil) != c.bad {
			t.Errorf("%s: %v, %v", name, got, d.Err())
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for format, want := range map[types.AttributeValue]string{
		nil: "is damaged: attribute format: it is missing", Int(0): "is damaged: attribute format: it is 0",
		String("1"): "is damaged: attribute format: it is not a number",
		Int(2):      "it has format 2, and this program knows formats up to 1: use a newer program",
	} {
		it := New(key, 1)
		if it[AttrFormat] = format; format == nil {
			delete(it, AttrFormat)
		}
		err := Decode(it, 1).Err()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"stream#s", "SHARD#1"`) {
			t.Errorf("%v, want %s", err, want)
		}
		if (AsDamaged(err) != nil) != strings.Contains(want, "damaged") {
			t.Errorf("%v: damaged %v", err, AsDamaged(err))
		}
	}
}

// What is damaged is left aside; what a newer program wrote, or cannot be read, ends it.
func TestDecodeAll(t *testing.T) {
	t.Parallel()
	good, damaged, unread := New(key, 1), New(key, 0), errors.New("no answer")
	decode := func(it backend.Item) (backend.Key, error) { return backend.KeyOf(it), Decode(it, 1).Err() }
	read := func(last backend.Item, err error) iter.Seq2[backend.Item, error] {
		return func(yield func(backend.Item, error) bool) {
			_ = yield(good, nil) && yield(damaged, nil) && yield(last, err)
		}
	}
	all, bad, err := DecodeAll(read(good, nil), decode)
	if len(all) != 2 || all[1] != key || len(bad) != 1 || bad[0].Key != key || err != nil {
		t.Errorf("%v, %v, %v", all, bad, err)
	}
	if all, bad, err := DecodeAll(read(nil, unread), decode); len(all)+len(bad) > 0 || !errors.Is(err, unread) {
		t.Errorf("%v, %v, %v", all, bad, err)
	}
	if all, bad, err := DecodeAll(read(New(key, 2), nil), decode); len(all)+len(bad) > 0 || err == nil {
		t.Errorf("%v, %v, %v", all, bad, err)
	}
}

// An item that is damaged is logged once, however often it is read, and again if it
// was good meanwhile.
func TestF18DamageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	a := NewAside(slog.New(slog.NewTextHandler(&log, nil)))
	one := &DamageError{Key: key, Err: errors.New("broken")}
	other := &DamageError{Key: backend.Key{PK: "stream#s", SK: "SHARD#0"}, Err: errors.New("broken")}
	for range 10 {
		a.Set("leases", []*DamageError{one})
		a.Set("backfill", []*DamageError{other})
	}
	if diff := cmp.Diff([]backend.Key{other.Key, one.Key}, keysOf(a.All())); diff != "" {
		t.Error(diff)
	}
	a.Set("leases", nil)
	if diff := cmp.Diff([]backend.Key{other.Key}, keysOf(a.All())); diff != "" {
		t.Error(diff)
	}
	a.Set("leases", []*DamageError{one})
	if n := strings.Count(log.String(), "SK=SHARD#1 "); n != 2 || !strings.Contains(log.String(), "postroom repair") {
		t.Errorf("logged %d times, want twice:\n%s", n, log.String())
	}
}

func keysOf(all []*DamageError) (keys []backend.Key) {
	for _, d := range all {
		keys = append(keys, d.Key)
	}
	return keys
}

// A time is what a program of ours wrote, in its own letters, or the item is damaged.
func TestF6TimesOfItems(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"0001-01-01T00:00:00Z", "2026-05-21T10:30:00+24:00", "2026-05-21T0:30:00Z", "2026-05-21T10:30:00,5Z",
		"2026-05-21t10:30:00z", "2026-05-21T12:30:00+02:00", "2026-05-21T10:30:00.50Z", "2016-12-31T23:59:60Z", "now",
	} {
		it := New(key, 1)
		it["at"] = String(s)
		d := Decode(it, 1)
		if at := d.Time("at"); !at.IsZero() || AsDamaged(d.Err()) == nil || !strings.Contains(d.Err().Error(), "attribute at") {
			t.Errorf("%s is %s, %v", s, at, d.Err())
		}
	}
}
