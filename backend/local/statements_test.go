package local

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

// play is a file in memory and what the calls made to it so far have answered.
type play struct {
	b        *Backend
	clock    *testClock
	page     backend.ShardPage
	iterator string
	got      []backend.Delivery
}

// act is one call of the play.
type act struct {
	name string
	call func(ctx context.Context, p *play) error
}

// tableActs are calls that between them run every statement of tables and streams.
func tableActs() []act {
	expiring := row(1, 1)
	expiring["ttl"] = &types.AttributeValueMemberN{Value: fmt.Sprint(newClock().now().Add(time.Minute).Unix())}
	table := func(p *play) backend.Table { return p.b.Table("table") }
	return []act{
		{"CreateTable", func(ctx context.Context, p *play) error {
			return p.b.CreateTable(ctx, backend.TableSpec{
				Name: "table", PartitionKey: "PK", SortKey: "SK", StreamView: streamView,
				Index: &backend.IndexSpec{Name: "by-group", PartitionKey: "group", SortKey: "user"},
			})
		}},
		{"SetTimeToLive", func(ctx context.Context, p *play) error { return p.b.SetTimeToLive(ctx, "table", "ttl") }},
		{"Put", func(ctx context.Context, p *play) error {
			_, err := table(p).Put(ctx, expiring, backend.Condition{Absent: true})
			return err
		}},
		{"BatchWrite", func(ctx context.Context, p *play) error {
			p.clock.advance(2 * time.Minute) // the first item is removed, and a shard rolls
			_, _, err := table(p).BatchWrite(ctx, []backend.Write{{Put: row(2, 1)}, {Put: row(3, 1)}, {Put: row(4, 1)}, {Delete: backend.KeyOf(row(9, 1))}})
			return err
		}},
		{"Put again", func(ctx context.Context, p *play) error {
			changed := row(2, 1)
			changed["user"] = text("somebody else")
			_, err := table(p).Put(ctx, changed, backend.Condition{})
			return err
		}},
		{"Transact", func(ctx context.Context, p *play) error {
			_, err := table(p).Transact(ctx, "token", []backend.Action{{Put: row(5, 1)}, {Check: backend.KeyOf(row(3, 1)), Condition: backend.Condition{Equals: row(3, 1)}}})
			return err
		}},
		{"Transact again", func(ctx context.Context, p *play) error {
			_, err := table(p).Transact(ctx, "token", []backend.Action{{Put: row(5, 1)}, {Check: backend.KeyOf(row(3, 1)), Condition: backend.Condition{Equals: row(3, 1)}}})
			return err
		}},
		{"Get", func(ctx context.Context, p *play) error {
			_, _, err := table(p).Get(ctx, backend.KeyOf(row(2, 1)))
			return err
		}},
		{"BatchGet", func(ctx context.Context, p *play) error {
			_, _, _, err := table(p).BatchGet(ctx, []backend.Key{backend.KeyOf(row(2, 1))})
			return err
		}},
		{"Query", func(ctx context.Context, p *play) error {
			_, err := table(p).Query(ctx, backend.Query{PK: backend.KeyOf(row(2, 1)).PK})
			return err
		}},
		{"Query of the index", func(ctx context.Context, p *play) error {
			_, err := table(p).Query(ctx, backend.Query{PK: backend.Text(row(3, 1), "group"), Index: "by-group"})
			return err
		}},
		{"Scan", func(ctx context.Context, p *play) error {
			_, err := table(p).Scan(ctx, backend.Scan{Segments: 1})
			return err
		}},
		{"Shards", func(ctx context.Context, p *play) (err error) {
			p.page, err = p.b.Stream("table").Shards(ctx, "")
			return err
		}},
		{"Children", func(ctx context.Context, p *play) error {
			_, err := p.b.Stream("table").Children(ctx, p.page.StreamARN, p.page.Shards[0].ID)
			return err
		}},
		{"Iterator", func(ctx context.Context, p *play) (err error) {
			p.iterator, err = p.b.Stream("table").Iterator(ctx, p.page.StreamARN, p.page.Shards[0].ID, backend.Position{Type: backend.TrimHorizon})
			return err
		}},
		{"Records", func(ctx context.Context, p *play) error {
			_, err := p.b.Stream("table").Records(ctx, p.iterator, 10)
			return err
		}},
		{"a day later", func(ctx context.Context, p *play) error {
			p.clock.advance(backend.StreamRetention + time.Hour)
			_, err := table(p).Put(ctx, row(6, 1), backend.Condition{})
			return err
		}},
		{"SetDeletionProtection", func(ctx context.Context, p *play) error { return p.b.SetDeletionProtection(ctx, "table", true) }},
		{"SetDeletionProtection off", func(ctx context.Context, p *play) error { return p.b.SetDeletionProtection(ctx, "table", false) }},
		{"DescribeTable", func(ctx context.Context, p *play) error {
			_, err := p.b.DescribeTable(ctx, "table")
			return err
		}},
		{"DeleteTable", func(ctx context.Context, p *play) error { return p.b.DeleteTable(ctx, "table") }},
	}
}

