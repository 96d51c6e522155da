package item

import (
	"strings"
	"testing"
	"time"

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
	it["maps"] = Maps([]backend.Item{{"id": Int(1)}, {"id": Int(2)}})

	d := Decode(it, 1)
	var ids []int64
	d.Maps("maps", func(d *Decoder) { ids = append(ids, d.Int("id")) })
	got := []any{
		backend.KeyOf(it), d.String("s"), d.Int("n"), d.Bool("b"), d.Bytes("bytes"), d.Time("t"), d.Time("zero"), ids,
		d.String("missing"), d.Bool("missing"), d.Bytes("missing"), d.Time("missing"), d.Err(),
	}
	want := []any{
		key, "é", int64(-7), true, []byte{0, 1}, at, time.Time{}, []int64{1, 2},
		"", false, []byte(nil), time.Time{}, error(nil),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What cannot be decoded is refused with the item's key, the attribute and the
// reason, and the first error stays.
func TestErrors(t *testing.T) {
	t.Parallel()
	with := func(name string, it backend.Item) backend.Item {
		item := New(key, 1)
		item[name] = it["v"]
		return item
	}
	for want, c := range map[string]struct {
		item backend.Item
		read func(*Decoder)
	}{
		`it has format 2, and this program knows formats up to 1: use a newer program`: {New(key, 2), nil},
		`attribute format: `: {backend.Item{backend.AttrPK: String(key.PK), backend.AttrSK: String(key.SK)}, nil},
		`attribute n: `:      {New(key, 1), func(d *Decoder) { d.Int("n"); d.Time("t") }},
		`attribute t: parsing time "yesterday"`: {
			with("t", backend.Item{"v": String("yesterday")}), func(d *Decoder) { d.Time("t"); d.Int("n") },
		},
		`attribute l: it is not a list`: {New(key, 1), func(d *Decoder) { d.Maps("l", func(*Decoder) {}) }},
		`attribute l: decode item "", "": invalid request: attribute id: `: {
			with("l", backend.Item{"v": Maps([]backend.Item{{}})}),
			func(d *Decoder) { d.Maps("l", func(d *Decoder) { d.Int("id") }) },
		},
	} {
		d := Decode(c.item, 1)
		if c.read != nil {
			c.read(d)
		}
		err := d.Err()
		if backend.KindOf(err) != backend.KindInvalid || !strings.HasPrefix(err.Error(), `decode item "stream#s", "SHARD#1": invalid request: `+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
