package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

const iteratorLife = 15 * time.Minute

// How the keys of the control table begin.
const (
	shardPrefix  = "SHARD#"
	workerPrefix = "WORKER#"
	leaderSK     = "LEADER"
)

// fakeShard is one shard of a fakeStream.
type fakeShard struct {
	id, parent string
	records    []backend.Record
	closed     bool   // after its records the iterator is nil
	hidden     bool   // not listed
	gone       bool   // neither listed nor readable
	trimmed    string // records up to this sequence number are gone
}

// fakeStream is a stream whose every misbehaviour can be asked for.
type fakeStream struct {
	mu       sync.Mutex
	arn      string
	disabled bool
	shards   []*fakeShard
	pageSize int // shards of a page of the listing; 0: all
	iterates map[string]fakeIterator
	handed   int
	changed  chan struct{}
	// fault is asked before each call: op is Shards (of: the cursor), Iterator
	// or Records (of: the shard).
	fault func(op, of string) error
	// read is called after each page was made, under the lock.
	read  func(backend.RecordPage)
	calls map[string]int     // by op, and by op and shard
	opens []backend.Position // of every iterator
}

type fakeIterator struct {
	shard *fakeShard
	next  int
	made  time.Time
}

func newStream(shards ...*fakeShard) *fakeStream {
	return &fakeStream{
		arn: "arn:aws:dynamodb:local:000000000000:table/t/stream/1", shards: shards,
		iterates: make(map[string]fakeIterator), calls: make(map[string]int), changed: make(chan struct{}),
	}
}

// shard makes an open shard with records of these sequence numbers.
func openShard(id, parent string, sequences ...string) *fakeShard {
	s := &fakeShard{id: id, parent: parent}
	for _, q := range sequences {
		s.records = append(s.records, backend.Record{Sequence: q, EventID: id + "/" + q, Event: backend.Insert, CreatedAt: time.Now()})
	}
	return s
}

func (s *fakeShard) close() *fakeShard { s.closed = true; return s }

// edit changes the stream under its lock and wakes readers.
func (f *fakeStream) edit(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeStream) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call]
}

func (f *fakeStream) called(op, of string) error {
	f.calls[op]++
	f.calls[op+" "+of]++
	if f.fault != nil {
		return f.fault(op, of)
	}
	return nil
}

func fail(op string, kind backend.Kind) error {
	return &backend.Error{Op: op, Kind: kind, Err: errors.New("as asked for")}
}

func (f *fakeStream) Shards(_ context.Context, after string) (backend.ShardPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := backend.ShardPage{StreamARN: f.arn, Disabled: f.disabled}
	if err := f.called("Shards", after); err != nil {
		return page, err
	}
	skip := after != ""
	for _, s := range f.shards {
		if skip {
			skip = s.id != after
			continue
		}
		if s.hidden || s.gone {
			continue
		}
		if f.pageSize > 0 && len(page.Shards) == f.pageSize {
			page.Last = page.Shards[len(page.Shards)-1].ID
			break
		}
		page.Shards = append(page.Shards, backend.Shard{ID: s.id, Parent: s.parent})
	}
	return page, nil
}

func (f *fakeStream) Children(_ context.Context, arn, parent string) ([]backend.Shard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.called("Children", parent); err != nil {
		return nil, err
	}
	if arn != f.arn {
		return nil, fail("Children", backend.KindNotFound)
	}
	var children []backend.Shard
	for _, s := range f.shards {
		if s.parent == parent && !s.hidden && !s.gone {
			children = append(children, backend.Shard{ID: s.id, Parent: s.parent})
		}
	}
	return children, nil
}

func (f *fakeStream) Iterator(_ context.Context, arn, id string, at backend.Position) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens = append(f.opens, at)
	if err := f.called("Iterator", id); err != nil {
		return "", err
	}
	i := slices.IndexFunc(f.shards, func(s *fakeShard) bool { return s.id == id && !s.gone })
	if i < 0 || arn != f.arn {
		return "", fail("Iterator", backend.KindNotFound)
	}
	s := f.shards[i]
	next := 0
	switch at.Type {
	case backend.TrimHorizon:
		for next < len(s.records) && backend.CompareSequence(s.records[next].Sequence, s.trimmed) <= 0 {
			next++
		}
	case backend.AfterSequence:
		if backend.CompareSequence(at.Sequence, s.trimmed) < 0 {
			return "", fail("Iterator", backend.KindTrimmed)
		}
		for next < len(s.records) && backend.CompareSequence(s.records[next].Sequence, at.Sequence) <= 0 {
			next++
		}
	default:
		return "", fail("Iterator", backend.KindInvalid)
	}
	return f.hand(fakeIterator{s, next, time.Now()}), nil
}

func (f *fakeStream) hand(it fakeIterator) string {
	f.handed++
	name := fmt.Sprintf("%s/%d/%d", it.shard.id, it.next, f.handed)
	f.iterates[name] = it
	return name
}

func (f *fakeStream) Records(_ context.Context, iterator string, limit int) (backend.RecordPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	it, ok := f.iterates[iterator]
	if !ok {
		return backend.RecordPage{}, fail("Records", backend.KindInvalid)
	}
	if err := f.called("Records", it.shard.id); err != nil {
		return backend.RecordPage{}, err
	}
	if time.Since(it.made) > iteratorLife {
		return backend.RecordPage{}, fail("Records", backend.KindExpired)
	}
	s := it.shard
	if s.gone {
		return backend.RecordPage{}, fail("Records", backend.KindNotFound)
	}
	if it.next < len(s.records) && backend.CompareSequence(s.records[it.next].Sequence, s.trimmed) <= 0 {
		return backend.RecordPage{}, fail("Records", backend.KindTrimmed)
	}
	end := min(it.next+limit, len(s.records))
	page := backend.RecordPage{Records: slices.Clone(s.records[it.next:end])}
	if !s.closed || end < len(s.records) {
		page.Next = f.hand(fakeIterator{s, end, time.Now()})
	}
	delete(f.iterates, iterator)
	if f.read != nil {
		f.read(page)
	}
	return page, nil
}

func (f *fakeStream) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

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
func (f *fakeTable) lease(arn, id string) lease.Lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	item := f.items[lease.Key(arn, id)]
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
