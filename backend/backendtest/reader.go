package backendtest

import (
	"testing"

	"github.com/postroom/postroom/backend"
)

// shardReader reads a whole stream as it should be read: all pages of the listing,
// and each shard from the trim horizon, but no shard before its parent has ended.
type shardReader struct {
	stream backend.Stream
	limit  int

	shards  []backend.Shard // in the order of the listing
	next    map[string]string
	ended   map[string]bool
	byShard map[string][]backend.Record
	all     []backend.Record // in the order of reading, which is that of the lineage
}

func newReader(stream backend.Stream) *shardReader {
	return &shardReader{
		stream: stream, limit: backend.MaxRecords,
		next: map[string]string{}, ended: map[string]bool{}, byShard: map[string][]backend.Record{},
	}
}

// poll lists the shards, and reads a page of each shard whose turn has come.
func (r *shardReader) poll(t *testing.T) {
	t.Helper()
	arn := r.list(t)
	for _, shard := range r.shards {
		if r.ended[shard.ID] || r.waits(shard) {
			continue
		}
		if r.next[shard.ID] == "" {
			it, err := r.stream.Iterator(t.Context(), arn, shard.ID, backend.Position{Type: backend.TrimHorizon})
			must(t, err)
			r.next[shard.ID] = it
		}
		page, err := r.stream.Records(t.Context(), r.next[shard.ID], r.limit)
		must(t, err)
		if len(page.Records) > r.limit {
			t.Fatalf("%d records on a page of at most %d", len(page.Records), r.limit)
		}
		r.byShard[shard.ID] = append(r.byShard[shard.ID], page.Records...)
		r.all = append(r.all, page.Records...)
		r.next[shard.ID], r.ended[shard.ID] = page.Next, page.Next == ""
	}
}

// waits reports whether the shard's parent is listed and has not ended.
func (r *shardReader) waits(shard backend.Shard) bool {
	for _, other := range r.shards {
		if other.ID == shard.Parent {
			return !r.ended[other.ID]
		}
	}
	return false
}

// list adds the shards not seen before and returns the stream's ARN.
func (r *shardReader) list(t *testing.T) string {
	t.Helper()
	shards, arn := listShards(t, r.stream)
	known := map[string]bool{}
	for _, shard := range r.shards {
		known[shard.ID] = true
	}
	for _, shard := range shards {
		if !known[shard.ID] {
			r.shards = append(r.shards, shard)
		}
	}
	return arn
}

func listShards(t *testing.T, stream backend.Stream) (shards []backend.Shard, arn string) {
	t.Helper()
	after := ""
	for range 1000 {
		page, err := stream.Shards(t.Context(), after)
		must(t, err)
		shards = append(shards, page.Shards...)
		if page.Last == "" {
			return shards, page.StreamARN
		}
		after = page.Last
	}
	t.Fatal("after 1000 pages of shards there is still one more")
	return nil, ""
}

// readUntil polls until so many records have been read.
func (r *shardReader) readUntil(t *testing.T, h Harness, records int) {
	t.Helper()
	h.eventually(t, "all records in the stream", func() bool {
		r.poll(t)
		return len(r.all) >= records
	})
	if len(r.all) > records {
		t.Fatalf("%d records, want %d", len(r.all), records)
	}
}
