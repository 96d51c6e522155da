package stream

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

// How the keys of the control table begin.
const (
	shardPrefix  = "SHARD#"
	workerPrefix = "WORKER#"
	leaderSK     = "LEADER"
)

// fakeTable is the control table of the tests. It has what the package calls.
type fakeTable struct {
	backend.Table
	mu    sync.Mutex
	items map[backend.Key]backend.Item
	// fault is asked before each call: op is Get, Query or Put, and after a
	// BatchWrite.
	fault func(op, sk string) error
	// lost is asked after each successful Put: an error takes the answer's place.
	lost func(sk string) error
	// wrote is told of each write, in order, under the lock. So are wroteBy and
	// removedBy, of removals too, and of who did it, see by.
	wrote     func(item backend.Item)
	wroteBy   func(who string, item backend.Item)
	removedBy func(who string, key backend.Key)
	puts      map[string]int // by sort key
}

type whoKey struct{}

// by is a context of the calls of one worker.
func by(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, whoKey{}, who)
}

func who(ctx context.Context) string {
	name, _ := ctx.Value(whoKey{}).(string)
	return name
}

func newTable() *fakeTable {
	return &fakeTable{items: make(map[backend.Key]backend.Item), puts: make(map[string]int)}
}

func (f *fakeTable) called(op, sk string) error {
	if f.fault != nil {
		return f.fault(op, sk)
	}
	return nil
}

func (f *fakeTable) Get(_ context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.items[key]), backend.Units{}, f.called("Get", key.SK)
}

func (f *fakeTable) Query(_ context.Context, q backend.Query) (backend.Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.called("Query", q.SKPrefix); err != nil {
		return backend.Page{}, err
	}
	var keys []backend.Key
	for key := range f.items {
		if key.PK == q.PK && strings.HasPrefix(key.SK, q.SKPrefix) && key.SK > q.After.SK {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b backend.Key) int { return strings.Compare(a.SK, b.SK) })
	var page backend.Page
	const pageSize = 2 // so that every test pages
	for _, key := range keys {
		if len(page.Items) == pageSize {
			last := backend.KeyOf(page.Items[pageSize-1])
			page.Last = &last
			break
		}
		page.Items = append(page.Items, maps.Clone(f.items[key]))
	}
	return page, nil
}

func (f *fakeTable) Put(ctx context.Context, item backend.Item, c backend.Condition) (backend.Units, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := backend.KeyOf(item)
	if err := f.called("Put", key.SK); err != nil {
		return backend.Units{}, err
	}
	old := f.items[key]
	holds := !c.Absent || old == nil
	for name, v := range c.Equals {
		holds = holds && reflect.DeepEqual(old[name], v)
	}
	if !holds {
		return backend.Units{}, &backend.Error{Op: "Put", Kind: backend.KindConditionFailed, Item: maps.Clone(old)}
	}
	f.items[key] = maps.Clone(item)
	f.puts[key.SK]++
	if f.wrote != nil {
		f.wrote(item)
	}
	if f.wroteBy != nil {
		f.wroteBy(who(ctx), item)
	}
	if f.lost != nil {
		return backend.Units{}, f.lost(key.SK)
	}
	return backend.Units{}, nil
}

func (f *fakeTable) BatchWrite(ctx context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range writes {
		delete(f.items, w.Delete)
		if f.removedBy != nil {
			f.removedBy(who(ctx), w.Delete)
		}
	}
	return nil, backend.Units{}, f.called("BatchWrite", "")
}

// lease returns the lease of a shard as it stands in the table.
func (f *fakeTable) lease(arn, id string) lease.Lease { return f.leaseOf(daemons(arn), id) }

func (f *fakeTable) leaseOf(group lease.GroupID, id string) lease.Lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	item := f.items[lease.Key(group, id)]
	if item == nil {
		return lease.Lease{}
	}
	l, err := lease.Decode(item)
	if err != nil {
		panic(err)
	}
	return l
}

func (f *fakeTable) written(sk string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.puts[sk]
}

// set changes the table under its lock.
func (f *fakeTable) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// daemons is the default group of a stream.
func daemons(arn string) lease.GroupID { return lease.GroupID{ARN: arn, Name: DefaultGroup} }
