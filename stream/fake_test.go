package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

const iteratorLife = 15 * time.Minute

// fakeShard is one shard of a fakeStream.
type fakeShard struct {
	id, parent string
	records    []backend.Record
	closed     bool   // after its records the iterator is nil
	hidden     bool   // not listed
	gone       bool   // neither listed nor readable
	trimmed    string // records up to this sequence number are gone
	dry        bool   // its pages are empty, whatever it holds
}

// fakeStream is a stream whose every misbehaviour can be asked for.
type fakeStream struct {
	mu       sync.Mutex
	arn      string
	disabled bool
	shards   []*fakeShard
	tells    bool // it says when a page is empty because there is no more
	pageSize int  // shards of a page of the listing; 0: all
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
	case backend.AtSequence:
		for next < len(s.records) && backend.CompareSequence(s.records[next].Sequence, at.Sequence) < 0 {
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
	if s.dry {
		limit = 0
	}
	end := min(it.next+limit, len(s.records))
	page := backend.RecordPage{Records: slices.Clone(s.records[it.next:end])}
	page.Tip = f.tells && len(s.records) == it.next
	if !s.closed || s.dry || end < len(s.records) {
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
