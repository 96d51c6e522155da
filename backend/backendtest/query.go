package backendtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

func queryTests() []test {
	return []test{
		{"Query reads one partition, in order of the sort key's bytes", func(t *testing.T, h Harness) {
			table, want := newPartition(t, h, hardKeys())
			wantEqual(t, queryAll(t, table, backend.Query{PK: "p"}), want)
		}},
		{"Query descending reads it in the reverse order", func(t *testing.T, h Harness) {
			table, want := newPartition(t, h, hardKeys())
			slices.Reverse(want)
			wantEqual(t, queryAll(t, table, backend.Query{PK: "p", Descending: true}), want)
		}},
		{"Query of an empty partition is one empty page", func(t *testing.T, h Harness) {
			table, _ := newPartition(t, h, hardKeys())
			page, err := table.Query(t.Context(), backend.Query{PK: "none", Consistent: true})
			must(t, err)
			wantEqual(t, len(page.Items), 0)
			if page.Last != nil {
				t.Fatalf("a page follows after %v", *page.Last)
			}
		}},
		{"SKPrefix selects the sort keys that begin with it", testPrefix},
		{"Limit splits a query into pages, and After continues after the last key read", func(t *testing.T, h Harness) {
			table, want := newPartition(t, h, hardKeys())
			for limit := 1; limit <= len(want)+1; limit += 3 {
				wantEqual(t, queryAll(t, table, backend.Query{PK: "p", Limit: limit}), want)
			}
			slices.Reverse(want)
			wantEqual(t, queryAll(t, table, backend.Query{PK: "p", Limit: 2, Descending: true}), want)
		}},
		{"a page has at most Limit items", func(t *testing.T, h Harness) {
			table, _ := newPartition(t, h, hardKeys())
			page, err := table.Query(t.Context(), backend.Query{PK: "p", Limit: 2})
			must(t, err)
			if len(page.Items) > 2 || page.Last == nil {
				t.Fatalf("%d items, last key %v; want at most 2 and a key", len(page.Items), page.Last)
			}
		}},
		{"After may name a key that does not exist", func(t *testing.T, h Harness) {
			table, _ := newPartition(t, h, []string{"a", "c", "e"})
			after := backend.Key{PK: "p", SK: "c-gone"}
			wantEqual(t, queryAll(t, table, backend.Query{PK: "p", After: after}), []string{"e"})
			wantEqual(t, queryAll(t, table, backend.Query{PK: "p", After: after, Descending: true}), []string{"c", "a"})
		}},
		{"After and SKPrefix can be combined", func(t *testing.T, h Harness) {
			table, _ := newPartition(t, h, []string{"a", "m1", "m2", "m3", "z"})
			wantEqual(t, queryAll(t, table, backend.Query{
				PK: "p", SKPrefix: "m", After: backend.Key{PK: "p", SK: "m1"}, Limit: 1,
			}), []string{"m2", "m3"})
			wantEqual(t, queryAll(t, table, backend.Query{
				PK: "p", SKPrefix: "m", After: backend.Key{PK: "p", SK: "m3"}, Limit: 1, Descending: true,
			}), []string{"m2", "m1"})
		}},
		{"a page without Limit has at most 1 MB, and the next pages have the rest", testPageSize},
		{"a consistent Query sees every write that was answered", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			for i := range 10 {
				put(t, table, newItem("p", fmt.Sprint(i)))
				page, err := table.Query(t.Context(), backend.Query{PK: "p", Consistent: true})
				must(t, err)
				wantEqual(t, len(page.Items), i+1)
			}
		}},
	}
}

// hardKeys has, in order, sort keys whose order or prefixes come out wrong if text is
// compared as anything but bytes of UTF-8.
func hardKeys() []string {
	return []string{
		"%", "2026-05", "A", "HEAD", "MSG#1", "MSG#10", "MSG#2", "\\", "_", "a", "a%", "aa", "a😀", "é", "\uFFFD", "😀", "\U0010FFFF", "\U0010FFFFx",
	}
}

