package item_test

import (
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/item"
)

// An item with an attribute of each kind is refused, or each is what it was written as.
func FuzzDecode(f *testing.F) {
	key := backend.Key{PK: "p", SK: "s"}
	good := item.New(key, 2)
	good["string"], good["int"], good["bool"] = item.String("a\x00é"), item.Int(-1), item.Bool(true)
	good["bytes"], good["sequence"] = item.Bytes([]byte{0, 0xff}), item.String("00100")
	good["time"] = item.Time(time.Date(2026, 5, 21, 10, 30, 0, 5, time.UTC))
	good["maps"] = item.Maps([]backend.Item{{"n": item.Int(1)}, {"n": item.Int(0)}})
	empty := item.New(key, 1)
	empty["string"], empty["int"], empty["bool"] = item.String(""), item.Int(1<<53), item.Bool(false)
	empty["bytes"], empty["sequence"], empty["time"] = item.Bytes([]byte("x")), item.String(""), item.Time(time.Time{})
	empty["maps"] = item.Maps(nil)
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		d := item.Decode(it, 2)
		again := item.New(backend.Key{PK: d.String("PK"), SK: d.String("SK")}, d.Int(item.AttrFormat, 1))
		again["string"], again["int"], again["bool"] = item.String(d.String("string")), item.Int(d.Int("int", -1)), item.Bool(d.Bool("bool"))
		again["sequence"], again["time"] = item.String(d.Sequence("sequence")), item.Time(d.Time("time"))
		if bytes := d.Bytes("bytes"); bytes != nil {
			again["bytes"] = item.Bytes(bytes)
		}
		var maps []backend.Item
		d.Maps("maps", func(d *item.Decoder) { maps = append(maps, backend.Item{"n": item.Int(d.Int("n", 0))}) })
		again["maps"] = item.Maps(maps)
		if d.Err() == nil && len(maps) > 0 {
			// What a map holds beside what is read is not lost: it was never written.
			again["maps"] = it["maps"]
		}
		return again, d.Err()
	}, good, empty)
}
