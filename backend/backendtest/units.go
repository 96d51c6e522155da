package backendtest

import (
	"errors"
	"testing"

	"github.com/postroom/postroom/backend"
)

// Bounds of one unit. Source: DynamoDB developer guide, read and write capacity.
const (
	writeUnit = 1 << 10
	readUnit  = 4 << 10
)

func unitTests() []test {
	return []test{
		counted("a put takes a write unit for each KB, of what it writes or replaces", func(t *testing.T, h Harness, table backend.Table) {
			for _, step := range []struct {
				bytes int
				want  float64
			}{{100, 1}, {writeUnit, 1}, {writeUnit + 1, 2}, {5 * writeUnit, 5}, {100, 5}, {100, 1}} {
				u, err := table.Put(t.Context(), sizedItem("p", "s", step.bytes), backend.Condition{})
				must(t, err)
				wantUnits(t, u, 0, step.want)
			}
		}),
		counted("a put whose condition failed takes what it would have written", func(t *testing.T, h Harness, table backend.Table) {
			if lacks(t, h.Capabilities.FailedConditionUnits, "FailedConditionUnits") {
				return
			}
			put(t, table, sizedItem("p", "s", 3*writeUnit))
			_, err := table.Put(t.Context(), newItem("p", "s"), backend.Condition{Absent: true})
			wantKind(t, err, backend.KindConditionFailed)
			var e *backend.Error
			if errors.As(err, &e) {
				wantUnits(t, e.Units, 0, 3)
			}
		}),
		counted("a consistent read takes a read unit for each 4 KB, of an item or of all of a page", func(t *testing.T, h Harness, table backend.Table) {
			put(t, table, sizedItem("p", "1", readUnit), sizedItem("p", "2", readUnit+1))
			for sk, want := range map[string]float64{"1": 1, "2": 2, "missing": 1} {
				_, u, err := table.Get(t.Context(), backend.Key{PK: "p", SK: sk})
				must(t, err)
				wantUnits(t, u, want, 0)
			}
			_, _, u, err := table.BatchGet(t.Context(), []backend.Key{{PK: "p", SK: "1"}, {PK: "p", SK: "2"}})
			must(t, err)
			wantUnits(t, u, 3, 0)
			page, err := table.Query(t.Context(), backend.Query{PK: "p", Consistent: true})
			must(t, err)
			wantUnits(t, page.Units, 3, 0)
			page, err = table.Scan(t.Context(), backend.Scan{Consistent: true})
			must(t, err)
			wantUnits(t, page.Units, 3, 0)
		}),
		counted("any other read takes half of that", func(t *testing.T, h Harness, table backend.Table) {
			put(t, table, sizedItem("p", "1", 100), sizedItem("p", "2", 100))
			page, err := table.Query(t.Context(), backend.Query{PK: "p"})
			must(t, err)
			wantUnits(t, page.Units, 0.5, 0)
		}),
		counted("a batch takes what its writes would take alone", func(t *testing.T, h Harness, table backend.Table) {
			put(t, table, sizedItem("p", "gone", 3*writeUnit))
			_, u, err := table.BatchWrite(t.Context(), []backend.Write{
				{Put: sizedItem("p", "1", 2*writeUnit)},
				{Delete: backend.Key{PK: "p", SK: "gone"}},
				{Delete: backend.Key{PK: "p", SK: "missing"}},
			})
			must(t, err)
			wantUnits(t, u, 0, 2+3+1)
		}),
		counted("a transaction takes twice as much, checks included", func(t *testing.T, h Harness, table backend.Table) {
			put(t, table, sizedItem("p", "gone", 3*writeUnit))
			u, err := table.Transact(t.Context(), uniqueName("t"), []backend.Action{
				{Put: sizedItem("p", "1", 2*writeUnit)},
				{Check: backend.Key{PK: "p", SK: "2"}, Condition: backend.Condition{Absent: true}},
				{Delete: backend.Key{PK: "p", SK: "gone"}},
			})
			must(t, err)
			wantUnits(t, u, 0, 2*(2+1+3))
		}),
		counted("the index takes a unit for each entry written or removed, and none where its keys stay", func(t *testing.T, h Harness, table backend.Table) {
			for _, step := range []struct {
				item backend.Item
				want float64
			}{
				{newItem("p", "s"), 1},
				{newItem("p", "s", indexPK, "g", indexSK, "m"), 1 + 1},
				{newItem("p", "s", indexPK, "g", indexSK, "m", "a", "1"), 1},
				{newItem("p", "s", indexPK, "g2", indexSK, "m"), 1 + 2},
			} {
				u, err := table.Put(t.Context(), step.item, backend.Condition{})
				must(t, err)
				wantUnits(t, u, 0, step.want)
			}
			_, u, err := table.BatchWrite(t.Context(), []backend.Write{{Delete: backend.Key{PK: "p", SK: "s"}}})
			must(t, err)
			wantUnits(t, u, 0, 1+1)
			u, err = table.Transact(t.Context(), uniqueName("t"), []backend.Action{
				{Put: newItem("p", "s", indexPK, "g", indexSK, "m")},
			})
			must(t, err)
			wantUnits(t, u, 0, 2+1)
		}),
	}
}

// counted returns a test of consumed capacity on a table with an index.
func counted(name string, run func(*testing.T, Harness, backend.Table)) test {
	return test{name, func(t *testing.T, h Harness) {
		if !lacks(t, h.Capabilities.ConsumedCapacity, "ConsumedCapacity") {
			run(t, h, newTable(t, h, withIndex))
		}
	}}
}

func wantUnits(t *testing.T, got backend.Units, read, write float64) {
	t.Helper()
	if want := (backend.Units{Read: read, Write: write}); got != want {
		t.Errorf("units %+v, want %+v", got, want)
	}
}
