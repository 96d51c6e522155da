package quarantine

import (
	"bytes"
	"compress/gzip"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/item"
)

// A record of quarantine is damaged, none that waits, or a valid message; and what is
// quarantined comes back as it was.
func FuzzRecord(f *testing.F) {
	m := postroom.Message{
		GroupUUID: "0000000a-0000-4000-8000-000000000000", MessageUUID: "0000000b-0000-4000-8000-000000000000",
		UserUUID: "00000001-0000-4000-8000-000000000000", DisplayName: "Ann", Handle: "ann", Text: "Lunch?",
		CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
	record := LogRecord(m.Item()).encode(errors.New("who are its members?"), 1, true)[0]
	image, err := backend.EncodeItem(m.Item())
	if err != nil {
		f.Fatal(err)
	}
	compressed := item.Loose(record).Bytes(attrImage)
	delete(record, attrImage)
	first, err := backend.EncodeItem(record)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first, compressed, false)
	f.Add(first, image, true)
	f.Fuzz(func(t *testing.T, line, image []byte, compress bool) {
		it, err := backend.DecodeItem(line)
		if err != nil {
			return
		}
		if compress {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, _ = w.Write(image)
			_ = w.Close()
			image = b.Bytes()
		}
		it[attrImage] = item.Bytes(image)
		w, damage, err := decodeWaiting([]backend.Item{it})
		switch {
		case err != nil:
			fuzz.Refused(t, err)
		case damage != nil:
			fuzz.Refused(t, damage)
		case w != nil:
			checkWaiting(t, w)
		}
	})
}

func checkWaiting(t *testing.T, w *Kept) {
	t.Helper()
	if err := w.Message.Validate(); err != nil {
		t.Fatal(err)
	}
	parts := LogRecord(w.Message.Item()).encode(errors.New("again"), 2, true)
	again, damage, err := decodeWaiting(parts)
	if err != nil || damage != nil || again == nil || !cmp.Equal(again.Message, w.Message) {
		t.Fatalf("%v, %v\n got %+v\nwant %+v", damage, err, again, w.Message)
	}
}

// A batch of retries is damaged, or comes back as it was.
func FuzzBatch(f *testing.F) {
	key := backend.Key{PK: keyPrefix + "0000000a-0000-4000-8000-000000000000", SK: "2026-05-21T10:30:00.000000Z#event#000"}
	good, err := backend.EncodeItem(Batch{backend.Key{PK: retryPartition, SK: "1"}, 100, []backend.Key{key}}.encode())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, line []byte) {
		it, err := backend.DecodeItem(line)
		if err != nil {
			return
		}
		b, err := decodeBatch(it)
		if err != nil {
			fuzz.Refused(t, err)
			return
		}
		again, err := decodeBatch(b.encode())
		if diff := cmp.Diff(b, again, cmp.AllowUnexported(Batch{})); diff != "" || err != nil {
			t.Errorf("written and read again: %v\n%s", err, diff)
		}
	})
}
