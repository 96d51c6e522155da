package sim

import (
	"context"
	"fmt"

	"github.com/postroom/postroom/backend"
)

// Table opens a table through the worker's gate.
func (w *Worker) Table(name string) backend.Table { return &gatedTable{w.store.Table(name), w} }

// Stream opens a stream. Its calls change nothing and are not held up, only
// refused once the worker is dead.
func (w *Worker) Stream(name string) backend.Stream { return &gatedStream{w.store.Stream(name), w} }

// Queue opens a queue through the worker's gate.
func (w *Worker) Queue(name string) backend.Queue { return &gatedQueue{w.store.Queue(name), w} }

type gatedTable struct {
	backend.Table

	w *Worker
}

// pass runs a call as the scheduler judges.
func pass[T any](w *Worker, c *call, do func() (T, error)) (T, error) {
	var none T
	v := w.gate(c)
	if v.before != nil {
		return none, v.before
	}
	result, err := do()
	if v.after != nil {
		return none, v.after
	}
	return result, err
}

func (t *gatedTable) Get(_ context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	item, err := pass(t.w, &call{op: "get " + key.SK}, func() (backend.Item, error) {
		item, _, err := t.Table.Get(context.Background(), key)
		return item, err
	})
	return item, backend.Units{}, err
}

func (t *gatedTable) Query(_ context.Context, q backend.Query) (backend.Page, error) {
	return pass(t.w, &call{op: "query " + q.PK}, func() (backend.Page, error) {
		return t.Table.Query(context.Background(), q)
	})
}

func (t *gatedTable) Put(_ context.Context, item backend.Item, c backend.Condition) (backend.Units, error) {
	key := backend.KeyOf(item)
	return pass(t.w, &call{op: "put " + key.PK + " " + key.SK}, func() (backend.Units, error) {
		return t.Table.Put(context.Background(), item, c)
	})
}

func (t *gatedTable) Transact(_ context.Context, token string, actions []backend.Action) (backend.Units, error) {
	what := "check " + actions[0].Check.SK
	if actions[0].Put != nil {
		key := backend.KeyOf(actions[0].Put)
		what = fmt.Sprintf("put %s %s to %s", key.PK, key.SK, backend.Text(actions[0].Put, "last_reply_at"))
	}
	op := fmt.Sprintf("transact %d: %s", len(actions), what)
	return pass(t.w, &call{op: op, transaction: true}, func() (backend.Units, error) {
		return t.Table.Transact(context.Background(), token, actions)
	})
}

func (t *gatedTable) BatchGet(_ context.Context, keys []backend.Key) ([]backend.Item, []backend.Key, backend.Units, error) {
	v := t.w.gate(&call{op: fmt.Sprintf("batch get %d at %s", len(keys), keys[0].SK), partial: true})
	if v.before != nil {
		return nil, nil, backend.Units{}, v.before
	}
	n := part(len(keys), v.part)
	items, _, _, err := t.Table.BatchGet(context.Background(), keys[:n])
	if v.after != nil {
		err = v.after
	}
	return items, keys[n:], backend.Units{}, err
}

func (t *gatedTable) BatchWrite(_ context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	v := t.w.gate(&call{op: fmt.Sprintf("batch write %d at %s", len(writes), writes[0].Delete.SK), partial: true})
	if v.before != nil {
		return nil, backend.Units{}, v.before
	}
	n := part(len(writes), v.part)
	_, _, err := t.Table.BatchWrite(context.Background(), writes[:n])
	if v.after != nil {
		err = v.after
	}
	return writes[n:], backend.Units{}, err
}

// part is how many of n are done: all, or so many in a hundred.
func part(n, of100 int) int {
	if of100 == 0 {
		return n
	}
	return n * of100 / 100
}

type gatedStream struct {
	backend.Stream

	w *Worker
}

func (s *gatedStream) Shards(ctx context.Context, after string) (backend.ShardPage, error) {
	if s.w.Dead() {
		return backend.ShardPage{}, errDead
	}
	return s.Stream.Shards(ctx, after)
}

func (s *gatedStream) Children(ctx context.Context, arn, parent string) ([]backend.Shard, error) {
	if s.w.Dead() {
		return nil, errDead
	}
	return s.Stream.Children(ctx, arn, parent)
}

func (s *gatedStream) Iterator(ctx context.Context, arn, shard string, at backend.Position) (string, error) {
	if s.w.Dead() {
		return "", errDead
	}
	return s.Stream.Iterator(ctx, arn, shard, at)
}

func (s *gatedStream) Records(ctx context.Context, iterator string, limit int) (backend.RecordPage, error) {
	if s.w.Dead() {
		return backend.RecordPage{}, errDead
	}
	return s.Stream.Records(ctx, iterator, limit)
}

type gatedQueue struct {
	backend.Queue

	w *Worker
}

func (q *gatedQueue) Send(_ context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	v := q.w.gate(&call{op: fmt.Sprintf("send %d %s", len(entries), entries[0].DeduplicationID), partial: true, send: true})
	if v.before != nil {
		return nil, v.before
	}
	n := part(len(entries), v.part)
	if n > 0 {
		if _, err := q.Queue.Send(context.Background(), entries[:n]); err != nil {
			return nil, err
		}
	}
	var failed []backend.EntryError
	for i := n; i < len(entries); i++ {
		failed = append(failed, backend.EntryError{Index: i, Code: "ServiceUnavailable"})
	}
	return failed, v.after
}
