package postroom_test

import (
	"reflect"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// Whatever a line holds: an error, or a message that is valid and comes back
// the same by either way.
func FuzzUnmarshalJSON(f *testing.F) {
	f.Add([]byte(goodLine))
	f.Add([]byte(goodLine + "}"))
	f.Add([]byte("null"))
	opening := messageBy(person(1))
	opening.Members = people(3)
	line, err := opening.MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Fuzz(func(t *testing.T, line []byte) {
		var m postroom.Message
		if m.UnmarshalJSON(line) != nil {
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		again, err := m.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back postroom.Message
		if err := back.UnmarshalJSON(again); err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, back, m)
		}
		stored, err := postroom.MessageFromItem(m.Item())
		if err != nil || !reflect.DeepEqual(stored, m) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, stored, m)
		}
	})
}

// Whatever an item holds: an error, or a message that is stored as that item
// again, as far as it is one.
func FuzzMessageFromItem(f *testing.F) {
	for _, item := range []backend.Item{messageBy(person(1)).Item(), postroom.Groups(messageBy(person(1)), people(2))[0].Item()} {
		line, err := backend.EncodeItem(item)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"PK":{"N":"1"},"members":{"L":[{"M":{}}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		item, err := backend.DecodeItem(line)
		if err != nil {
			return
		}
		_, _ = postroom.GroupFromItem(item) // must not panic
		m, err := postroom.MessageFromItem(item)
		if err != nil {
			return
		}
		for name, value := range m.Item() {
			if name != "members" && !reflect.DeepEqual(item[name], value) {
				t.Fatalf("attribute %s: %v, was %v", name, value, item[name])
			}
		}
	})
}
