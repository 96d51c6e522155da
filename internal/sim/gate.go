package sim

import (
	"context"
	"fmt"
	"strings"

	"github.com/postroom/postroom/backend"
)

// Table opens a table through the worker's gate.
func (w *Worker) Table(name string) backend.Table {
	return &gatedTable{&tableView{s: w.store, name: name, by: w.Name}, w}
}

// Stream opens a table's stream through the worker's gate.
func (w *Worker) Stream(name string) backend.Stream { return &gatedStream{w.store.Stream(name), w} }

type gatedTable struct {
	backend.Table

	w *Worker
}

func (t *gatedTable) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	c := &call{op: "get " + key.PK + " " + key.SK, quiet: heartbeat(key)}
	item, err := pass(ctx, t.w, c, func(int) (backend.Item, error) {
		item, _, err := t.Table.Get(context.Background(), key)
		return item, err
	})
	return item, backend.Units{}, err
}

// heartbeat tells calls that say only that somebody lives.
func heartbeat(key backend.Key) bool {
	return key.SK == "OWNER" || strings.HasPrefix(key.SK, "WORKER#")
}

func (t *gatedTable) Query(ctx context.Context, q backend.Query) (backend.Page, error) {
	c := &call{op: strings.TrimSpace("query " + q.PK + " " + q.SKPrefix), quiet: strings.HasPrefix(q.PK, "stream#")}
	return pass(ctx, t.w, c, func(int) (backend.Page, error) {
		return t.Table.Query(context.Background(), q)
	})
}

func (t *gatedTable) Scan(ctx context.Context, s backend.Scan) (backend.Page, error) {
	c := &call{op: fmt.Sprintf("scan %d of %d after %s %s", s.Segment, s.Segments, s.After.PK, s.After.SK)}
	return pass(ctx, t.w, c, func(int) (backend.Page, error) {
		return t.Table.Scan(context.Background(), s)
	})
}

func (t *gatedTable) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	key := backend.KeyOf(item)
	c := &call{op: "put " + key.PK + " " + key.SK + lease(item), quiet: heartbeat(key)}
	return pass(ctx, t.w, c, func(int) (backend.Units, error) {
		return t.Table.Put(context.Background(), item, condition)
	})
}

// lease is what the history says of a shard's item.
func lease(item backend.Item) string {
	if !strings.HasPrefix(backend.KeyOf(item).SK, "SHARD#") {
		return ""
	}
	return fmt.Sprintf(" of %s, epoch %s, at %q", backend.Text(item, "owner"), backend.Number(item, "epoch"), backend.Text(item, "checkpoint"))
}

func (t *gatedTable) Transact(ctx context.Context, token string, actions []backend.Action) (backend.Units, error) {
	what := "check " + actions[0].Check.SK
	if actions[0].Put != nil {
		key := backend.KeyOf(actions[0].Put)
		what = fmt.Sprintf("put %s %s to %s", key.PK, key.SK, backend.Text(actions[0].Put, "last_reply_at"))
	}
	c := &call{op: fmt.Sprintf("transact %d: %s", len(actions), what), transaction: true}
	return pass(ctx, t.w, c, func(int) (backend.Units, error) {
		return t.Table.Transact(context.Background(), token, actions)
	})
}

func (t *gatedTable) BatchGet(ctx context.Context, keys []backend.Key) ([]backend.Item, []backend.Key, backend.Units, error) {
	c := &call{op: fmt.Sprintf("batch get %d at %s", len(keys), keys[0].SK), partial: true}
	n := 0
	items, err := pass(ctx, t.w, c, func(of100 int) ([]backend.Item, error) {
		n = part(len(keys), of100)
		items, _, _, err := t.Table.BatchGet(context.Background(), keys[:n])
		return items, err
	})
	if err != nil {
		return nil, nil, backend.Units{}, err
	}
	return items, keys[n:], backend.Units{}, nil
}

func (t *gatedTable) BatchWrite(ctx context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	c := &call{op: fmt.Sprintf("batch write %d at %s", len(writes), writes[0].Delete.SK), partial: true}
	left, err := pass(ctx, t.w, c, func(of100 int) ([]backend.Write, error) {
		n := part(len(writes), of100)
		_, _, err := t.Table.BatchWrite(context.Background(), writes[:n])
		return writes[n:], err
	})
	return left, backend.Units{}, err
}

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
			s.w.OnOpen(arn, shard, at)
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
