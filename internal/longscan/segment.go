// Package longscan is what long scans of a table have in common: they keep to a pace, and
// remember durably how far they are.
package longscan

import (
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// Segment is how far one segment of a scan is done.
type Segment struct {
	After backend.Key // the last key up to which everything is done; zero: nothing is
	Done  bool
}

const attrDone = "done"

// Encode returns segments as an attribute.
func Encode(segments []Segment) []backend.Item {
	all := make([]backend.Item, len(segments))
	for i, s := range segments {
		all[i] = backend.Item{
			backend.AttrPK: item.String(s.After.PK), backend.AttrSK: item.String(s.After.SK), attrDone: item.Bool(s.Done),
		}
	}
	return all
}

// Decode reads what [Encode] returned from an attribute.
func Decode(d *item.Decoder, name string) (segments []Segment) {
	d.Maps(name, func(d *item.Decoder) {
		after := backend.Key{PK: d.String(backend.AttrPK), SK: d.String(backend.AttrSK)}
		d.Check(backend.AttrSK, (after.PK == "") == (after.SK == ""), "it is a half of a key")
		segments = append(segments, Segment{after, d.Bool(attrDone)})
	})
	return segments
}
