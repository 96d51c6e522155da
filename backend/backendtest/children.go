package backendtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postroom/postroom/backend"
)

func childrenTests() []test {
	return []test{
		{"S10 the children of a shard that has ended are among those that Children lists", testChildren},
		{"S10 an open shard has no children", func(t *testing.T, h Harness) {
			table, stream := newStream(t, h)
			put(t, table, newItem("p", "s"))
			r := newReader(stream)
			r.readUntil(t, h, 1)
			arn := r.list(t)
			for _, shard := range r.shards {
				if r.ended[shard.ID] {
					continue
				}
				// AWS does not document its answer.
				children, err := childrenOf(t, stream, arn, shard.ID)
				if len(children) > 0 || err != nil && backend.KindOf(err) != backend.KindInvalid {
					t.Errorf("open shard %s: children %v, error %v", shard.ID, children, err)
				}
			}
		}},
		{"S10 a shard that does not exist has no children, or is KindNotFound", func(t *testing.T, h Harness) {
			_, stream := newStream(t, h)
			shards, arn := listShards(t, stream)
			gone := shards[0].ID[:len(shards[0].ID)-8] + "deadbeef"
			children, err := childrenOf(t, stream, arn, gone)
			if len(children) > 0 || err != nil && backend.KindOf(err) != backend.KindNotFound {
				t.Errorf("children %v, error %v", children, err)
			}
		}},
	}
}

// testChildren writes until shards have ended, and compares the children that
// Children lists for each with the listing of all shards.
func testChildren(t *testing.T, h Harness) {
	if lacks(t, h.Capabilities.Rolls, "Rolls") {
		return
	}
	table, stream := newStream(t, h)
	const records = 500
	for i := range records {
		put(t, table, newItem(fmt.Sprint("p", i%7), fmt.Sprint(i)))
	}
	r := newReader(stream)
	r.readUntil(t, h, records)
	arn := r.list(t)
	want := map[string][]string{}
	for _, shard := range r.shards {
		want[shard.Parent] = append(want[shard.Parent], shard.ID)
	}
	delete(want, "")
	if len(want) == 0 {
		t.Fatalf("no shard of %d has a parent after %d records", len(r.shards), records)
	}
	for parent, ids := range want {
		h.eventually(t, "the children of "+parent, func() bool {
			children, err := childrenOf(t, stream, arn, parent)
			must(t, err)
			return slices.Equal(sorted(children), sorted(ids))
		})
	}
}

// childrenOf returns the ids of the listed shards that are children of the parent.
func childrenOf(t *testing.T, stream backend.Stream, arn, parent string) (ids []string, err error) {
	t.Helper()
	listed, err := stream.Children(t.Context(), arn, parent)
	for _, shard := range listed {
		if shard.Parent == parent {
			ids = append(ids, shard.ID)
		}
	}
	return ids, err
}
