package backendtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postroom/postroom/backend"
)

// RunTable tests a backend's tables against the sentences of
// [github.com/postroom/postroom/backend.Table] and of the table half of
// [github.com/postroom/postroom/backend.Backend]. See [Run] for open.
func RunTable(t *testing.T, open func(t *testing.T) Harness) {
	runAll(t, open, slices.Concat(
		adminTests(), putTests(), queryTests(), indexTests(), scanTests(),
		batchTests(), transactTests(), unitTests(), timeToLiveTests(),
	))
}

// indexName and its keys are those of a table that is created with index.
const (
	indexName = "by-group"
	indexPK   = "group"
	indexSK   = "member"
)

func withIndex(s *backend.TableSpec) {
	s.Index = &backend.IndexSpec{Name: indexName, PartitionKey: indexPK, SortKey: indexSK}
}

func withStream(s *backend.TableSpec) { s.StreamView = "NEW_IMAGE" }

// newSpec returns the spec of a table with a name of its own.
func newSpec(with ...func(*backend.TableSpec)) backend.TableSpec {
	spec := backend.TableSpec{
		Name:         uniqueName("table"),
		PartitionKey: backend.AttrPK,
		SortKey:      backend.AttrSK,
	}
	for _, f := range with {
		f(&spec)
	}
	return spec
}

// newTable creates a table that is deleted at the end of the test.
func newTable(t *testing.T, h Harness, with ...func(*backend.TableSpec)) backend.Table {
	t.Helper()
	return h.Backend.Table(create(t, h, newSpec(with...)))
}

// create creates a table by its spec and returns its name.
func create(t *testing.T, h Harness, spec backend.TableSpec) string {
	t.Helper()
	must(t, h.Backend.CreateTable(t.Context(), spec))
	removeTable(t, h, spec.Name)
	return spec.Name
}

// newItem returns an item with string attributes, given as names and values in turn.
func newItem(pk, sk string, attrs ...string) backend.Item {
	item := backend.Item{backend.AttrPK: text(pk), backend.AttrSK: text(sk)}
	for pair := range slices.Chunk(attrs, 2) {
		item[pair[0]] = text(pair[1])
	}
	return item
}

// sizedItem returns an item of exactly so many bytes.
func sizedItem(pk, sk string, bytes int, attrs ...string) backend.Item {
	item := newItem(pk, sk, attrs...)
	item["pad"] = text("")
	item["pad"] = text(strings.Repeat("x", bytes-backend.ItemBytes(item)))
	return item
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// put writes items one after the other, without conditions.
func put(t *testing.T, table backend.Table, items ...backend.Item) {
	t.Helper()
	for _, item := range items {
		_, err := table.Put(t.Context(), item, backend.Condition{})
		must(t, err)
	}
}

// wantItem fails the test unless the item under a key is as expected.
func wantItem(t *testing.T, table backend.Table, want backend.Item) {
	t.Helper()
	got, _, err := table.Get(t.Context(), backend.KeyOf(want))
	must(t, err)
	wantEqual(t, got, want)
}

// wantNone fails the test if there is an item under a key.
func wantNone(t *testing.T, table backend.Table, key backend.Key) {
	t.Helper()
	got, _, err := table.Get(t.Context(), key)
	must(t, err)
	if got != nil {
		t.Fatalf("there is an item under %v: %v", key, got)
	}
}

// wantEqual compares items, with sets in any order.
func wantEqual(t *testing.T, got, want any) {
	t.Helper()
	opts := cmp.Options{
		cmpopts.IgnoreUnexported(
			types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{},
			types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{},
			types.AttributeValueMemberSS{}, types.AttributeValueMemberNS{}, types.AttributeValueMemberBS{},
			types.AttributeValueMemberL{}, types.AttributeValueMemberM{}),
		cmp.Transformer("SS", func(v types.AttributeValueMemberSS) []string { return sorted(v.Value) }),
		cmp.Transformer("NS", func(v types.AttributeValueMemberNS) []string { return sorted(v.Value) }),
	}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Fatalf("not as it should be (-want +got):\n%s", diff)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// keysOf returns the keys of items, in the items' order.
func keysOf(items []backend.Item) []backend.Key {
	keys := make([]backend.Key, len(items))
	for i, item := range items {
		keys[i] = backend.KeyOf(item)
	}
	return keys
}

// sortKeys returns the sort keys of items, in the items' order.
func sortKeys(items []backend.Item) []string {
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = backend.Text(item, backend.AttrSK)
	}
	return keys
}
