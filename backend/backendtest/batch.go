package backendtest

import (
	"fmt"
	"testing"

	"github.com/postroom/postroom/backend"
)

func batchTests() []test {
	return []test{
		{"BatchGet reads up to MaxBatchGet keys, and leaves missing items out", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			var keys []backend.Key
			var writes []backend.Write
			want := map[backend.Key]backend.Item{}
			for i := range backend.MaxBatchGet {
				item := newItem(fmt.Sprintf("p%d", i%7), fmt.Sprint(i), "v", fmt.Sprint(i))
				keys = append(keys, backend.KeyOf(item))
				if i%4 != 0 {
					writes = append(writes, backend.Write{Put: item})
					want[backend.KeyOf(item)] = item
				}
			}
			writeAll(t, table, writes)
			wantEqual(t, readAll(t, table, keys), want)
		}},
		{"BatchGet of no keys, of too many or of equal keys is KindInvalid", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			key := backend.Key{PK: "p", SK: "s"}
			many := make([]backend.Key, backend.MaxBatchGet+1)
			for i := range many {
				many[i] = backend.Key{PK: "p", SK: fmt.Sprint(i)}
			}
			for name, keys := range map[string][]backend.Key{"none": nil, "too many": many, "doubled": {key, key}} {
				if _, _, _, err := table.BatchGet(t.Context(), keys); backend.KindOf(err) != backend.KindInvalid {
					t.Errorf("%s: error is of kind %q: %v", name, backend.KindOf(err), err)
				}
			}
		}},
		{"keys that a BatchGet did not read come back unprocessed", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			const items = 50 // of 390 KB: more than an answer may take
			var keys []backend.Key
			for i := range items {
				item := sizedItem("p", fmt.Sprint(i), 390<<10)
				put(t, table, item)
				keys = append(keys, backend.KeyOf(item))
			}
			got, unprocessed, _, err := table.BatchGet(t.Context(), keys)
			must(t, err)
			if len(got)+len(unprocessed) != items || len(unprocessed) == 0 {
				t.Errorf("%d items and %d keys unprocessed of %d; 16 MB is the most of an answer",
					len(got), len(unprocessed), items)
			}
			wantEqual(t, len(readAll(t, table, keys)), items)
		}},
		{"BatchWrite puts and deletes up to MaxBatchWrite keys", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			gone := newItem("p", "gone")
			put(t, table, gone, newItem("p", "0", "v", "old", "w", "old"))
			writes := []backend.Write{
				{Delete: backend.KeyOf(gone)},
				{Delete: backend.Key{PK: "p", SK: "was never there"}},
			}
			for i := range backend.MaxBatchWrite - len(writes) {
				writes = append(writes, backend.Write{Put: newItem("p", fmt.Sprint(i), "v", fmt.Sprint(i))})
			}
			writeAll(t, table, writes)
			wantNone(t, table, backend.KeyOf(gone))
			for _, w := range writes[2:] {
				wantItem(t, table, w.Put)
			}
		}},
		{"BatchWrite of no keys, of too many or of equal keys is KindInvalid and writes nothing", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			item := newItem("p", "0")
			var many []backend.Write
			for i := range backend.MaxBatchWrite + 1 {
				many = append(many, backend.Write{Put: newItem("p", fmt.Sprint(i))})
			}
			for name, writes := range map[string][]backend.Write{
				"none": nil, "too many": many,
				"doubled": {{Put: item}, {Delete: backend.KeyOf(item)}},
			} {
				if _, _, err := table.BatchWrite(t.Context(), writes); backend.KindOf(err) != backend.KindInvalid {
					t.Errorf("%s: error is of kind %q: %v", name, backend.KindOf(err), err)
				}
			}
			wantNone(t, table, backend.KeyOf(item))
		}},
	}
}

// writeAll writes in batches until no write is unprocessed.
func writeAll(t *testing.T, table backend.Table, writes []backend.Write) {
	t.Helper()
	for range 100 {
		if len(writes) == 0 {
			return
		}
		batch := writes[:min(len(writes), backend.MaxBatchWrite)]
		unprocessed, _, err := table.BatchWrite(t.Context(), batch)
		must(t, err)
		writes = append(unprocessed, writes[len(batch):]...)
	}
	t.Fatalf("after 100 batches %d writes are unprocessed", len(writes))
}

// readAll reads one batch, and its unprocessed keys until there are none.
func readAll(t *testing.T, table backend.Table, keys []backend.Key) map[backend.Key]backend.Item {
	t.Helper()
	all := map[backend.Key]backend.Item{}
	for range 100 {
		if len(keys) == 0 {
			return all
		}
		items, unprocessed, _, err := table.BatchGet(t.Context(), keys)
		must(t, err)
		for _, item := range items {
			key := backend.KeyOf(item)
			if all[key] != nil {
				t.Fatalf("%v was read twice", key)
			}
			all[key] = item
		}
		keys = unprocessed
	}
	t.Fatalf("after 100 batches %d keys are unprocessed", len(keys))
	return nil
}
