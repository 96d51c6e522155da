package backend

import (
	"context"
	"errors"
)

// TableCall is one call of a table, as an interceptor sees it.
type TableCall struct {
	Op string // the method: "Get", "BatchWrite", …
	// Key of the call's first item. A Query has its partition and the prefix of
	// its sort keys here, a Scan the key after which it goes on.
	Key Key
	// Request is what the method was given: a Key, []Key, Query, Scan, Item,
	// []Write or []Action.
	Request any
	// Entries is how many keys, writes or actions the call has; 1 where it is not
	// a batch. An interceptor may lower it before it makes a BatchGet or a
	// BatchWrite: then only the first entries are sent, and the others come back
	// unprocessed. With none left the table is not called.
	Entries int

	// Units and Unprocessed describe the answer, once the call was made: the
	// units that it consumed, without those of an [Error], and how many entries
	// came back unprocessed.
	Units       Units
	Unprocessed int
}

// Consumed returns the units that the call consumed, given the error with which it ended,
// if it did: those of an [Error] included.
func (c *TableCall) Consumed(err error) Units {
	if failed, ok := errors.AsType[*Error](err); ok {
		return c.Units.Add(failed.Units)
	}
	return c.Units
}

// TableInterceptor stands between a caller and a table. It makes the call with
// next, under the context that it passes on, or does not make it. The error that
// it returns is the caller's: with one the caller gets no answer, without one the
// answer of the last call made. Interceptors are called concurrently.
type TableInterceptor func(ctx context.Context, call *TableCall, next func(context.Context) error) error

// Intercept returns t with every call passed through f.
func Intercept(t Table, f TableInterceptor) Table { return intercepted{t, f} }

type intercepted struct {
	table     Table
	intercept TableInterceptor
}

// tableAnswer is what a call of a table returns beside an error.
type tableAnswer struct {
	item   Item
	items  []Item
	keys   []Key   // unprocessed
	writes []Write // unprocessed
	page   Page
	units  Units
}

// pass has a call intercepted. A call that its interceptor gave up may still be
// under way, so with an error its answer is not looked at.
func (t intercepted) pass(
	ctx context.Context, call *TableCall, send func(context.Context, *tableAnswer) error,
) (tableAnswer, error) {
	var answer tableAnswer
	err := t.intercept(ctx, call, func(ctx context.Context) error {
		answer = tableAnswer{}
		err := send(ctx, &answer)
		call.Units, call.Unprocessed = answer.units, len(answer.keys)+len(answer.writes)
		return err
	})
	if err != nil {
		return tableAnswer{}, err
	}
	return answer, nil
}

// Get implements [Table].
func (t intercepted) Get(ctx context.Context, key Key) (Item, Units, error) {
	call := &TableCall{Op: "Get", Key: key, Request: key, Entries: 1}
	got, err := t.pass(ctx, call, func(ctx context.Context, a *tableAnswer) (err error) {
		a.item, a.units, err = t.table.Get(ctx, key)
		return err
	})
	return got.item, got.units, err
}

// BatchGet implements [Table].
func (t intercepted) BatchGet(ctx context.Context, keys []Key) ([]Item, []Key, Units, error) {
	call := &TableCall{Op: "BatchGet", Request: keys, Entries: len(keys)}
	if len(keys) > 0 {
		call.Key = keys[0]
	}
	got, err := t.pass(ctx, call, func(ctx context.Context, a *tableAnswer) (err error) {
		if n := call.Entries; n > 0 || len(keys) == 0 {
			a.items, a.keys, a.units, err = t.table.BatchGet(ctx, keys[:n])
		}
		a.keys = append(a.keys, keys[call.Entries:]...)
		return err
	})
	return got.items, got.keys, got.units, err
}

// Query implements [Table].
func (t intercepted) Query(ctx context.Context, q Query) (Page, error) {
	call := &TableCall{Op: "Query", Key: Key{q.PK, q.SKPrefix}, Request: q, Entries: 1}
	got, err := t.pass(ctx, call, func(ctx context.Context, a *tableAnswer) (err error) {
		a.page, err = t.table.Query(ctx, q)
		a.units = a.page.Units
		return err
	})
	return got.page, err
}

// Scan implements [Table].
func (t intercepted) Scan(ctx context.Context, s Scan) (Page, error) {
	call := &TableCall{Op: "Scan", Key: s.After, Request: s, Entries: 1}
	got, err := t.pass(ctx, call, func(ctx context.Context, a *tableAnswer) (err error) {
		a.page, err = t.table.Scan(ctx, s)
		a.units = a.page.Units
		return err
	})
	return got.page, err
}

// Put implements [Table].
func (t intercepted) Put(ctx context.Context, item Item, condition Condition) (Units, error) {
	call := &TableCall{Op: "Put", Key: KeyOf(item), Request: item, Entries: 1}
	got, err := t.pass(ctx, call, func(ctx context.Context, a *tableAnswer) (err error) {
		a.units, err = t.table.Put(ctx, item, condition)
		return err
	})
	return got.units, err
}

// BatchWrite implements [Table].
func (t intercepted) BatchWrite(ctx context.Context, writes []Write) ([]Write, Units, error) {
	call := &TableCall{Op: "BatchWrite", Request: writes, Entries: len(writes)}
	if len(writes) > 0 {
		call.Key = Action{Put: writes[0].Put, Delete: writes[0].Delete}.Key()
	}
	got, err := t.pass(ctx, call, func(ctx context.Context, a *tableAnswer) (err error) {
		if n := call.Entries; n > 0 || len(writes) == 0 {
			a.writes, a.units, err = t.table.BatchWrite(ctx, writes[:n])
		}
		a.writes = append(a.writes, writes[call.Entries:]...)
		return err
	})
	return got.writes, got.units, err
}

// Transact implements [Table].
func (t intercepted) Transact(ctx context.Context, token string, actions []Action) (Units, error) {
	call := &TableCall{Op: "Transact", Request: actions, Entries: len(actions)}
	if len(actions) > 0 {
		call.Key = actions[0].Key()
	}
	got, err := t.pass(ctx, call, func(ctx context.Context, a *tableAnswer) (err error) {
		a.units, err = t.table.Transact(ctx, token, actions)
		return err
	})
	return got.units, err
}
