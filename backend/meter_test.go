package backend_test

import (
	"context"
	"testing"

	"github.com/postroom/postroom/backend"
)

// priced is a table each call of which has a price of its own.
type priced struct{ backend.Table }

func (priced) Get(context.Context, backend.Key) (backend.Item, backend.Units, error) {
	return nil, backend.Units{Read: 1}, nil
}

func (priced) BatchGet(context.Context, []backend.Key) ([]backend.Item, []backend.Key, backend.Units, error) {
	return nil, nil, backend.Units{Read: 10}, nil
}

func (priced) Query(context.Context, backend.Query) (backend.Page, error) {
	return backend.Page{Units: backend.Units{Read: 100}}, nil
}

func (priced) Scan(context.Context, backend.Scan) (backend.Page, error) {
	return backend.Page{Units: backend.Units{Read: 1000}}, nil
}

func (priced) Put(context.Context, backend.Item, backend.Condition) (backend.Units, error) {
	return backend.Units{}, &backend.Error{Kind: backend.KindConditionFailed, Units: backend.Units{Write: 1}}
}

func (priced) BatchWrite(context.Context, []backend.Write) ([]backend.Write, backend.Units, error) {
	return nil, backend.Units{Write: 10}, nil
}

func (priced) Transact(context.Context, string, []backend.Action) (backend.Units, error) {
	return backend.Units{Write: 100, Read: 0.5}, nil
}

func TestMeterAddsUpEveryCall(t *testing.T) {
	t.Parallel()
	var m backend.Meter
	table, ctx := m.Table(priced{}), t.Context()
	_, _, err := table.Get(ctx, backend.Key{})
	if err != nil {
		t.Error(err)
	}
	if _, _, _, err := table.BatchGet(ctx, nil); err != nil {
		t.Error(err)
	}
	if _, err := table.Query(ctx, backend.Query{}); err != nil {
		t.Error(err)
	}
	if _, err := table.Scan(ctx, backend.Scan{}); err != nil {
		t.Error(err)
	}
	if _, err := table.Put(ctx, nil, backend.Condition{}); backend.KindOf(err) != backend.KindConditionFailed {
		t.Errorf("the error of a call is %v", err)
	}
	if _, _, err := table.BatchWrite(ctx, nil); err != nil {
		t.Error(err)
	}
	if _, err := table.Transact(ctx, "", nil); err != nil {
		t.Error(err)
	}
	if got, want := m.Units(), (backend.Units{Read: 1111.5, Write: 111}); got != want {
		t.Errorf("units %+v, want %+v", got, want)
	}
}
