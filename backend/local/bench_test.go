package local

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// newTable makes a table with an index and a stream.
func newTable(t testing.TB, b *Backend) (backend.Table, backend.Stream) {
	t.Helper()
	spec := backend.TableSpec{
		Name: "postroom", PartitionKey: "PK", SortKey: "SK", StreamView: streamView,
		Index: &backend.IndexSpec{Name: "by-group", PartitionKey: "group", SortKey: "user"},
	}
	if err := b.CreateTable(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	return b.Table(spec.Name), b.Stream(spec.Name)
}

// message is an item of about 500 bytes under a key of its own.
func message(i int) backend.Item {
	return backend.Item{
		"PK":      text(fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761>>4&0xffffffff, i%5000)),
		"SK":      text(fmt.Sprintf("MSG#2026-05-21T10:30:00.%06dZ#%036d", i%1000000, i)),
		"user":    text(fmt.Sprintf("%036d", i%100)),
		"name":    text("Grace Hopper"),
		"message": text(strings.Repeat("a word ", 40)),
	}
}

// row is an item as a member's view of a conversation, with index keys.
func row(i, at int) backend.Item {
	item := message(i)
	item["PK"] = text(fmt.Sprintf("grp#%036d", i))
	item["SK"] = text(fmt.Sprintf("2026-05-21T10:30:00.%06dZ#%036d", at, i%5000))
	item["group"] = text(fmt.Sprintf("%036d", i%5000))
	return item
}

func BenchmarkPut(b *testing.B) {
	for _, path := range []string{Memory, "file"} {
		b.Run(strings.Trim(path, ":"), func(b *testing.B) {
			table, _ := newTable(b, openBench(b, path))
			for i := 0; b.Loop(); i++ {
				if _, err := table.Put(b.Context(), message(i), backend.Condition{Absent: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMove is a projector's transaction of two members, and the deletes
// after it.
func BenchmarkMove(b *testing.B) {
	table, _ := newTable(b, openBench(b, "file"))
	head := backend.Item{"PK": text("conversation"), "SK": text("HEAD"), "at": text("0")}
	for i := 0; b.Loop(); i++ {
		next := backend.Item{"PK": head["PK"], "SK": head["SK"], "at": text(fmt.Sprint(i + 1))}
		condition := backend.Condition{Equals: head}
		if i == 0 {
			condition = backend.Condition{Absent: true}
		}
		if _, err := table.Transact(b.Context(), fmt.Sprint(i), []backend.Action{
			{Put: next, Condition: condition}, {Put: row(1, i+1)}, {Put: row(2, i+1)},
		}); err != nil {
			b.Fatal(err)
		}
		if _, _, err := table.BatchWrite(b.Context(), []backend.Write{
			{Delete: backend.KeyOf(row(1, i))}, {Delete: backend.KeyOf(row(2, i))},
		}); err != nil {
			b.Fatal(err)
		}
		head = next
	}
}

func BenchmarkTransact(b *testing.B) {
	table, _ := newTable(b, openBench(b, "file"))
	for i := 0; b.Loop(); i++ {
		if _, err := table.Transact(b.Context(), fmt.Sprint(i), []backend.Action{
			{Put: row(3*i, 1), Condition: backend.Condition{Absent: true}}, {Put: row(3*i+1, 1)}, {Put: row(3*i+2, 1)},
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	table, _ := newTable(b, openBench(b, "file"))
	put(b, table, message(1))
	key := backend.KeyOf(message(1))
	for b.Loop() {
		if _, _, err := table.Get(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQuery reads a page of 20 rows out of 1,000.
func BenchmarkQuery(b *testing.B) {
	table, _ := newTable(b, openBench(b, "file"))
	for i := range 1000 {
		put(b, table, row(1, i))
	}
	q := backend.Query{PK: backend.KeyOf(row(1, 0)).PK, Descending: true, Limit: 20}
	for b.Loop() {
		if _, err := table.Query(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecords reads a stream of 10,000 records in pages of 1,000.
func BenchmarkRecords(b *testing.B) {
	const records = 10_000
	db := openBench(b, "file")
	table, stream := newTable(b, db)
	for i := range records {
		if _, err := table.Put(b.Context(), message(i), backend.Condition{}); err != nil {
			b.Fatal(err)
		}
	}
	read := 0
	for b.Loop() {
		read += len(readAll(b, stream))
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "records/s")
}

func openBench(b *testing.B, path string) *Backend {
	if path != Memory {
		path = filepath.Join(b.TempDir(), "postroom.db")
	}
	return open(b, path, Options{})
}

// readAll reads every shard of a stream from the trim horizon to its tip.
func readAll(t testing.TB, s backend.Stream) []backend.Record {
	t.Helper()
	var records []backend.Record
	for _, shard := range allShards(t, s) {
		records = append(records, readShard(t, s, shard.ID, backend.Position{})...)
	}
	return records
}

// allShards lists all pages of shards.
func allShards(t testing.TB, s backend.Stream) []backend.Shard {
	t.Helper()
	var shards []backend.Shard
	after := ""
	for {
		page, err := s.Shards(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		shards = append(shards, page.Shards...)
		if after = page.Last; after == "" {
			return shards
		}
	}
}

// readShard reads a shard from a position to an empty page or its end.
func readShard(t testing.TB, s backend.Stream, shard string, at backend.Position) []backend.Record {
	t.Helper()
	list, err := s.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	it, err := s.Iterator(t.Context(), list.StreamARN, shard, at)
	if err != nil {
		t.Fatal(err)
	}
	var records []backend.Record
	for {
		page, err := s.Records(t.Context(), it, backend.MaxRecords)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, page.Records...)
		if it = page.Next; it == "" || len(page.Records) == 0 {
			return records
		}
	}
}