// queueActs are calls that between them run every statement of queues.
func queueActs() []act {
	const fifo, standard = "q.fifo", "q"
	entry := func(id, group string) backend.SendEntry {
		return backend.SendEntry{Body: id, GroupID: group, DeduplicationID: id, Attributes: map[string]string{"a": "b"}}
	}
	create := func(name, dead string) func(context.Context, *play) error {
		return func(ctx context.Context, p *play) error {
			spec := backend.QueueSpec{Name: name, VisibilitySeconds: 30, RetentionSeconds: 600, DeadLetterQueue: dead}
			if dead != "" {
				spec.MaxReceiveCount = 1
			}
			return p.b.CreateQueue(ctx, spec)
		}
	}
	send := func(name string, entries ...backend.SendEntry) func(context.Context, *play) error {
		return func(ctx context.Context, p *play) error {
			_, err := p.b.Queue(name).Send(ctx, entries)
			return err
		}
	}
	receive := func(name string, after time.Duration) func(context.Context, *play) error {
		return func(ctx context.Context, p *play) (err error) {
			p.clock.advance(after)
			p.got, err = p.b.Queue(name).Receive(ctx, 10, 0, 30*time.Second)
			return err
		}
	}
	return []act{
		{"CreateQueue, FIFO, of dead letters", create("dead.fifo", "")},
		{"CreateQueue, FIFO", create(fifo, "dead.fifo")},
		{"CreateQueue, of dead letters", create("dead", "")},
		{"CreateQueue", create(standard, "dead")},
		{"DescribeQueue", func(ctx context.Context, p *play) error {
			_, err := p.b.DescribeQueue(ctx, fifo)
			return err
		}},
		{"Send", send(standard, backend.SendEntry{Body: "1"}, backend.SendEntry{Body: "2"})},
		{"Send, FIFO", send(fifo, entry("1", "g"), entry("2", "g"), entry("3", "h"))},
		{"Send again, FIFO", send(fifo, entry("1", "g"))},
		{"Receive", receive(standard, 0)},
		{"ChangeVisibility", func(ctx context.Context, p *play) error {
			_, err := p.b.Queue(standard).ChangeVisibility(ctx, []backend.VisibilityChange{{Receipt: p.got[0].Receipt, Timeout: time.Second}, {Receipt: p.got[1].Receipt}})
			return err
		}},
		{"Receive again, dead-lettering", receive(standard, time.Minute)},
		{"Receive, FIFO", receive(fifo, 0)},
		{"Receive what is in flight, FIFO", func(ctx context.Context, p *play) error {
			_, _, err := p.b.Queue(fifo).(*queue).available(ctx)
			return err
		}},
		{"Send after some time, FIFO", func(ctx context.Context, p *play) error {
			p.clock.advance(6 * time.Minute)
			return send(fifo, entry("4", "g"))(ctx, p)
		}},
		{"Receive again, FIFO, dead-lettering", receive(fifo, 0)},
		{"Delete", func(ctx context.Context, p *play) error {
			_, err := p.b.Queue(fifo).Delete(ctx, []string{p.got[0].Receipt})
			return err
		}},
		{"Depth", func(ctx context.Context, p *play) error {
			_, err := p.b.Queue(fifo).Depth(ctx)
			return err
		}},
		{"Receive what has expired", receive("dead.fifo", time.Hour)},
		{"Send to be in flight", send(fifo, entry("5", "i"), entry("6", "j"))},
		{"Receive to be in flight", receive(fifo, 0)},
		{"a process dies", func(ctx context.Context, p *play) error {
			return p.b.write(ctx, "die", func(t *tx) error { // another process had this one's number
				_, err := t.exec("UPDATE processes SET token = token - 1")
				if err == nil {
					_, err = t.exec("UPDATE queue_messages SET process = process - 1")
				}
				return err
			})
		}},
		{"ReleaseDead", func(ctx context.Context, p *play) error {
			_, err := p.b.ReleaseDead(ctx)
			return err
		}},
		{"DeleteQueue", func(ctx context.Context, p *play) error { return p.b.DeleteQueue(ctx, fifo) }},
	}
}

