package local

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// Every statement finds its rows by an index: nothing scans a table or sorts.
func TestStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, filepath.Join(t.TempDir(), "postroom.db"), Options{Now: clock.now, RollSize: 4, IndexLag: time.Second})
	table, stream := newTable(t, b)
	exercise(t, clock, table, stream)
	clock.advance(25 * time.Hour)
	exercise(t, clock, table, stream)
	expiring, _ := newExpiring(t, b)
	put(t, expiring, until("a", clock.now()))
	clock.advance(time.Hour)
	put(t, expiring, item("b"))

	seen := 0
	for _, pool := range []chan *conn{b.writer, b.readers} {
		for range cap(pool) {
			c := <-pool
			for query := range c.stmts {
				if strings.Contains(query, "sqlite_schema") {
					continue
				}
				if strings.HasPrefix(query, "SELECT") || strings.HasPrefix(query, "DELETE") || strings.HasPrefix(query, "UPDATE") {
					checkPlan(t, c, query)
					seen++
				}
			}
			pool <- c
		}
	}
	if seen < 20 {
		t.Errorf("only %d statements were seen", seen)
	}
}

var scan = regexp.MustCompile(`SCAN|TEMP B-TREE|AUTOMATIC`)

func checkPlan(t *testing.T, c *conn, query string) {
	t.Helper()
	rows, err := c.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		t.Log(detail)
		if scan.MatchString(detail) {
			t.Errorf("%s\n%s", query, detail)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// exercise makes every call of a table and its stream.
func exercise(t *testing.T, clock *testClock, table backend.Table, stream backend.Stream) {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		_, err := table.Put(ctx, row(i%20, i), backend.Condition{})
		check(err)
		clock.advance(time.Second)
	}
	key := backend.KeyOf(row(1, 1))
	_, _, err := table.BatchWrite(ctx, []backend.Write{{Delete: key}, {Put: message(1)}})
	check(err)
	_, err = table.Transact(ctx, clock.now().Format(time.RFC3339Nano), []backend.Action{{Put: message(2)}})
	check(err)
	_, _, err = table.Get(ctx, key)
	check(err)
	for _, q := range []backend.Query{
		{PK: key.PK}, {PK: key.PK, Descending: true},
		{Index: "by-group", PK: key.SK}, {Index: "by-group", PK: key.SK, Descending: true},
	} {
		_, err := table.Query(ctx, q)
		check(err)
	}
	_, err = table.Scan(ctx, backend.Scan{})
	check(err)
	shard := allShards(t, stream)[0].ID
	list, err := stream.Shards(ctx, "")
	check(err)
	_, err = stream.Children(ctx, list.StreamARN, shard)
	check(err)
	records := readShard(t, stream, shard, backend.Position{})
	if len(records) > 0 {
		readShard(t, stream, shard, backend.Position{Type: backend.AfterSequence, Sequence: records[0].Sequence})
	}
}
