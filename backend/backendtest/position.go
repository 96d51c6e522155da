package backendtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

func positionTests() []test {
	return []test{
		{"AtSequence begins with a record, AfterSequence behind it", func(t *testing.T, h Harness) {
			stream, arn, shard, records := oneShard(t, h)
			middle := records[len(records)/2]
			for position, want := range map[backend.Position][]backend.Record{
				{Type: backend.TrimHorizon}:                                     records,
				{Type: backend.AtSequence, Sequence: middle.Sequence}:           records[len(records)/2:],
				{Type: backend.AfterSequence, Sequence: middle.Sequence}:        records[len(records)/2+1:],
				{Type: backend.AfterSequence, Sequence: last(records).Sequence}: nil,
				{Type: backend.AtSequence, Sequence: records[0].Sequence}:       records,
			} {
				got := readShard(t, stream, iterator(t, stream, arn, shard, position), len(want))
				wantEqual(t, recordKeys(got), recordKeys(want))
			}
		}},
		{"an iterator may be read again, and gives the same records", func(t *testing.T, h Harness) {
			stream, arn, shard, records := oneShard(t, h)
			it := iterator(t, stream, arn, shard, backend.Position{Type: backend.AfterSequence, Sequence: records[0].Sequence})
			for range 2 {
				page, err := stream.Records(t.Context(), it, 2)
				must(t, err)
				wantEqual(t, recordKeys(page.Records), recordKeys(records[1:3]))
			}
		}},
		{"Tip is on an empty page behind the last record, where the backend can tell, and on no other", func(t *testing.T, h Harness) {
			stream, arn, shard, records := oneShard(t, h)
			from := backend.Position{Type: backend.AfterSequence, Sequence: records[len(records)-2].Sequence}
			it := iterator(t, stream, arn, shard, from)
			for range 3 {
				page, err := stream.Records(t.Context(), it, 1)
				must(t, err)
				wantEqual(t, page.Tip, len(page.Records) == 0 && h.Capabilities.TellsTip)
				if it = page.Next; it == "" {
					break
				}
			}
		}},
		{"a shard that does not exist is KindNotFound", func(t *testing.T, h Harness) {
			_, stream := newStream(t, h)
			shards, arn := listShards(t, stream)
			gone := shards[0].ID[:len(shards[0].ID)-8] + "deadbeef"
			_, err := stream.Iterator(t.Context(), arn, gone, backend.Position{})
			wantKind(t, err, backend.KindNotFound)
		}},
		{"S9 an iterator older than 15 minutes is KindExpired, and a new one continues after the last record read", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.IteratorExpires, "IteratorExpires") {
				return
			}
			stream, arn, shard, records := oneShard(t, h)
			it := iterator(t, stream, arn, shard, backend.Position{})
			if !h.advance(t, 14*time.Minute) {
				return
			}
			page, err := stream.Records(t.Context(), it, 2)
			must(t, err)
			h.Advance(2 * time.Minute)
			_, err = stream.Records(t.Context(), it, 2)
			wantKind(t, err, backend.KindExpired)
			if page.Next != "" {
				_, err = stream.Records(t.Context(), page.Next, 2)
				must(t, err)
			}
			it = iterator(t, stream, arn, shard, backend.Position{Type: backend.AfterSequence, Sequence: last(page.Records).Sequence})
			wantEqual(t, recordKeys(readShard(t, stream, it, len(records)-2)), recordKeys(records[2:]))
		}},
		{"S6 a record is gone after 24 hours: a position before it is KindTrimmed, or its shard KindNotFound", testTrim},
	}
}

func iterator(t *testing.T, stream backend.Stream, arn, shard string, at backend.Position) string {
	t.Helper()
	it, err := stream.Iterator(t.Context(), arn, shard, at)
	must(t, err)
	return it
}

// oneShard writes eight items of one partition, and returns a shard and its records:
// all eight, or more than half of them if the shard rolled meanwhile.
func oneShard(t *testing.T, h Harness) (stream backend.Stream, arn, shard string, records []backend.Record) {
	t.Helper()
	table, stream := newStream(t, h)
	const items = 8
	for i := range items {
		put(t, table, newItem("p", fmt.Sprint(i)))
	}
	r := newReader(stream)
	r.readUntil(t, h, items)
	for id, recs := range r.byShard {
		if len(recs) > len(records) {
			shard, records = id, recs
		}
	}
	if len(records) < 4 {
		t.Fatalf("no shard has more than %d of %d records of one partition", len(records), items)
	}
	_, arn = listShards(t, stream)
	return stream, arn, shard, records
}

// readShard reads until it has so many records, or until the shard ends.
func readShard(t *testing.T, stream backend.Stream, it string, records int) []backend.Record {
	t.Helper()
	var got []backend.Record
	for range 100 {
		page, err := stream.Records(t.Context(), it, 3)
		must(t, err)
		got = append(got, page.Records...)
		if page.Next == "" || len(got) >= records && len(page.Records) == 0 {
			break
		}
		it = page.Next
	}
	return got
}

func recordKeys(records []backend.Record) []string {
	keys := make([]string, len(records))
	for i, r := range records {
		keys[i] = r.Key.SK
	}
	return keys
}

func last[T any](s []T) T { return s[len(s)-1] }

func testTrim(t *testing.T, h Harness) {
	if lacks(t, h.Capabilities.Trims, "Trims") {
		return
	}
	table, stream := newStream(t, h)
	put(t, table, newItem("p", "old"))
	old := newReader(stream)
	old.readUntil(t, h, 1)
	shards, arn := listShards(t, stream)
	if !h.advance(t, 23*time.Hour) {
		return
	}
	again := newReader(stream)
	again.readUntil(t, h, 1)
	h.Advance(time.Hour + time.Minute)
	put(t, table, newItem("p", "new"))

	fresh := newReader(stream)
	fresh.readUntil(t, h, 1)
	wantEqual(t, recordKeys(fresh.all), []string{"new"})
	for _, shard := range shards {
		for _, rec := range old.byShard[shard.ID] {
			_, err := stream.Iterator(t.Context(), arn, shard.ID, backend.Position{Type: backend.AtSequence, Sequence: rec.Sequence})
			if kind := backend.KindOf(err); kind != backend.KindTrimmed && kind != backend.KindNotFound {
				t.Errorf("position of a trimmed record: %v", err)
			}
		}
	}
}
