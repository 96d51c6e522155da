package quarantine

import (
	"bytes"
	"compress/gzip"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/sim"
)

// TestF19BombInQuarantine: an image that somebody packed so that it takes a thousand
// times its size is damaged, and so is a record of more parts than there can be. They
// cost no memory and stay where they are; what waits beside them is found.
//
// It measures memory, and so does not run beside others.
func TestF19BombInQuarantine(t *testing.T) {
	const group = "11111111-1111-4111-8111-111111111111"
	control := sim.NewStore(1).Table("control")
	q := New(control, 0.5, slog.New(slog.DiscardHandler))
	put := func(it backend.Item) {
		t.Helper()
		if _, err := control.Put(t.Context(), it, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	member := func(text string) []byte { // one of several, each of which is packed by itself
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return b.Bytes()
	}
	packed := slices.Concat(member(`{"message":{"S":"`), bytes.Repeat(member(strings.Repeat("a", 1<<20)), 256))
	record := func(event string) Record {
		return Record{Origin: Stream, EventID: event, Key: backend.Key{PK: group, SK: "MSG#" + event}}
	}
	bomb := record("bomb").encode(errBroken, 1, true)[0]
	bomb[attrImage], bomb[attrParts] = item.Bytes(packed), item.Int(1)
	put(bomb)
	endless := record("endless").encode(errBroken, 1, true)[0]
	endless[attrParts] = item.Int(1 << 40)
	put(endless)
	for i := range 2 * maxParts {
		part := item.New(record("endless").partKey(i+1), format)
		part[attrImage] = item.Bytes(bytes.Repeat([]byte("x"), 100<<10))
		put(part)
	}
	m := postroom.Message{
		GroupUUID: group, MessageUUID: "33333333-3333-4333-8333-333333333333", UserUUID: "22222222-2222-4222-8222-222222222222",
		DisplayName: "a", Handle: "@a", Text: "hello", CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
	whole := record("whole")
	whole.Image = func() (backend.Item, error) { return m.Item(), nil }
	if err := q.PutWaiting(t.Context(), whole, errBroken); err != nil {
		t.Fatal(err)
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found, err := q.WaitingOf(t.Context(), group)
	runtime.ReadMemStats(&after)
	if err != nil || len(found) != 1 || found[0].Message.Text != m.Text {
		t.Fatalf("%v waits (%v), want the one that is whole", found, err)
	}
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 100 {
		t.Errorf("it took %d MB", took)
	}
	if _, err := decompress(packed); err == nil || !strings.Contains(err.Error(), "which no item has") {
		t.Errorf("unpacked: %v", err)
	}
	large := Record{Image: func() (backend.Item, error) {
		return backend.Item{"a": item.String(strings.Repeat("a", 2*backend.MaxItemBytes))}, nil
	}}
	image, err := large.compress()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decompress(image); err == nil || !strings.Contains(err.Error(), "which no table holds") {
		t.Errorf("unpacked: %v", err)
	}
}

// TestF19PartsThatAreNot: a record that claims to have more parts than there can be is
// left aside, without a list of them all.
func TestF19PartsThatAreNot(t *testing.T) {
	t.Parallel()
	key := backend.Key{PK: "11111111-1111-4111-8111-111111111111", SK: "MSG#"}
	control := sim.NewStore(1).Table("control")
	damaged := logRecord(key).encode(errBroken, 1, false)[0]
	damaged[attrParts] = item.Int(1 << 60)
	if _, err := control.Put(t.Context(), damaged, backend.Condition{}); err != nil {
		t.Fatal(err)
	}
	q := New(control, 0.5, slog.New(slog.DiscardHandler))
	if err := q.Put(t.Context(), Record{Origin: Stream, EventID: "e", Key: key}, errBroken, 1); err != nil {
		t.Fatal(err)
	}
	if aside := q.Damaged(); len(aside) != 1 {
		t.Errorf("%v are left aside, want the one", aside)
	}
}

// TestF19EveryItemCanBeKept: what DynamoDB can store is within the bound once it is
// unpacked, whatever it is made of.
func TestF19EveryItemCanBeKept(t *testing.T) {
	t.Parallel()
	const itemBytes = backend.MaxItemBytes / 8 // for a quick test
	list := func(n int, v types.AttributeValue) types.AttributeValue {
		l := make([]types.AttributeValue, n)
		for i := range l {
			l[i] = v
		}
		return &types.AttributeValueMemberL{Value: l}
	}
	for name, v := range map[string]types.AttributeValue{
		"control characters": item.String(strings.Repeat("\x01", itemBytes-100)),
		"nulls":              list(itemBytes/2-100, &types.AttributeValueMemberNULL{Value: true}),
		"empty texts":        list(itemBytes-100, item.String("")),
	} {
		it := backend.Item{backend.AttrPK: item.String("p"), backend.AttrSK: item.String("s"), "a": v}
		if n := backend.ItemBytes(it); n > itemBytes {
			t.Fatalf("%s: %d bytes", name, n)
		}
		if data, err := backend.EncodeItem(it); err != nil || len(data) > maxImageBytes/8 {
			t.Errorf("%s: %d bytes (%v), at most %d are read", name, len(data), err, maxImageBytes/8)
		}
	}
}
