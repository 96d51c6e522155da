package sim

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/postroom/postroom/backend"
)

type tableView struct {
	s    *Store
	name string
	by   string
}

func fail(op string, kind backend.Kind) error { return &backend.Error{Op: op, Kind: kind} }

func holds(c backend.Condition, item backend.Item) bool {
	if c.Absent {
		return item == nil
	}
	for name, want := range c.Equals {
		if item == nil || !reflect.DeepEqual(item[name], want) {
			return false
		}
	}
	return true
}

func (v *tableView) Get(_ context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	return v.s.table(v.name).items[key], backend.Units{}, nil
}

func (v *tableView) BatchGet(_ context.Context, keys []backend.Key) ([]backend.Item, []backend.Key, backend.Units, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	var items []backend.Item
	for _, key := range keys {
		if item, ok := v.s.table(v.name).items[key]; ok {
			items = append(items, item)
		}
	}
	return items, nil, backend.Units{}, nil
}

func (v *tableView) Query(_ context.Context, q backend.Query) (backend.Page, error) {
	if q.Index != "" {
		return backend.Page{}, fail("Query of an index: nothing that writes may trust it", backend.KindInvalid)
	}
	return v.page(q.Limit, q.Descending, func(key backend.Key) bool {
		if key.PK != q.PK || !strings.HasPrefix(key.SK, q.SKPrefix) {
			return false
		}
		if q.After == (backend.Key{}) {
			return true
		}
		return (key.SK > q.After.SK) != q.Descending && key.SK != q.After.SK
	})
}

func (v *tableView) Scan(_ context.Context, sc backend.Scan) (backend.Page, error) {
	return v.page(sc.Limit, false, func(key backend.Key) bool {
		if hash(key.PK)%uint(max(1, sc.Segments)) != uint(sc.Segment) {
			return false
		}
		return sc.After == (backend.Key{}) || compareKeys(key, sc.After) > 0
	})
}

func compareKeys(a, b backend.Key) int {
	return cmp.Or(cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK))
}

func (v *tableView) page(limit int, descending bool, in func(backend.Key) bool) (backend.Page, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	t := v.s.table(v.name)
	var keys []backend.Key
	for key := range t.items {
		if in(key) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, compareKeys)
	if descending {
		slices.Reverse(keys)
	}
	var p backend.Page
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
		p.Last = &keys[limit-1]
	}
	for _, key := range keys {
		p.Items = append(p.Items, t.items[key])
	}
	return p, nil
}

func (v *tableView) Put(_ context.Context, item backend.Item, c backend.Condition) (backend.Units, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	key := backend.KeyOf(item)
	if before := v.s.table(v.name).items[key]; !holds(c, before) {
		return backend.Units{}, &backend.Error{Op: "Put", Kind: backend.KindConditionFailed, Item: before}
	}
	v.s.write(v.by, v.name, key, item)
	return backend.Units{}, nil
}

func (v *tableView) BatchWrite(_ context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	for _, w := range writes {
		key := w.Delete
		if w.Put != nil {
			key = backend.KeyOf(w.Put)
		}
		v.s.write(v.by, v.name, key, w.Put)
	}
	return nil, backend.Units{}, nil
}

func (v *tableView) Transact(_ context.Context, token string, actions []backend.Action) (backend.Units, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	t := v.s.table(v.name)
	if len(actions) > backend.MaxTransact {
		return backend.Units{}, fail("Transact: too many actions", backend.KindInvalid)
	}
	if _, ok := t.tokens[token]; ok {
		return backend.Units{}, nil
	}
	reasons := make([]*backend.Reason, len(actions))
	failed := false
	for i, a := range actions {
		if !holds(a.Condition, t.items[a.Key()]) {
			failed = true
			reasons[i] = &backend.Reason{Kind: backend.KindConditionFailed, Code: "ConditionalCheckFailed"}
		}
	}
	if failed {
		return backend.Units{}, &backend.Error{Op: "Transact", Kind: backend.KindOfReasons(reasons), Reasons: reasons}
	}
	t.tokens[token] = struct{}{}
	for _, a := range actions {
		if a.Check == (backend.Key{}) {
			v.s.write(v.by, v.name, a.Key(), a.Put)
		}
	}
	return backend.Units{}, nil
}