// newPartition creates a table with items under the partition key "p", put in another
// order, and with items of other partitions. It returns the sort keys in order.
func newPartition(t *testing.T, h Harness, sortKeys []string) (backend.Table, []string) {
	t.Helper()
	table := newTable(t, h)
	for _, sk := range slices.Backward(sortKeys) {
		put(t, table, newItem("p", sk))
	}
	put(t, table, newItem("o", "a"), newItem("p2", "a"), newItem("P", "a"), newItem("p\x00", "a"))
	return table, slices.Clone(sortKeys)
}

// queryAll reads all pages, consistently except for an index, and returns the sort
// keys.
func queryAll(t *testing.T, table backend.Table, q backend.Query) []string {
	t.Helper()
	return sortKeys(queryItems(t, table, q))
}

func queryItems(t *testing.T, table backend.Table, q backend.Query) []backend.Item {
	t.Helper()
	q.Consistent = q.Index == ""
	var items []backend.Item
	for range 1000 {
		page, err := table.Query(t.Context(), q)
		must(t, err)
		items = append(items, page.Items...)
		if page.Last == nil {
			return items
		}
		q.After, q.AfterIndex = *page.Last, page.LastIndex
	}
	t.Fatal("after 1000 pages there is still one more")
	return nil
}

func testPrefix(t *testing.T, h Harness) {
	table, all := newPartition(t, h, hardKeys())
	for _, prefix := range []string{"", "a", "a%", "%", "_", "\\", "MSG#", "MSG#1", "HEAD", "é", "\U0010FFFF", "none", "m"} {
		var want []string
		for _, sk := range all {
			if strings.HasPrefix(sk, prefix) {
				want = append(want, sk)
			}
		}
		if got := queryAll(t, table, backend.Query{PK: "p", SKPrefix: prefix}); !slices.Equal(got, want) {
			t.Errorf("prefix %q: %q, want %q", prefix, got, want)
		}
		slices.Reverse(want)
		if got := queryAll(t, table, backend.Query{PK: "p", SKPrefix: prefix, Descending: true, Limit: 2}); !slices.Equal(got, want) {
			t.Errorf("prefix %q descending: %q, want %q", prefix, got, want)
		}
	}
}

func testPageSize(t *testing.T, h Harness) {
	table := newTable(t, h)
	const items, size = 6, 300 << 10
	var want []string
	for i := range items {
		sk := fmt.Sprint(i)
		put(t, table, sizedItem("p", sk, size))
		want = append(want, sk)
	}
	page, err := table.Query(t.Context(), backend.Query{PK: "p"})
	must(t, err)
	if n := len(page.Items); n > 1+(1<<20)/size || page.Last == nil {
		t.Errorf("%d items of 300 KB on one page, last key %v", n, page.Last)
	}
	wantEqual(t, queryAll(t, table, backend.Query{PK: "p"}), want)
}

