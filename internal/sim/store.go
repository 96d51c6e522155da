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

// Store has tables, their streams and queues in memory. Only its streams have faults;
// all other faults are the scheduler's. It is safe for concurrent use; its fields are
// set before the first call, or between two steps.
type Store struct {
	// OnWrite and OnSend, if set, are called for every change of a table's item, with
	// the item before and after, and for every message that a queue accepts. By names
	// the worker that made the call; empty: the test did. They run under the store's
	// lock.
	OnWrite func(by, table string, before, after backend.Item)
	OnSend  func(by, queue string, e backend.SendEntry)
	// Streams has the faults of streams.
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
	longer uint64 // the first write whose sequence number has one more digit
	feed   *feed
	older  []*feed // the streams that the table had before
}

// NewStore returns an empty store. The faults of its streams follow from the seed.
func NewStore(seed uint64) *Store {
	return &Store{
		rng:    rand.New(rand.NewPCG(seed, 1)),
		tables: map[string]*table{},
		sent:   map[string][]backend.SendEntry{},
	}
}

// Table opens a table, which exists from its first use on.
func (s *Store) Table(name string) backend.Table { return &tableView{s: s, name: name} }

// Stream opens the stream of a table.
func (s *Store) Stream(name string) backend.Stream { return &streamView{s, name} }

// Queue opens a queue.
func (s *Store) Queue(name string) backend.Queue { return &queueView{s: s, name: name} }

// Items returns all items of a table, in no particular order.
func (s *Store) Items(name string) []backend.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.table(name).items))
}

// Sent returns all messages that a queue accepted.
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

// sequence returns the sequence number of the last write. Sequence numbers differ in
// length, so that comparing them as text is wrong.
func (t *table) sequence() string {
	const longer = 1e19 // than what is below it
	return fmt.Sprintf("%d00", longer-t.longer+t.writes)
}
