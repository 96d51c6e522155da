// Package fuzz has what the fuzz targets share. A target stands beside its decoder;
// where the tests there bring a database, which takes minutes to build for a fuzzer, it
// stands in a package of its own. `make fuzz` runs all of them.
package fuzz

import (
	"bytes"
	"testing"

	"github.com/postroom/postroom/backend"
)

// MaxErrorBytes bounds what a decoder says of whatever input.
const MaxErrorBytes = 1000

// Refused checks what a decoder says of an input that it refuses.
func Refused(t *testing.T, err error) {
	t.Helper()
	if err.Error() == "" || len(err.Error()) > MaxErrorBytes {
		t.Fatalf("%d bytes of error: %.2000s", len(err.Error()), err)
	}
}

// Items fuzzes a decoder of items, which begins with the seeds. Decode returns what the
// decoded value is encoded to, or the decoder's error. An item is refused, or it holds
// all that it is encoded to, and that is decoded to the same: no attribute is believed
// that the item does not have, and none is read as something else.
func Items(f *testing.F, decode func(backend.Item) (backend.Item, error), seeds ...backend.Item) {
	f.Helper()
	for _, seed := range seeds {
		if encoded, err := decode(seed); err != nil || !bytes.Equal(encode(f, encoded), encode(f, seed)) {
			f.Fatalf("the seed %v is decoded to %v, %v", seed, encoded, err)
		}
		f.Add(encode(f, seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		it, err := backend.DecodeItem(line)
		if err != nil {
			return
		}
		encoded, err := decode(it)
		if err != nil {
			Refused(t, err)
			return
		}
		key := backend.KeyOf(it)
		if it, err = backend.NormalItem(it); err != nil || key.PK == "" || key.SK == "" {
			return // no table holds it
		}
		if encoded, err = backend.NormalItem(encoded); err != nil {
			t.Fatalf("encoded to %v: %v", encoded, err)
		}
		for name, value := range encoded {
			was := backend.Item{name: it[name]}
			if it[name] == nil || !bytes.Equal(encode(t, was), encode(t, backend.Item{name: value})) {
				t.Fatalf("attribute %s is %#v, and was %#v", name, value, it[name])
			}
		}
		again, err := decode(encoded)
		if err != nil || !bytes.Equal(encode(t, again), encode(t, encoded)) {
			t.Fatalf("%v\n got %s\nwant %s", err, encode(t, again), encode(t, encoded))
		}
	})
}

// encode encodes an item as DynamoDB's JSON, from which the fuzzer makes others.
func encode(t testing.TB, it backend.Item) []byte {
	t.Helper()
	line, err := backend.EncodeItem(it)
	if err != nil {
		t.Fatal(err)
	}
	return line
}
