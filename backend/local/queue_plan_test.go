package local

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

var (
	parameter = regexp.MustCompile(`\?\d*`)
	// Lists that are given, and the few queues there are, are read from end to
	// end.
	wholeReads = regexp.MustCompile(`json_each|SCAN queues|SCAN processes|CONSTANT ROW`)
)

// Every statement of a queue finds its rows by an index: a receive does not
// scan blocked groups' messages.
func TestQueueStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	here, _, name, clock := newQueueFile(t)
	exerciseQueues(t, here, name, clock)
	seen := 0
	for _, pool := range []chan *conn{here.writer, here.readers} {
		for range cap(pool) {
			c := <-pool
			for query := range c.stmts {
				if query == pretendStatement {
					continue
				}
				if strings.Contains(query, "queue") || strings.Contains(query, "processes") {
					checkQueuePlan(t, c, query)
					seen++
				}
			}
			pool <- c
		}
	}
	if seen < 30 {
		t.Errorf("only %d statements were seen", seen)
	}
}

func checkQueuePlan(t *testing.T, c *conn, query string) {
	t.Helper()
	parameters := map[string]bool{}
	n := 0
	for _, p := range parameter.FindAllString(query, -1) {
		if p == "?" || !parameters[p] {
			n++
		}
		parameters[p] = true
	}
	rows, err := c.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, make([]any, n)...)
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
		if scan.MatchString(detail) && !wholeReads.MatchString(detail) {
			t.Errorf("%s\n%s", query, detail)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// exerciseQueues runs every statement of both kinds of queue.
func exerciseQueues(t *testing.T, b *Backend, dead string, clock *testClock) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	live := fifoSpec("live")
	live.DeadLetterQueue, live.MaxReceiveCount, live.RetentionSeconds = dead, 1, 60
	standard := backend.QueueSpec{Name: "standard", RetentionSeconds: 60}
	check(b.CreateQueue(ctx, live))
	check(b.CreateQueue(ctx, standard))
	for _, spec := range []backend.QueueSpec{live, standard} {
		q := b.Queue(spec.Name)
		entries := make([]backend.SendEntry, backend.MaxQueueBatch)
		for i := range entries {
			entries[i].Body = "m"
			if isFIFO(spec.Name) {
				entries[i].GroupID, entries[i].DeduplicationID = fmt.Sprint(i/2), fmt.Sprint(i)
			}
		}
		for range 3 {
			_, err := q.Send(ctx, entries)
			check(err)
			ds, err := q.Receive(ctx, 4, 0, 30*time.Second)
			check(err)
			if len(ds) == 0 {
				t.Fatal("nothing was received")
			}
			receipts, changes := []string{ds[0].Receipt}, []backend.VisibilityChange{}
			for _, d := range ds {
				changes = append(changes, backend.VisibilityChange{Receipt: d.Receipt})
			}
			_, err = q.ChangeVisibility(ctx, changes)
			check(err)
			changes[0].Timeout = time.Second
			_, err = q.ChangeVisibility(ctx, changes)
			check(err)
			_, err = q.Delete(ctx, receipts)
			check(err)
			_, err = q.Receive(ctx, 1, time.Second, 30*time.Second)
			check(err)
			_, err = q.Depth(ctx)
			check(err)
			clock.advance(20 * time.Second)
		}
		_, err := b.DescribeQueue(ctx, spec.Name)
		check(err)
	}
	pretend(t, b, 1, processHost(), os.Getpid())
	_, err := b.ReleaseDead(ctx)
	check(err)
	check(b.DeleteQueue(ctx, live.Name))
}
