package backendtest

import (
	"context"

	"github.com/postroom/postroom/backend"
)

type faultyTable struct {
	backend.Table

	faults faults
}

// answer is what a call of a table may return beside an error.
type answer struct {
	item       backend.Item
	items      []backend.Item
	keysLeft   []backend.Key
	writesLeft []backend.Write
	units      backend.Units
}

func (t *faultyTable) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	a, err := do(ctx, t.faults, "Get", 1, func(int) (a answer, err error) {
		a.item, a.units, err = t.Table.Get(ctx, key)
		return a, err
	})
	return a.item, a.units, err
}

func (t *faultyTable) BatchGet(
	ctx context.Context, keys []backend.Key,
) ([]backend.Item, []backend.Key, backend.Units, error) {
	a, err := do(ctx, t.faults, "BatchGet", len(keys), func(n int) (a answer, err error) {
		if n > 0 || len(keys) == 0 {
			a.items, a.keysLeft, a.units, err = t.Table.BatchGet(ctx, keys[:n])
		}
		a.keysLeft = append(a.keysLeft, keys[n:]...)
		return a, err
	})
	return a.items, a.keysLeft, a.units, err
}

func (t *faultyTable) Query(ctx context.Context, q backend.Query) (backend.Page, error) {
	return do(ctx, t.faults, "Query", 1, func(int) (backend.Page, error) { return t.Table.Query(ctx, q) })
}

func (t *faultyTable) Scan(ctx context.Context, s backend.Scan) (backend.Page, error) {
	return do(ctx, t.faults, "Scan", 1, func(int) (backend.Page, error) { return t.Table.Scan(ctx, s) })
}

func (t *faultyTable) Put(
	ctx context.Context, item backend.Item, condition backend.Condition,
) (backend.Units, error) {
	return do(ctx, t.faults, "Put", 1, func(int) (backend.Units, error) {
		return t.Table.Put(ctx, item, condition)
	})
}

func (t *faultyTable) BatchWrite(
	ctx context.Context, writes []backend.Write,
) ([]backend.Write, backend.Units, error) {
	a, err := do(ctx, t.faults, "BatchWrite", len(writes), func(n int) (a answer, err error) {
		if n > 0 || len(writes) == 0 {
			a.writesLeft, a.units, err = t.Table.BatchWrite(ctx, writes[:n])
		}
		a.writesLeft = append(a.writesLeft, writes[n:]...)
		return a, err
	})
	return a.writesLeft, a.units, err
}

// Transact is all or nothing: Leave does not apply.
func (t *faultyTable) Transact(
	ctx context.Context, token string, actions []backend.Action,
) (backend.Units, error) {
	return do(ctx, t.faults, "Transact", len(actions), func(int) (backend.Units, error) {
		return t.Table.Transact(ctx, token, actions)
	})
}
