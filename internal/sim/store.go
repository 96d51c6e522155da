package sim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

// Store is tables, their streams and a queue in memory, without faults: those
// are the scheduler's. Safe for concurrent use.
type Store struct {
	// OnWrite, if set, is told of every change of an item of a table, under the
	// store's lock: what was there before and what is there now.
	OnWrite func(table string, before, after backend.Item)
	// Calm says that shards neither roll nor split and that pages are full: for
	// tests that look at when something happens.
	Calm bool

	mu     sync.Mutex
	rng    *rand.Rand
	tables map[string]*table
	sent   map[string][]backend.SendEntry // by queue
}

type table struct {
	items  map[backend.Key]backend.Item
	tokens map[string]struct{}
	shards []*shard
	writes int
}

type shard struct {
	id, parent string
	records    []backend.Record
	closed     bool
	shows      bool // an EndingSequenceNumber although it is open
}

// NewStore makes an empty store. Shards roll and split as the seed says.
func NewStore(seed uint64) *Store {
	return &Store{
		rng:    rand.New(rand.NewPCG(seed, 1)),
		tables: map[string]*table{},
		sent:   map[string][]backend.SendEntry{},
	}
}

// Table opens a table, which is there from its first use on.
func (s *Store) Table(name string) backend.Table { return &tableView{s, name} }

// Stream opens the stream of a table.
func (s *Store) Stream(name string) backend.Stream { return &streamView{s, name} }

// Queue opens a queue.
func (s *Store) Queue(name string) backend.Queue { return &queueView{s: s, name: name} }

// Items returns all items of a table, in no order.
func (s *Store) Items(name string) []backend.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.table(name).items))
}

// Sent returns everything that a queue accepted.
func (s *Store) Sent(queue string) []backend.SendEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent[queue])
}

func (s *Store) table(name string) *table {
	t, ok := s.tables[name]
	if !ok {
		t = &table{items: map[backend.Key]backend.Item{}, tokens: map[string]struct{}{}}
		t.shards = []*shard{{id: "shard-0"}}
		s.tables[name] = t
	}
	return t
}

// write changes one item and appends its record.
func (s *Store) write(name string, key backend.Key, after backend.Item) {
	t := s.table(name)
	before := t.items[key]
	if reflect.DeepEqual(before, after) {
		return
	}
	event := backend.Modify
	switch {
	case after == nil:
		event = backend.Remove
		delete(t.items, key)
	case before == nil:
		event = backend.Insert
		fallthrough
	default:
		t.items[key] = maps.Clone(after)
	}
	if s.OnWrite != nil {
		s.OnWrite(name, before, after)
	}
	t.writes++
	// The length of the numbers grows, so that comparing them as text is wrong.
	sequence := fmt.Sprintf("%d%020d", 1, t.writes)
	if t.writes < 10 {
		sequence = fmt.Sprintf("%021d", t.writes)
	}
	sh := s.shardFor(t, key)
	sh.records = append(sh.records, backend.Record{
		EventID: fmt.Sprintf("%s-%d", name, t.writes), Event: event, Key: key,
		Sequence: sequence, CreatedAt: time.Now().Truncate(time.Second),
		NewImage: func() (backend.Item, error) { return after, nil },
	})
}

// shardFor picks an open shard by the item's partition, and rolls or splits
// shards now and then.
func (s *Store) shardFor(t *table, key backend.Key) *shard {
	open := slices.DeleteFunc(slices.Clone(t.shards), func(sh *shard) bool { return sh.closed })
	sh := open[hash(key.PK)%uint(len(open))]
	if s.Calm || len(sh.records) == 0 || s.rng.IntN(40) > 0 {
		return sh
	}
	sh.closed = true
	children := 1
	if len(open) < 3 {
		children += s.rng.IntN(2)
	}
	var child *shard
	for range children {
		child = &shard{
			id: fmt.Sprintf("shard-%d", len(t.shards)), parent: sh.id,
			shows: s.rng.IntN(2) == 0,
		}
		t.shards = append(t.shards, child)
	}
	return child
}

func hash(pk string) uint {
	h := 0
	for _, b := range []byte(pk) {
		h = h*31 + int(b)
	}
	return uint(h)
}

type tableView struct {
	s    *Store
	name string
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
	v.s.write(v.name, key, item)
	return backend.Units{}, nil
}

func (v *tableView) BatchWrite(_ context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	for _, w := range writes {
		v.s.apply(v.name, w)
	}
	return nil, backend.Units{}, nil
}

func (s *Store) apply(name string, w backend.Write) {
	if w.Put != nil {
		s.write(name, backend.KeyOf(w.Put), w.Put)
	} else {
		s.write(name, w.Delete, nil)
	}
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
		key := a.Check
		if a.Put != nil {
			key = backend.KeyOf(a.Put)
		}
		if !holds(a.Condition, t.items[key]) {
			failed = true
			reasons[i] = &backend.Reason{Kind: backend.KindConditionFailed, Code: "ConditionalCheckFailed"}
		}
	}
	if failed {
		return backend.Units{}, &backend.Error{Op: "Transact", Kind: backend.KindOfReasons(reasons), Reasons: reasons}
	}
	t.tokens[token] = struct{}{}
	for _, a := range actions {
		if a.Put != nil {
			v.s.write(v.name, backend.KeyOf(a.Put), a.Put)
		}
	}
	return backend.Units{}, nil
}