func indexTests() []test {
	return []test{
		{"an index holds the items that have its keys, in the order of its sort key", func(t *testing.T, h Harness) {
			table := newTable(t, h, withIndex)
			put(t, table,
				newItem("p1", "s", indexPK, "g", indexSK, "m3"),
				newItem("p2", "s", indexPK, "g", indexSK, "m1"),
				newItem("p3", "s", indexPK, "g", indexSK, "m2"),
				newItem("p4", "s", indexPK, "other", indexSK, "m1"),
				newItem("p5", "s", indexPK, "g"),
				newItem("p6", "s", indexSK, "m1"),
				newItem("p7", "s"))
			h.wantIndex(t, table, "g", "p2", "p3", "p1")
			h.wantIndex(t, table, "other", "p4")
		}},
		{"an index shows keys only", func(t *testing.T, h Harness) {
			table := newTable(t, h, withIndex)
			put(t, table, newItem("p1", "s", indexPK, "g", indexSK, "m", "a", "1"))
			h.wantIndex(t, table, "g", "p1")
			wantEqual(t, queryItems(t, table, backend.Query{Index: indexName, PK: "g"}),
				[]backend.Item{newItem("p1", "s", indexPK, "g", indexSK, "m")})
		}},
		{"an index follows replaced and deleted items", func(t *testing.T, h Harness) {
			table := newTable(t, h, withIndex)
			put(t, table,
				newItem("p1", "s", indexPK, "g", indexSK, "m1"),
				newItem("p2", "s", indexPK, "g", indexSK, "m2"),
				newItem("p3", "s", indexPK, "g", indexSK, "m3"))
			h.wantIndex(t, table, "g", "p1", "p2", "p3")
			put(t, table, newItem("p1", "s", indexPK, "g", indexSK, "m9"), newItem("p2", "s"))
			writeAll(t, table, []backend.Write{{Delete: backend.Key{PK: "p3", SK: "s"}}})
			h.wantIndex(t, table, "g", "p1")
		}},
		{"an index follows transactions", func(t *testing.T, h Harness) {
			table := newTable(t, h, withIndex)
			_, err := table.Transact(t.Context(), uniqueName("t"), []backend.Action{
				{Put: newItem("p1", "s", indexPK, "g", indexSK, "m1")},
				{Put: newItem("p2", "s", indexPK, "g", indexSK, "m2")},
			})
			must(t, err)
			h.wantIndex(t, table, "g", "p1", "p2")
		}},
		{"items may share their index keys", func(t *testing.T, h Harness) {
			table := newTable(t, h, withIndex)
			put(t, table,
				newItem("p", "s1", indexPK, "g", indexSK, "m"),
				newItem("p", "s2", indexPK, "g", indexSK, "m"))
			h.eventually(t, "both in the index", func() bool {
				got := queryAll(t, table, backend.Query{Index: indexName, PK: "g", Limit: 1})
				return slices.Equal(sorted(got), []string{"s1", "s2"})
			})
		}},
		{"an index is read by prefix, in both directions, and in pages", func(t *testing.T, h Harness) {
			table := newTable(t, h, withIndex)
			for i := range 9 {
				put(t, table, newItem(fmt.Sprintf("p%d", i), "s", indexPK, "g", indexSK, fmt.Sprintf("m%d", i%3)))
			}
			q := backend.Query{Index: indexName, PK: "g", SKPrefix: "m1", Limit: 2}
			h.eventually(t, "three of m1 in the index", func() bool { return len(queryItems(t, table, q)) == 3 })
			q.SKPrefix, q.Descending = "", true
			h.eventually(t, "nine in the index", func() bool { return len(queryItems(t, table, q)) == 9 })
			var members []string
			for _, item := range queryItems(t, table, q) {
				members = append(members, backend.Text(item, indexSK))
			}
			wantEqual(t, strings.Join(members, ""), "m2m2m2m1m1m1m0m0m0")
		}},
		{"an item whose index keys are empty or not strings is KindInvalid", func(t *testing.T, h Harness) {
			table := newTable(t, h, withIndex)
			number := newItem("p", "s", indexPK, "g")
			number[indexSK] = &types.AttributeValueMemberN{Value: "1"}
			for _, item := range []backend.Item{number, newItem("p", "s", indexPK, "", indexSK, "m")} {
				_, err := table.Put(t.Context(), item, backend.Condition{})
				wantKind(t, err, backend.KindInvalid)
			}
			wantNone(t, table, backend.KeyOf(number))
		}},
		{"an index is not read consistently", func(t *testing.T, h Harness) {
			_, err := newTable(t, h, withIndex).Query(t.Context(),
				backend.Query{Index: indexName, PK: "g", Consistent: true})
			wantKind(t, err, backend.KindInvalid)
		}},
		{"an index that the table does not have is KindInvalid", func(t *testing.T, h Harness) {
			_, err := newTable(t, h).Query(t.Context(), backend.Query{Index: indexName, PK: "g"})
			wantKind(t, err, backend.KindInvalid)
		}},
	}
}

