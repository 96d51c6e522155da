package batch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stingy is a table that throttles every other call and processes one entry of
// each batch.
type stingy struct {
	backend.Table

	calls int
	items map[backend.Key]backend.Item
	pages []backend.Page
}

func (s *stingy) throttle() error {
	if s.calls++; s.calls%2 == 1 {
		return &backend.Error{Op: "test", Kind: backend.KindThrottled}
	}
	return nil
}

func (s *stingy) BatchGet(_ context.Context, keys []backend.Key) ([]backend.Item, []backend.Key, backend.Units, error) {
	if len(keys) > backend.MaxBatchGet {
		panic("batch too large")
	}
	if err := s.throttle(); err != nil {
		return nil, nil, backend.Units{}, err
	}
	var found []backend.Item
	if it, ok := s.items[keys[0]]; ok {
		found = append(found, it)
	}
	return found, keys[1:], backend.Units{}, nil
}

func (s *stingy) BatchWrite(_ context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	if len(writes) > backend.MaxBatchWrite {
		panic("batch too large")
	}
	if err := s.throttle(); err != nil {
		return nil, backend.Units{}, err
	}
	delete(s.items, writes[0].Delete)
	return writes[1:], backend.Units{}, nil
}

func (s *stingy) Query(_ context.Context, q backend.Query) (backend.Page, error) {
	if err := s.throttle(); err != nil {
		return backend.Page{}, err
	}
	n := 0
	if q.After.SK != "" {
		_, _ = fmt.Sscan(q.After.SK, &n)
	}
	return s.pages[n], nil
}

// TestP11Table reads and deletes more than a batch holds from a table that leaves
// most of each batch unprocessed.
func TestP11Table(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stingy{items: map[backend.Key]backend.Item{}}
		table := Table{s, retry.Policy{Min: time.Millisecond, Max: time.Second, Attempts: 5}}
		var keys []backend.Key
		for i := range 2*backend.MaxBatchGet + 10 {
			key := backend.Key{PK: "p", SK: fmt.Sprint(i)}
			keys = append(keys, key)
			if i%3 > 0 {
				s.items[key] = item.New(key, 1)
			}
		}
		found, err := table.GetAll(t.Context(), keys)
		if err != nil || len(found) != len(s.items) {
			t.Fatalf("%d of %d items, %v", len(found), len(s.items), err)
		}
		for key, it := range found {
			if backend.KeyOf(it) != key {
				t.Errorf("%v under %v", it, key)
			}
		}
		if err := table.Delete(t.Context(), keys); err != nil || len(s.items) > 0 {
			t.Errorf("%d items left, %v", len(s.items), err)
		}
	})
}

// TestQuery reads all pages, empty ones included, and no further than asked.
func TestQuery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := func(n int) *backend.Key { return &backend.Key{PK: "p", SK: fmt.Sprint(n)} }
		one := func(sk string) backend.Item { return item.New(backend.Key{PK: "p", SK: sk}, 1) }
		s := &stingy{pages: []backend.Page{
			{Items: []backend.Item{one("a"), one("b")}, Last: next(1)},
			{Last: next(2)},
			{Items: []backend.Item{one("c")}},
		}}
		table := Table{s, retry.Policy{Min: time.Millisecond, Max: time.Second, Attempts: 5}}
		var got string
		for it, err := range table.Query(t.Context(), backend.Query{PK: "p"}) {
			if err != nil {
				t.Fatal(err)
			}
			got += backend.KeyOf(it).SK
		}
		if got != "abc" {
			t.Errorf("got %s", got)
		}
		calls := s.calls
		for range table.Query(t.Context(), backend.Query{PK: "p"}) {
			break
		}
		if s.calls != calls+2 {
			t.Errorf("%d calls for the first item", s.calls-calls)
		}
		table.Retry.Attempts = 1
		for _, err := range table.Query(t.Context(), backend.Query{PK: "p"}) {
			if backend.KindOf(err) != backend.KindThrottled {
				t.Errorf("%v", err)
			}
		}
	})
}
