package projector

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// governed is a table all of whose callers share one pressure: what throttles
// one of them holds back all. It counts what it sees of contention.
type governed struct {
	table    backend.Table
	pressure *pressure

	throttled, conflicts atomic.Int64 // calls
}

func governedTable(t backend.Table, most int) *governed {
	return &governed{table: t, pressure: newPressure(most)}
}

// Get implements backend.Table.
func (g *governed) Get(ctx context.Context, key backend.Key) (item backend.Item, units backend.Units, err error) {
	err = g.do(ctx, key, func() (_ bool, e error) {
		item, units, e = g.table.Get(ctx, key)
		return false, e
	})
	return item, units, err
}

// BatchGet implements backend.Table.
func (g *governed) BatchGet(ctx context.Context, keys []backend.Key) (items []backend.Item, left []backend.Key, units backend.Units, err error) {
	err = g.do(ctx, keys[0], func() (_ bool, e error) {
		items, left, units, e = g.table.BatchGet(ctx, keys)
		return len(left) > 0, e
	})
	return items, left, units, err
}

// Query implements backend.Table.
func (g *governed) Query(ctx context.Context, q backend.Query) (page backend.Page, err error) {
	err = g.do(ctx, backend.Key{PK: q.PK}, func() (_ bool, e error) {
		page, e = g.table.Query(ctx, q)
		return false, e
	})
	return page, err
}

// Scan implements backend.Table.
func (g *governed) Scan(ctx context.Context, s backend.Scan) (page backend.Page, err error) {
	err = g.do(ctx, s.After, func() (_ bool, e error) {
		page, e = g.table.Scan(ctx, s)
		return false, e
	})
	return page, err
}

// Put implements backend.Table.
func (g *governed) Put(ctx context.Context, item backend.Item, c backend.Condition) (units backend.Units, err error) {
	err = g.do(ctx, backend.KeyOf(item), func() (_ bool, e error) {
		units, e = g.table.Put(ctx, item, c)
		return false, e
	})
	return units, err
}

// BatchWrite implements backend.Table.
func (g *governed) BatchWrite(ctx context.Context, writes []backend.Write) (left []backend.Write, units backend.Units, err error) {
	key := writes[0].Delete
	if put := writes[0].Put; put != nil {
		key = backend.KeyOf(put)
	}
	err = g.do(ctx, key, func() (_ bool, e error) {
		left, units, e = g.table.BatchWrite(ctx, writes)
		return len(left) > 0, e
	})
	return left, units, err
}

// Transact implements backend.Table.
func (g *governed) Transact(ctx context.Context, token string, actions []backend.Action) (units backend.Units, err error) {
	key := actions[0].Check
	if put := actions[0].Put; put != nil {
		key = backend.KeyOf(put)
	}
	err = g.do(ctx, key, func() (_ bool, e error) {
		units, e = g.table.Transact(ctx, token, actions)
		return false, e
	})
	return units, err
}

// do makes a call about a key. What a batch leaves undone was throttled, and so
// was a transaction of which any action was.
func (g *governed) do(ctx context.Context, key backend.Key, call func() (partial bool, err error)) error {
	who := key.PK
	if _, group, err := postroom.ParseRowKey(key.SK); err == nil {
		who = group
	}
	return g.pressure.do(ctx, who, func() (throttled bool, err error) {
		partial, err := call()
		if throttled = partial || is(err, backend.KindThrottled); throttled {
			g.throttled.Add(1)
		}
		if is(err, backend.KindConflict) {
			g.conflicts.Add(1)
		}
		return throttled, err
	})
}

// is reports whether an error is of a kind, or one of its reasons.
func is(err error, kind backend.Kind) bool {
	var e *backend.Error
	return errors.As(err, &e) && (e.Kind == kind ||
		slices.ContainsFunc(e.Reasons, func(r *backend.Reason) bool { return r != nil && r.Kind == kind }))
}