// wantIndex waits until the index has items of these partition keys, in this
// order, in one of its partitions.
func (h Harness) wantIndex(t *testing.T, table backend.Table, group string, want ...string) {
	t.Helper()
	h.eventually(t, fmt.Sprintf("index of %s: %q", group, want), func() bool {
		var got []string
		for _, key := range keysOf(queryItems(t, table, backend.Query{Index: indexName, PK: group})) {
			got = append(got, key.PK)
		}
		return slices.Equal(got, want)
	})
}

func scanTests() []test {
	return []test{
		{"Scan reads the whole table, in pages", func(t *testing.T, h Harness) {
			table, want := newScattered(t, h)
			for _, limit := range []int{0, 1, 7, 100} {
				wantEqual(t, scanAll(t, table, backend.Scan{Limit: limit, Consistent: true}), want)
			}
		}},
		{"the segments of a Scan make up the table, without overlap", func(t *testing.T, h Harness) {
			table, want := newScattered(t, h)
			for _, segments := range []int{1, 2, 5} {
				var got []string
				for segment := range segments {
					got = append(got, scanAll(t, table, backend.Scan{
						Segment: segment, Segments: segments, Limit: 3, Consistent: true,
					})...)
				}
				wantEqual(t, sorted(got), want)
			}
		}},
		{"a Scan goes on after a page that was deleted", func(t *testing.T, h Harness) {
			table, want := newScattered(t, h)
			for _, limit := range []int{1, 7} {
				var got []string
				for after := (backend.Key{}); ; {
					page, err := table.Scan(t.Context(), backend.Scan{Segments: 1, Limit: limit, After: after, Consistent: true})
					must(t, err)
					var writes []backend.Write
					for _, key := range keysOf(page.Items) {
						got = append(got, fmt.Sprint(key))
						writes = append(writes, backend.Write{Delete: key})
					}
					if len(writes) > 0 {
						_, _, err = table.BatchWrite(t.Context(), writes)
						must(t, err)
					}
					if page.Last == nil {
						break
					}
					after = *page.Last
				}
				wantEqual(t, sorted(got), want)
				table, want = newScattered(t, h)
			}
		}},
		{"Scan of an empty table is one empty page", func(t *testing.T, h Harness) {
			wantEqual(t, len(scanAll(t, newTable(t, h), backend.Scan{})), 0)
		}},
		{"a segment beyond the last is KindInvalid", func(t *testing.T, h Harness) {
			_, err := newTable(t, h).Scan(t.Context(), backend.Scan{Segment: 2, Segments: 2})
			wantKind(t, err, backend.KindInvalid)
		}},
	}
}

// newScattered creates a table of 30 items in ten partitions, and returns their keys
// in order.
func newScattered(t *testing.T, h Harness) (backend.Table, []string) {
	t.Helper()
	table := newTable(t, h)
	var keys []string
	for i := range 30 {
		item := newItem(fmt.Sprintf("p%d", i%10), fmt.Sprintf("s%02d", i))
		put(t, table, item)
		keys = append(keys, fmt.Sprint(backend.KeyOf(item)))
	}
	return table, sorted(keys)
}

// scanAll reads all pages and returns the keys in order.
func scanAll(t *testing.T, table backend.Table, s backend.Scan) []string {
	t.Helper()
	var keys []string
	for range 1000 {
		page, err := table.Scan(t.Context(), s)
		must(t, err)
		for _, key := range keysOf(page.Items) {
			keys = append(keys, fmt.Sprint(key))
		}
		if page.Last == nil {
			return sorted(keys)
		}
		s.After = *page.Last
	}
	t.Fatal("after 1000 pages there is still one more")
	return nil
}