// begin plays the first acts.
func begin(t *testing.T, lag time.Duration, before []act) *play {
	t.Helper()
	p := &play{clock: newClock()}
	p.b = open(t, Memory, Options{Now: p.clock.now, RollSize: 2, Shards: 2, IndexLag: lag})
	for _, a := range before {
		if err := a.call(t.Context(), p); err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
	}
	return p
}

// connection borrows the only connection of a file in memory.
func (p *play) connection(do func(*conn)) {
	c := <-p.b.writer
	defer func() { p.b.writer <- c }()
	do(c)
}

// statements forgets the prepared statements and returns what was prepared.
func (p *play) statements() (all []string) {
	p.connection(func(c *conn) {
		all = slices.Sorted(maps.Keys(c.stmts))
		clear(c.stmts)
	})
	return all
}

// contents are all rows of the file.
func (p *play) contents(t *testing.T) []string {
	t.Helper()
	rows := []string{}
	p.connection(func(c *conn) {
		eachRow(t, c, "SELECT name FROM sqlite_master WHERE type = 'table'", func(table []any) {
			eachRow(t, c, fmt.Sprintf("SELECT * FROM %s", table[0]), func(row []any) {
				rows = append(rows, fmt.Sprint(table[0], row))
			})
		})
	})
	slices.Sort(rows)
	return rows
}

func eachRow(t *testing.T, c *conn, query string, each func(row []any)) {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		each(row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestStatementThatFails: whichever statement of whichever call fails, the call does, and
// nothing of it is left. No statement is one that SQLite compiles each time.
func TestStatementThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lag  time.Duration
		acts []act
	}{{0, tableActs()}, {time.Second, tableActs()[:5]}, {0, queueActs()}} {
		for i, a := range c.acts {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				failEach(t, c.lag, c.acts[:i], a)
			})
		}
	}
}

// failEach plays a call once for each statement that it needs, which fails.
func failEach(t *testing.T, lag time.Duration, before []act, a act) {
	p := begin(t, lag, before)
	p.statements()
	if err := a.call(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for _, query := range p.statements() {
		if strings.HasPrefix(query, "ROLLBACK") {
			continue // of a call that would fail anyway
		}
		if strings.Contains(query, "LIMIT ?") {
			t.Errorf("SQLite compiles this again each time that it runs, unless it says LIMIT +?: %s", query)
		}
		p := begin(t, lag, before)
		was := p.contents(t)
		p.connection(func(c *conn) { c.stmts[query] = closed(t, c, query) })
		if err := a.call(t.Context(), p); err == nil {
			t.Errorf("no error where this fails: %s", query)
		}
		if diff := cmp.Diff(was, p.contents(t)); diff != "" {
			t.Errorf("something is left where this fails (-before +after):\n%s\n%s", query, diff)
		}
	}
}

// closed is a statement that can only fail.
func closed(t *testing.T, c *conn, query string) *sql.Stmt {
	t.Helper()
	s, err := c.PrepareContext(t.Context(), query)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
