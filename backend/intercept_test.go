package backend_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

func numbered(n int) (keys []backend.Key, writes []backend.Write) {
	for i := range n {
		key := backend.Key{PK: "p", SK: fmt.Sprint(i)}
		keys, writes = append(keys, key), append(writes, backend.Write{Delete: key})
	}
	return keys, writes
}

// batches counts the entries of the batches that reach it, and leaves the first
// of each undone.
type batches struct {
	backend.Table

	sent []int
}

func (b *batches) BatchGet(_ context.Context, keys []backend.Key) ([]backend.Item, []backend.Key, backend.Units, error) {
	b.sent = append(b.sent, len(keys))
	return make([]backend.Item, len(keys)-1), keys[:1:1], backend.Units{Read: 1}, nil
}

func (b *batches) BatchWrite(_ context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	b.sent = append(b.sent, len(writes))
	return writes[:1:1], backend.Units{Write: 1}, nil
}

// TestInterceptPartOfABatch: an interceptor makes a batch with its first entries
// only, and sees what came back unprocessed.
func TestInterceptPartOfABatch(t *testing.T) {
	t.Parallel()
	for entries, want := range map[int][]string{0: {"0", "1", "2"}, 2: {"0", "2"}, 3: {"0"}} {
		var table batches
		var unprocessed []int
		part := backend.Intercept(&table, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
			call.Entries = entries
			err := next(ctx)
			unprocessed = append(unprocessed, call.Unprocessed)
			return err
		})
		keys, writes := numbered(3)
		items, keysLeft, _, err := part.BatchGet(t.Context(), keys)
		if err != nil || len(items) != max(0, entries-1) {
			t.Errorf("%d entries: %d items, %v", entries, len(items), err)
		}
		writesLeft, _, err := part.BatchWrite(t.Context(), writes)
		if err != nil {
			t.Error(err)
		}
		var left []string
		for i, key := range keysLeft {
			if left = append(left, key.SK); i < len(writesLeft) && writesLeft[i].Delete != key {
				t.Errorf("the write left undone is %v, the key %v", writesLeft[i].Delete, key)
			}
		}
		if diff := cmp.Diff(want, left); diff != "" || len(writesLeft) != len(want) {
			t.Errorf("%d entries: unprocessed (-want +got):\n%s and %d writes", entries, diff, len(writesLeft))
		}
		if diff := cmp.Diff([]int{len(want), len(want)}, unprocessed); diff != "" {
			t.Errorf("%d entries: the interceptor saw (-want +got):\n%s", entries, diff)
		}
		if entries > 0 && !cmp.Equal(table.sent, []int{entries, entries}) || entries == 0 && table.sent != nil {
			t.Errorf("%d entries: batches of %v were sent", entries, table.sent)
		}
	}
}

// TestInterceptWithoutAnswer: what an interceptor refuses is not made, and an
// answer that it loses does not arrive.
func TestInterceptWithoutAnswer(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	for name, refuse := range map[string]bool{"refused": true, "answer lost": false} {
		var table batches
		broken := backend.Intercept(&table, func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
			if refuse {
				return lost
			}
			return errors.Join(lost, next(ctx))
		})
		keys, writes := numbered(2)
		if items, left, units, err := broken.BatchGet(t.Context(), keys); !errors.Is(err, lost) || items != nil || left != nil || units != (backend.Units{}) {
			t.Errorf("%s: %v, %v, %v, %v", name, items, left, units, err)
		}
		if left, units, err := broken.BatchWrite(t.Context(), writes); !errors.Is(err, lost) || left != nil || units != (backend.Units{}) {
			t.Errorf("%s: %v, %v, %v", name, left, units, err)
		}
		if made := len(table.sent) > 0; made == refuse {
			t.Errorf("%s: batches of %v were sent", name, table.sent)
		}
	}
}

// TestInterceptDescribesCalls: an interceptor learns which call it is.
func TestInterceptDescribesCalls(t *testing.T) {
	t.Parallel()
	var got []backend.TableCall
	table := backend.Intercept(priced{}, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		err := next(ctx)
		got = append(got, *call)
		return err
	})
	key := backend.Key{PK: "p", SK: "1"}
	keys, writes := numbered(2)
	query, scan := backend.Query{PK: "p", SKPrefix: "s"}, backend.Scan{Segment: 1, Segments: 2, After: key}
	actions := []backend.Action{{Check: key}}
	_, _, _ = table.Get(t.Context(), key)
	_, _, _, _ = table.BatchGet(t.Context(), keys)
	_, _ = table.Query(t.Context(), query)
	_, _ = table.Scan(t.Context(), scan)
	_, _ = table.Put(t.Context(), backend.Item{}, backend.Condition{})
	_, _, _ = table.BatchWrite(t.Context(), writes)
	_, _ = table.Transact(t.Context(), "token", actions)
	want := []backend.TableCall{
		{Op: "Get", Key: key, Request: key, Entries: 1, Units: backend.Units{Read: 1}},
		{Op: "BatchGet", Key: keys[0], Request: keys, Entries: 2, Units: backend.Units{Read: 10}},
		{Op: "Query", Key: backend.Key{PK: "p", SK: "s"}, Request: query, Entries: 1, Units: backend.Units{Read: 100}},
		{Op: "Scan", Key: key, Request: scan, Entries: 1, Units: backend.Units{Read: 1000}},
		{Op: "Put", Request: backend.Item{}, Entries: 1},
		{Op: "BatchWrite", Key: keys[0], Request: writes, Entries: 2, Units: backend.Units{Write: 10}},
		{Op: "Transact", Key: key, Request: actions, Entries: 1, Units: backend.Units{Write: 100, Read: 0.5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
