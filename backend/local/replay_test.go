package local

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

// A stream, read parents first, tells the whole story of its table: whatever
// was written by whichever call, doing it again ends in the same items.
func TestStreamReplaysTheTable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			b := open(t, Memory, Options{RollSize: 12, Shards: 3})
			table, stream := newTable(t, b)
			random := rand.New(rand.NewPCG(seed, 0))
			for step := range 150 {
				writeAtRandom(t, table, random, step)
			}
			want := map[string]string{}
			rows := 0
			page, err := table.Scan(t.Context(), backend.Scan{})
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range page.Items {
				want[fmt.Sprint(backend.KeyOf(it))] = encoded(t, it)
				if backend.Text(it, "group") != "" {
					rows++
				}
			}
			got := map[string]string{}
			for _, r := range readAll(t, stream) {
				it, err := r.NewImage()
				if err != nil {
					t.Fatal(err)
				}
				checkEvent(t, r, got)
				if it == nil {
					delete(got, fmt.Sprint(r.Key))
				} else {
					got[fmt.Sprint(r.Key)] = encoded(t, it)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the replay differs (-table +stream):\n%s", diff)
			}
			if n := count(t, b, "index_entries"); n != rows {
				t.Errorf("%d index entries for %d items with index keys", n, rows)
			}
		})
	}
}

// writeAtRandom makes one call on a handful of keys.
func writeAtRandom(t *testing.T, table backend.Table, random *rand.Rand, step int) {
	t.Helper()
	some := func(n int) backend.Item {
		it := backend.Item{
			"PK": text(fmt.Sprintf("p%d", n%7)), "SK": text(fmt.Sprintf("s%d", n)),
			"v": number(fmt.Sprint(random.IntN(3))),
		}
		if random.IntN(2) == 0 {
			it["group"], it["user"] = text(fmt.Sprintf("g%d", random.IntN(2))), text("u")
		}
		return it
	}
	n := random.IntN(30)
	var err error
	switch random.IntN(4) {
	case 0:
		_, err = table.Put(t.Context(), some(n), backend.Condition{Absent: true})
	case 1:
		_, err = table.Put(t.Context(), some(n), backend.Condition{})
	case 2:
		_, _, err = table.BatchWrite(t.Context(), []backend.Write{
			{Put: some(n)}, {Delete: backend.KeyOf(some(n + 1))}, {Delete: backend.KeyOf(some(n + 2))},
		})
	case 3:
		_, err = table.Transact(t.Context(), fmt.Sprint(step), []backend.Action{
			{Put: some(n)}, {Put: some(n + 1)},
			{Check: backend.KeyOf(some(n + 2)), Condition: backend.Condition{Absent: true}},
		})
	}
	if err != nil && backend.KindOf(err) != backend.KindConditionFailed {
		t.Fatal(err)
	}
}

func encoded(t *testing.T, it backend.Item) string {
	t.Helper()
	data, err := backend.EncodeItem(it)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkEvent compares a record's event with what was there before it.
func checkEvent(t *testing.T, r backend.Record, before map[string]string) {
	t.Helper()
	_, there := before[fmt.Sprint(r.Key)]
	if there == (r.Event == backend.Insert) {
		t.Errorf("%s of %v, which was there before: %t", r.Event, r.Key, there)
	}
	if r.CreatedAt != r.CreatedAt.Truncate(time.Second) {
		t.Errorf("time %v of a record is finer than a second", r.CreatedAt)
	}
}
