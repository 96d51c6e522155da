package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/item"
)

// On a real store, with shards that roll every few records and a reader that is
// stopped again and again: nothing is lost, and nothing of one item out of order.
func TestEveryRecordOfARollingStream(t *testing.T) {
	t.Parallel()
	const items, changes = 20, 20
	b, err := local.Open(local.Memory, local.Options{RollSize: 7, Shards: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for _, spec := range []backend.TableSpec{
		{Name: "rolls", PartitionKey: "PK", SortKey: "SK", StreamView: "NEW_IMAGE"},
		{Name: "rolls-control", PartitionKey: "PK", SortKey: "SK"},
	} {
		if err := b.CreateTable(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}

	var writers sync.WaitGroup
	defer writers.Wait()
	writers.Go(func() {
		for n := range items * changes {
			item := backend.Item{"PK": item.String(fmt.Sprint(n % items)), "SK": item.String("x"), "n": item.Int(int64(n / items))}
			if _, err := b.Table("rolls").Put(t.Context(), item, backend.Condition{}); err != nil {
				t.Error(err)
				return
			}
		}
	})

	var mu sync.Mutex
	next := make(map[string]int64) // by item: the change that must come next, if it is new
	left := items * changes
	for round := 0; left > 0; round++ {
		if round == 1000 {
			t.Fatalf("%d changes did not come", left)
		}
		ctx, cancel := context.WithCancel(t.Context())
		stopAfter := rand.IntN(300)
		r := newReader(b.Stream("rolls"), b.Table("rolls-control"), Handler(func(_ context.Context, records []*Record) error {
			mu.Lock()
			defer mu.Unlock()
			for _, rec := range records {
				image, err := rec.NewImage()
				if err != nil {
					return err
				}
				n, err := strconv.ParseInt(backend.Number(image, "n"), 10, 64)
				if err != nil || n > next[rec.Key.PK] {
					t.Errorf("item %s: change %d came before %d (%v)", rec.Key.PK, n, next[rec.Key.PK], err)
				} else if n == next[rec.Key.PK] {
					next[rec.Key.PK]++
					left--
				}
				if stopAfter--; stopAfter < 0 {
					cancel() // in the middle of a page: the rest is not acknowledged
					return nil
				}
				rec.Ack()
			}
			if left == 0 {
				cancel()
			}
			return nil
		}), config{DrainTimeout: time.Millisecond})
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
}
