package local

import (
	"context"
	"errors"

	"github.com/postroom/postroom/backend"
)

// table implements [backend.Table].
type table struct {
	b    *Backend
	name string
}

// Get reads one item.
func (tb *table) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	var s stored
	err := tb.b.read(ctx, "Get "+tb.name, func(t *tx) error {
		def, err := t.table(tb.name)
		if err != nil {
			return err
		}
		if err := def.checkKey(key); err != nil {
			return err
		}
		s, err = t.stored(def, key)
		return err
	})
	if err != nil {
		return nil, backend.Units{}, err
	}
	item, err := s.item()
	return item, backend.Units{Read: readUnits(s.size)}, tb.b.wrap("Get "+tb.name, err)
}

// maxBatchBytes bounds the answer of a BatchGet. Source: DynamoDB API reference.
const maxBatchBytes = 16 << 20

// BatchGet reads distinct keys.
func (tb *table) BatchGet(ctx context.Context, keys []backend.Key) (items []backend.Item, unprocessed []backend.Key, units backend.Units, err error) {
	op := "BatchGet " + tb.name
	if err := checkBatch(len(keys), backend.MaxBatchGet); err != nil {
		return nil, nil, units, tb.b.wrap(op, err)
	}
	err = tb.b.read(ctx, op, func(t *tx) error {
		def, err := t.table(tb.name)
		if err != nil {
			return err
		}
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
				unprocessed = append(unprocessed, keys[i:]...)
				return nil
			}
			units.Read += readUnits(s.size)
			if !s.found {
				continue
			}
			item, err := s.item()
			if err != nil {
				return err
			}
			items = append(items, item)
		}
		return nil
	})
	if err != nil {
		return nil, nil, backend.Units{}, err
	}
	return items, unprocessed, units, nil
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
func (tb *table) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	op := "Put " + tb.name
	d, err := newDraft(item)
	if err != nil {
		return backend.Units{}, tb.b.wrap(op, err)
	}
	condition, err = normalCondition(condition)
	if err != nil {
		return backend.Units{}, tb.b.wrap(op, err)
	}
	var units backend.Units
	err = tb.b.write(ctx, op, func(t *tx) error {
		e, err := t.edit(tb.b, tb.name)
		if err != nil {
			return err
		}
		s, err := e.look(d)
		if err != nil {
			return err
		}
		units.Write = s.units()
		if old, ok, err := s.allows(condition); err != nil {
			return err
		} else if !ok {
			return &backend.Error{Kind: backend.KindConditionFailed, Item: old, Units: units, Err: errCondition}
		}
		indexUnits, err := e.doAll([]step{s})
		units.Write += indexUnits
		return err
	})
	if err != nil {
		return backend.Units{}, err
	}
	return units, nil
}

// allows reports whether a condition holds of what is under the step's key, and
// returns that where it does not.
func (s step) allows(c backend.Condition) (old backend.Item, ok bool, err error) {
	if len(c.Equals) == 0 && (!c.Absent || !s.old.found) {
		return nil, true, nil // without decoding the item
	}
	old, err = s.old.item()
	if err != nil {
		return nil, false, err
	}
	ok, err = holds(c, old)
	return old, ok, err
}

func normalCondition(c backend.Condition) (backend.Condition, error) {
	if len(c.Equals) == 0 {
		return backend.Condition{Absent: c.Absent}, nil
	}
	var err error
	c.Equals, err = normalItem(c.Equals, 1)
	return c, err
}

// BatchWrite puts and deletes distinct keys.
func (tb *table) BatchWrite(ctx context.Context, writes []backend.Write) (unprocessed []backend.Write, units backend.Units, err error) {
	op := "BatchWrite " + tb.name
	if err := checkBatch(len(writes), backend.MaxBatchWrite); err != nil {
		return nil, units, tb.b.wrap(op, err)
	}
	drafts := make([]draft, len(writes))
	for i, w := range writes {
		if w.Put == nil {
			drafts[i] = draft{key: w.Delete}
		} else if drafts[i], err = newDraft(w.Put); err != nil {
			return nil, units, tb.b.wrap(op, err)
		}
	}
	err = tb.b.write(ctx, op, func(t *tx) error {
		e, err := t.edit(tb.b, tb.name)
		if err != nil {
			return err
		}
		steps := make([]step, len(drafts))
		keys := make([]backend.Key, len(drafts))
		for i, d := range drafts {
			if steps[i], err = e.look(d); err != nil {
				return err
			}
			keys[i] = steps[i].key
			units.Write += steps[i].units()
		}
		if err := e.def.checkDistinct(keys); err != nil {
			return err
		}
		indexUnits, err := e.doAll(steps)
		units.Write += indexUnits
		return err
	})
	if err != nil {
		return nil, backend.Units{}, err
	}
	return nil, units, nil
}
