package local

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// What is older than 24 hours cannot be read, and goes away step by step as new
// records come.
func TestS6TrimmedAfter24Hours(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now, RollSize: 100, Shards: 1})
	table, stream := newTable(t, b)
	for i := range 350 {
		put(t, table, message(i))
	}
	before := allShards(t, stream)
	tip := before[len(before)-1]
	old := readShard(t, stream, tip.ID, backend.Position{})
	clock.advance(24*time.Hour + time.Second)

	shards := allShards(t, stream)
	if len(shards) != 1 || shards[0].ID != tip.ID {
		t.Fatalf("after 24 hours these shards are listed: %+v", shards)
	}
	if got := readShard(t, stream, tip.ID, backend.Position{}); len(got) != 0 {
		t.Errorf("%d trimmed records can be read", len(got))
	}
	list, _ := stream.Shards(t.Context(), "")
	for _, test := range []struct {
		name  string
		shard string
		at    backend.Position
		want  backend.Kind
	}{
		{"trimmed record", tip.ID, backend.Position{Type: backend.AtSequence, Sequence: old[3].Sequence}, backend.KindTrimmed},
		{"before a trimmed record", tip.ID, backend.Position{Type: backend.AfterSequence, Sequence: old[3].Sequence}, backend.KindTrimmed},
		{"shard that is gone", before[0].ID, backend.Position{}, backend.KindNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := stream.Iterator(t.Context(), list.StreamARN, test.shard, test.at)
			wantKind(t, err, test.want)
		})
	}
	// Who has read all of it has missed nothing.
	put(t, table, message(1000))
	got := readShard(t, stream, tip.ID, backend.Position{Type: backend.AfterSequence, Sequence: old[len(old)-1].Sequence})
	if len(got) != 1 || got[0].Key != backend.KeyOf(message(1000)) {
		t.Errorf("after the last trimmed record comes %v", got)
	}
	for i := range 1000 {
		put(t, table, message(2000+i))
	}
	if n := count(t, b, "records WHERE created_at < "+fmt.Sprint(clock.now().Add(-backend.StreamRetention).UnixMicro())); n > 100 {
		t.Errorf("%d trimmed records are still in the file, after 1000 new ones", n)
	}
	if n := count(t, b, "shards"); n > 12 {
		t.Errorf("%d shards are still in the file", n)
	}
}

// An iterator that is behind when records are trimmed says so: nothing is
// skipped in silence.
func TestS6TrimmedWhileReading(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now})
	table, stream := newTable(t, b)
	put(t, table, message(1), message(2))
	clock.advance(backend.StreamRetention - time.Minute)
	put(t, table, message(3))
	list, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	it, err := stream.Iterator(t.Context(), list.StreamARN, list.Shards[0].ID, backend.Position{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := stream.Records(t.Context(), it, 1)
	if err != nil {
		t.Fatal(err)
	}
	first := page.Records[0]
	clock.advance(2 * time.Minute)
	if page, err := stream.Records(t.Context(), it, 10); err != nil || len(page.Records) != 1 || page.Records[0].Key != backend.KeyOf(message(3)) {
		t.Errorf("from the trim horizon: %v, %v; want the third record", page.Records, err)
	}
	_, err = stream.Iterator(t.Context(), list.StreamARN, list.Shards[0].ID, backend.Position{Type: backend.AfterSequence, Sequence: first.Sequence})
	wantKind(t, err, backend.KindTrimmed)
	_, err = stream.Records(t.Context(), page.Next, 10)
	wantKind(t, err, backend.KindTrimmed)
}

func TestS9IteratorExpires(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now})
	table, stream := newTable(t, b)
	put(t, table, message(1))
	list, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	it, err := stream.Iterator(t.Context(), list.StreamARN, list.Shards[0].ID, backend.Position{})
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(iteratorLife)
	page, err := stream.Records(t.Context(), it, 1)
	if err != nil {
		t.Fatalf("at 15 minutes: %v", err)
	}
	clock.advance(time.Second)
	_, err = stream.Records(t.Context(), it, 1)
	wantKind(t, err, backend.KindExpired)
	if _, err := stream.Records(t.Context(), page.Next, 1); err != nil {
		t.Errorf("the next iterator has a life of its own: %v", err)
	}
}
