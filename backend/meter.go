package backend

import (
	"context"
	"errors"
	"sync"
)

// Meter adds up the capacity units that calls of tables consume, failed calls
// included. The zero Meter is ready for use. It may be used concurrently.
type Meter struct {
	mu    sync.Mutex
	units Units
}

// Units is the sum so far.
func (m *Meter) Units() Units {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.units
}

// Table returns t with its calls metered.
func (m *Meter) Table(t Table) Table { return meteredTable{t, m} }

func (m *Meter) add(units Units, err error) {
	var failed *Error
	if errors.As(err, &failed) {
		units = units.Add(failed.Units)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units = m.units.Add(units)
}

type meteredTable struct {
	table Table
	meter *Meter
}

func (t meteredTable) Get(ctx context.Context, key Key) (Item, Units, error) {
	item, units, err := t.table.Get(ctx, key)
	t.meter.add(units, err)
	return item, units, err
}

func (t meteredTable) BatchGet(ctx context.Context, keys []Key) ([]Item, []Key, Units, error) {
	items, unprocessed, units, err := t.table.BatchGet(ctx, keys)
	t.meter.add(units, err)
	return items, unprocessed, units, err
}

func (t meteredTable) Query(ctx context.Context, q Query) (Page, error) {
	page, err := t.table.Query(ctx, q)
	t.meter.add(page.Units, err)
	return page, err
}

func (t meteredTable) Scan(ctx context.Context, s Scan) (Page, error) {
	page, err := t.table.Scan(ctx, s)
	t.meter.add(page.Units, err)
	return page, err
}

func (t meteredTable) Put(ctx context.Context, item Item, condition Condition) (Units, error) {
	units, err := t.table.Put(ctx, item, condition)
	t.meter.add(units, err)
	return units, err
}

func (t meteredTable) BatchWrite(ctx context.Context, writes []Write) ([]Write, Units, error) {
	unprocessed, units, err := t.table.BatchWrite(ctx, writes)
	t.meter.add(units, err)
	return unprocessed, units, err
}

func (t meteredTable) Transact(ctx context.Context, token string, actions []Action) (Units, error) {
	units, err := t.table.Transact(ctx, token, actions)
	t.meter.add(units, err)
	return units, err
}
