package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

// Store is tables, their streams and a queue in memory. Its calls do not fail
// unless its streams are told to: other faults are the scheduler's. Safe for
// concurrent use; its fields are set before, or between two steps.
type Store struct {
	// OnWrite and OnSend, if set, are told of every change of an item of a table,
	// with what was there before and what is there now, and of every message
	// that a queue accepts. By is the worker whose call it was, empty where it
	// was nobody's. They run under the store's lock.
	OnWrite func(by, table string, before, after backend.Item)
	OnSend  func(by, queue string, e backend.SendEntry)
	// Streams is how streams behave.
	Streams StreamFaults

	mu     sync.Mutex
	rng    *rand.Rand
	tables map[string]*table
	sent   map[string][]backend.SendEntry // by queue
}

type table struct {
	name   string
	items  map[backend.Key]backend.Item
	tokens map[string]struct{}
	writes uint64
	longer uint64 // the write from which on sequence numbers have one more digit
	feed   *feed
	older  []*feed // the streams that the table had before
}

// NewStore makes an empty store. What its streams do follows from the seed.
func NewStore(seed uint64) *Store {
	return &Store{
		rng:    rand.New(rand.NewPCG(seed, 1)),
		tables: map[string]*table{},
		sent:   map[string][]backend.SendEntry{},
	}
}

// Table opens a table, which is there from its first use on.
func (s *Store) Table(name string) backend.Table { return &tableView{s: s, name: name} }

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
		t = &table{name: name, items: map[backend.Key]backend.Item{}, tokens: map[string]struct{}{}}
		t.feed, t.longer = newFeed(name, 1), 1+s.rng.Uint64N(100)
		s.tables[name] = t
	}
	return t
}

// write changes one item and appends its record.
func (s *Store) write(by, name string, key backend.Key, after backend.Item) {
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
		s.OnWrite(by, name, before, after)
	}
	if t.feed.off {
		return
	}
	t.writes++
	sh := s.shardFor(t.feed, key)
	sh.Records = append(sh.Records, backend.Record{
		EventID: fmt.Sprintf("%s-%d", name, t.writes), Event: event, Key: key,
		Sequence: t.sequence(), CreatedAt: time.Now().Truncate(time.Second),
		NewImage: func() (backend.Item, error) { return after, nil },
	})
}

// sequence is the number of the last write. There are shorter ones and longer
// ones, so that comparing them as text is wrong.
func (t *table) sequence() string {
	const longer = 1e19 // than what is below it
	return fmt.Sprintf("%d00", longer-t.longer+t.writes)
}
