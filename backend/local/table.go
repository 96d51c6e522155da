package local

import (
	"context"
	"errors"

	"github.com/postroom/postroom/backend"
)

// table implements [backend.Table]. Its errors have no op: see [Backend.Table].
type table struct {
	b    *Backend
	name string
}

// Table returns the named table.
func (b *Backend) Table(name string) backend.Table {
	return backend.Intercept(&table{b, name}, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		return b.wrap(call.Op+" "+name, next(ctx))
	})
}

// read runs f with the table's definition in a transaction that reads.
func (tb *table) read(ctx context.Context, f func(*tx, *tableDef) error) error {
	return tb.b.read(ctx, "", withTable(tb.name, f))
}

// edit runs f in a transaction that writes to the table.
func (tb *table) edit(ctx context.Context, f func(*edit) error) error {
	return tb.b.write(ctx, "", withTable(tb.name, func(t *tx, def *tableDef) error {
		return f(&edit{tx: t, b: tb.b, def: def})
	}))
}

// Get reads one item.
func (tb *table) Get(ctx context.Context, key backend.Key) (item backend.Item, units backend.Units, err error) {
	err = tb.read(ctx, func(t *tx, def *tableDef) error {
		if err := def.checkKey(key); err != nil {
			return err
		}
		s, err := t.stored(def, key)
		if err != nil {
			return err
		}
		units.Read = readUnits(s.size)
		item, err = s.item()
		return err
	})
	return item, units, err
}

// maxBatchBytes bounds the answer of a BatchGet. Source: DynamoDB API reference.
const maxBatchBytes = 16 << 20

// BatchGet reads distinct keys.
func (tb *table) BatchGet(ctx context.Context, keys []backend.Key) (items []backend.Item, unprocessed []backend.Key, units backend.Units, err error) {
	if err := checkBatch(len(keys), backend.MaxBatchGet); err != nil {
		return nil, nil, units, err
	}
	err = tb.read(ctx, func(t *tx, def *tableDef) error {
		if err := def.checkDistinct(keys); err != nil {
			return err
		}
		total := 0
		for i, key := range keys {
			s, err := t.stored(def, key)
			if err != nil {
				return err
			}
			if total += s.size; total > maxBatchBytes {
				unprocessed = keys[i:]
				return nil
			}
			units.Read += readUnits(s.size)
			item, err := s.item()
			if err != nil {
				return err
			}
			if item != nil {
				items = append(items, item)
			}
		}
		return nil
	})
	return items, unprocessed, units, err
}

func checkBatch(n, limit int) error {
	if n < 1 || n > limit {
		return invalid("the batch has %d entries, want 1 to %d", n, limit)
	}
	return nil
}

func (d *tableDef) checkDistinct(keys []backend.Key) error {
	seen := make(map[backend.Key]bool, len(keys))
	for _, key := range keys {
		if err := d.checkKey(key); err != nil {
			return err
		}
		if seen[key] {
			return invalid("provided list of item keys contains duplicates: %q, %q", key.PK, key.SK)
		}
		seen[key] = true
	}
	return nil
}

var errCondition = errors.New("the conditional request failed")

// Put writes one item if the condition holds.
func (tb *table) Put(ctx context.Context, item backend.Item, condition backend.Condition) (units backend.Units, err error) {
	d, err := newDraft(item)
	if err != nil {
		return units, err
	}
	if condition.Equals, err = backend.NormalItem(condition.Equals); err != nil {
		return units, err
	}
	err = tb.edit(ctx, func(e *edit) error {
		s, err := e.prepare(d)
		if err != nil {
			return err
		}
		units.Write = s.units()
		if old, ok, err := s.allows(condition); err != nil {
			return err
		} else if !ok {
			return &backend.Error{Kind: backend.KindConditionFailed, Item: old, Units: units, Err: errCondition}
		}
		indexUnits, err := e.applyAll([]step{s})
		units.Write += indexUnits
		return err
	})
	return units, err
}

// allows reports whether a condition holds for the item under the step's key. If
// not, it returns that item.
func (s step) allows(c backend.Condition) (old backend.Item, ok bool, err error) {
	if len(c.Equals) == 0 && (!c.Absent || !s.old.found()) {
		return nil, true, nil // without decoding the item
	}
	old, err = s.old.item()
	if err != nil {
		return nil, false, err
	}
	has := backend.Item{}
	for name := range c.Equals {
		if v, ok := old[name]; ok {
			has[name] = v
		}
	}
	return old, (!c.Absent || old == nil) && backend.EqualItems(has, c.Equals), nil
}

// BatchWrite puts and deletes distinct keys.
func (tb *table) BatchWrite(ctx context.Context, writes []backend.Write) (_ []backend.Write, units backend.Units, err error) {
	if err := checkBatch(len(writes), backend.MaxBatchWrite); err != nil {
		return nil, units, err
	}
	drafts := make([]draft, len(writes))
	for i, w := range writes {
		if w.Put == nil {
			drafts[i] = draft{key: w.Delete}
		} else if drafts[i], err = newDraft(w.Put); err != nil {
			return nil, units, err
		}
	}
	err = tb.edit(ctx, func(e *edit) error {
		steps := make([]step, len(drafts))
		keys := make([]backend.Key, len(drafts))
		for i, d := range drafts {
			if steps[i], err = e.prepare(d); err != nil {
				return err
			}
			keys[i] = steps[i].key
			units.Write += steps[i].units()
		}
		if err := e.def.checkDistinct(keys); err != nil {
			return err
		}
		indexUnits, err := e.applyAll(steps)
		units.Write += indexUnits
		return err
	})
	return nil, units, err
}
