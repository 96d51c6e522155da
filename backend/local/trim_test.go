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

// Until a shard has been closed for 24 hours, and a record is 24 hours old, nothing
// goes, however much is written meanwhile; the next microsecond hides all of it.
func TestS6NothingIsTrimmedWithin24Hours(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now, RollSize: trimEvery, Shards: 1})
	table, stream := newTable(t, b)
	const old = 3*trimEvery + 1 // three shards that are closed, and one record in the open one
	for i := range old {
		put(t, table, message(i))
	}
	shards := allShards(t, stream)
	page, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	second := readShard(t, stream, shards[1].ID, backend.Position{})
	clock.advance(backend.StreamRetention)
	const fresh = 4 * trimEvery
	for i := range fresh {
		put(t, table, message(old+i))
	}
	if n := len(readAll(t, stream)); n != old+fresh {
		t.Errorf("after 24 hours %d records can be read, want %d", n, old+fresh)
	}
	if n := count(t, b, "records"); n != old+fresh {
		t.Errorf("after 24 hours the file has %d records, want %d", n, old+fresh)
	}
	if children, err := stream.Children(t.Context(), page.StreamARN, shards[0].ID); err != nil || len(children) != 1 {
		t.Errorf("after 24 hours the children of a shard are %v, %v", children, err)
	}
	for _, typ := range []backend.PositionType{backend.AtSequence, backend.AfterSequence} {
		if got := readShard(t, stream, shards[1].ID, backend.Position{Type: typ, Sequence: second[0].Sequence}); len(got) < trimEvery-1 {
			t.Errorf("after 24 hours %d records of the second shard can be read", len(got))
		}
	}

	clock.advance(time.Microsecond)
	if n := len(readAll(t, stream)); n != fresh {
		t.Errorf("a moment later %d records can be read, want the %d new ones", n, fresh)
	}
	for _, shard := range shards[:3] {
		_, err := stream.Iterator(t.Context(), page.StreamARN, shard.ID, backend.Position{})
		wantKind(t, err, backend.KindNotFound)
	}
	// Step by step they leave the file too.
	for i := range 3 * trimEvery {
		put(t, table, message(old+fresh+i))
	}
	if n := count(t, b, "shards WHERE closed_at < "+fmt.Sprint(clock.now().Add(-backend.StreamRetention).UnixMicro())); n != 0 {
		t.Errorf("%d shards past the trim horizon are still in the file", n)
	}
}

// A shard that is longer than one step leaves in steps, and nothing of it stays.
func TestS6LongShardIsTrimmedInSteps(t *testing.T) {
	t.Parallel()
	clock := newClock()
	const rollSize = 2*trimRecords + 10
	b := open(t, Memory, Options{Now: clock.now, RollSize: rollSize, Shards: 1})
	table, _ := newTable(t, b)
	written := 0
	write := func(n int) {
		for range n {
			put(t, table, message(written))
			written++
		}
	}
	write(rollSize + 1)
	clock.advance(backend.StreamRetention + time.Microsecond)
	for step, left := range []int{trimRecords + 10, 10, 0} {
		write(trimEvery)
		old := count(t, b, fmt.Sprintf("records WHERE created_at < %d AND shard = 1", clock.now().UnixMicro()))
		if old != left {
			t.Errorf("after step %d: %d records are left of the shard, want %d", step+1, old, left)
		}
	}
	if n := count(t, b, "records WHERE shard NOT IN (SELECT num FROM shards)"); n != 0 {
		t.Errorf("%d records belong to no shard", n)
	}
	if n := count(t, b, "shards"); n != 1 {
		t.Errorf("%d shards, want the open one", n)
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
