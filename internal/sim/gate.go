package sim

import (
	"context"
	"fmt"
	"strings"

	"github.com/postroom/postroom/backend"
)

// Table opens a table whose calls pass the worker's gate.
func (w *Worker) Table(name string) backend.Table {
	return backend.Intercept(&tableView{s: w.store, name: name, by: w.Name}, w.gate)
}

// gate parks a call of a table until the scheduler makes it.
func (w *Worker) gate(ctx context.Context, tc *backend.TableCall, next func(context.Context) error) error {
	c := &call{op: describe(tc), quiet: routine(tc), transaction: tc.Op == "Transact"}
	c.partial = tc.Op == "BatchGet" || tc.Op == "BatchWrite"
	all := tc.Entries
	_, err := pass(ctx, w, c, func(of100 int) (struct{}, error) {
		tc.Entries = part(all, of100)
		return struct{}{}, next(context.Background())
	})
	return err
}

// routine reports whether a call only writes or reads a heartbeat or the leases.
func routine(c *backend.TableCall) bool {
	switch c.Op {
	case "Get", "Put":
		return c.Key.SK == "LEADER" || strings.HasPrefix(c.Key.SK, "WORKER#")
	case "Query":
		return strings.HasPrefix(c.Key.PK, "stream#")
	}
	return false
}

// describe returns a call's text in the history.
func describe(c *backend.TableCall) string {
	at := c.Key.PK + " " + c.Key.SK
	switch r := c.Request.(type) {
	case backend.Scan:
		return fmt.Sprintf("scan %d of %d after %s", r.Segment, r.Segments, at)
	case backend.Item:
		return "put " + at + lease(r)
	case []backend.Action:
		what := "check " + c.Key.SK
		if put := r[0].Put; put != nil {
			what = fmt.Sprintf("put %s to %s", at, backend.Text(put, "last_reply_at"))
		}
		return fmt.Sprintf("transact %d: %s", len(r), what)
	case []backend.Key, []backend.Write:
		return fmt.Sprintf("%s %d at %s", c.Op, c.Entries, at)
	}
	return strings.TrimSpace(c.Op + " " + at)
}

// lease returns the text of a shard's item in the history.
func lease(item backend.Item) string {
	if !strings.HasPrefix(backend.KeyOf(item).SK, "SHARD#") {
		return ""
	}
	return fmt.Sprintf(" of %s, epoch %s, at %q", backend.Text(item, "worker"), backend.Number(item, "epoch"), backend.Text(item, "checkpoint"))
}

// Stream opens a table's stream whose calls pass the worker's gate.
func (w *Worker) Stream(name string) backend.Stream { return &gatedStream{w.store.Stream(name), w} }

type gatedStream struct {
	backend.Stream

	w *Worker
}

func (s *gatedStream) Shards(ctx context.Context, after string) (backend.ShardPage, error) {
	c := &call{op: "list shards after " + after, quiet: true}
	return pass(ctx, s.w, c, func(int) (backend.ShardPage, error) {
		return s.Stream.Shards(context.Background(), after)
	})
}

func (s *gatedStream) Children(ctx context.Context, arn, parent string) ([]backend.Shard, error) {
	c := &call{op: "list children of " + parent, quiet: true}
	return pass(ctx, s.w, c, func(int) ([]backend.Shard, error) {
		return s.Stream.Children(context.Background(), arn, parent)
	})
}

func (s *gatedStream) Iterator(ctx context.Context, arn, shard string, at backend.Position) (string, error) {
	c := &call{op: "open " + shard + " " + at.Sequence}
	return pass(ctx, s.w, c, func(int) (string, error) {
		if s.w.OnOpen != nil {
			s.w.OnOpen(arn, shard)
		}
		return s.Stream.Iterator(context.Background(), arn, shard, at)
	})
}

func (s *gatedStream) Records(ctx context.Context, iterator string, limit int) (backend.RecordPage, error) {
	c := &call{op: "read " + iterator, quiet: true}
	return pass(ctx, s.w, c, func(int) (backend.RecordPage, error) {
		page, err := s.Stream.Records(context.Background(), iterator, limit)
		if err != nil || len(page.Records) > 0 || page.Next == "" {
			s.w.s.Note("%s read %s: %d records, %q, %v", s.w.Name, iterator, len(page.Records), page.Next, err)
		}
		return page, err
	})
}
