package backendtest

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

func putTests() []test {
	return []test{
		{"Get of a missing item is nil, not an error", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			put(t, table, newItem("p", "s"))
			wantNone(t, table, backend.Key{PK: "p", SK: "other"})
			wantNone(t, table, backend.Key{PK: "other", SK: "s"})
		}},
		{"Get returns the item that was put, with attributes of every type", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			item := itemOfAllTypes()
			put(t, table, item)
			wantItem(t, table, item)
		}},
		{"keys and values may hold any character", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			for _, s := range []string{"\x00", "'\"`\\%_?", "a\tb\r\nc", "\u2028<&>", "é", "e\u0301", "😀\uFFFD\U0010FFFF"} {
				item := newItem(s, s, "v", s)
				put(t, table, item)
				wantItem(t, table, item)
			}
		}},
		{"Put replaces the whole item", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			put(t, table, newItem("p", "s", "a", "1", "b", "2"), newItem("p", "s", "b", "3"))
			wantItem(t, table, newItem("p", "s", "b", "3"))
		}},
		{"Put on the condition Absent writes where there is no item", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			put(t, table, newItem("p", "s1"))
			_, err := table.Put(t.Context(), newItem("p", "s2", "a", "1"), backend.Condition{Absent: true})
			must(t, err)
			wantItem(t, table, newItem("p", "s2", "a", "1"))
		}},
		{"Put on the condition Absent fails where there is an item, and carries that item", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			there := itemOfAllTypes()
			put(t, table, there)
			key := backend.KeyOf(there)
			_, err := table.Put(t.Context(), newItem(key.PK, key.SK, "a", "2"), backend.Condition{Absent: true})
			wantConditionFailed(t, err, there)
			wantItem(t, table, there)
		}},
		{"Put on the condition Equals writes where each attribute is equal", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			there := itemOfAllTypes()
			put(t, table, there)
			key := backend.KeyOf(there)
			_, err := table.Put(t.Context(), newItem(key.PK, key.SK, "a", "2"), backend.Condition{Equals: there})
			must(t, err)
			wantItem(t, table, newItem(key.PK, key.SK, "a", "2"))
		}},
		{"Put on the condition Equals fails where an attribute differs, and carries the item", testEqualsFails},
		{"Put on the condition Equals fails where there is no item, and carries none", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			_, err := table.Put(t.Context(), newItem("p", "s"), backend.Condition{Equals: backend.Item{"a": text("1")}})
			wantConditionFailed(t, err, nil)
			wantNone(t, table, backend.Key{PK: "p", SK: "s"})
		}},
		{"an item may have MaxItemBytes, and not one more", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			item := sizedItem("p", "s", backend.MaxItemBytes)
			put(t, table, item)
			wantItem(t, table, item)
			_, err := table.Put(t.Context(), sizedItem("p", "s", backend.MaxItemBytes+1), backend.Condition{})
			wantKind(t, err, backend.KindInvalid)
		}},
		{"an item without both keys, as strings that are not empty, is KindInvalid", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			for name, item := range map[string]backend.Item{
				"no sort key":        {backend.AttrPK: text("p")},
				"no partition key":   {backend.AttrSK: text("s")},
				"empty sort key":     newItem("p", ""),
				"number as key":      {backend.AttrPK: text("p"), backend.AttrSK: &types.AttributeValueMemberN{Value: "1"}},
				"long partition key": newItem(strings.Repeat("p", 2049), "s"),
				"long sort key":      newItem("p", strings.Repeat("s", 1025)),
			} {
				if _, err := table.Put(t.Context(), item, backend.Condition{}); backend.KindOf(err) != backend.KindInvalid {
					t.Errorf("%s: error is of kind %q: %v", name, backend.KindOf(err), err)
				}
			}
		}},
		{"of many simultaneous puts on the condition Absent one succeeds", testOneWins},
	}
}

func itemOfAllTypes() backend.Item {
	return backend.Item{
		backend.AttrPK: text("p"),
		backend.AttrSK: text("s"),
		"string":       text("text"),
		"empty":        text(""),
		"number":       &types.AttributeValueMemberN{Value: "-12345678901234567890.5"},
		"binary":       &types.AttributeValueMemberB{Value: []byte{0, 1, 0xff}},
		"bool":         &types.AttributeValueMemberBOOL{Value: true},
		"false":        &types.AttributeValueMemberBOOL{Value: false},
		"null":         &types.AttributeValueMemberNULL{Value: true},
		"strings":      &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
		"numbers":      &types.AttributeValueMemberNS{Value: []string{"1", "2"}},
		"binaries":     &types.AttributeValueMemberBS{Value: [][]byte{{1}}},
		"list": &types.AttributeValueMemberL{Value: []types.AttributeValue{
			text("a"), &types.AttributeValueMemberN{Value: "7"},
			&types.AttributeValueMemberL{Value: []types.AttributeValue{}},
		}},
		"map": &types.AttributeValueMemberM{Value: backend.Item{
			"a": text("b"), "m": &types.AttributeValueMemberM{Value: backend.Item{}},
		}},
	}
}

func wantConditionFailed(t *testing.T, err error, there backend.Item) {
	t.Helper()
	wantKind(t, err, backend.KindConditionFailed)
	var e *backend.Error
	if errors.As(err, &e) {
		wantEqual(t, e.Item, there)
	}
}

func testEqualsFails(t *testing.T, h Harness) {
	table := newTable(t, h)
	there := newItem("p", "s", "a", "1", "b", "2")
	put(t, table, there)
	for name, equals := range map[string]backend.Item{
		"other value":      {"a": text("2")},
		"other type":       {"a": &types.AttributeValueMemberN{Value: "1"}},
		"missing":          {"c": text("1")},
		"one of two":       {"a": text("1"), "b": text("3")},
		"prefix":           {"a": text("")},
		"one too many":     {"a": text("1"), "b": text("2"), "c": text("3")},
		"a list, not text": {"a": &types.AttributeValueMemberL{Value: []types.AttributeValue{text("1")}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := table.Put(t.Context(), newItem("p", "s", "a", "9"), backend.Condition{Equals: equals})
			wantConditionFailed(t, err, there)
			wantItem(t, table, there)
		})
	}
}

func testOneWins(t *testing.T, h Harness) {
	table := newTable(t, h)
	const writers = 8
	won := make([]bool, writers)
	var g errgroup.Group
	for i := range writers {
		g.Go(func() error {
			_, err := table.Put(t.Context(), newItem("p", "s", "by", strconv.Itoa(i)), backend.Condition{Absent: true})
			won[i] = err == nil
			if backend.KindOf(err) == backend.KindConditionFailed {
				return nil
			}
			return err
		})
	}
	must(t, g.Wait())
	winner := -1
	for i, w := range won {
		if w && winner >= 0 {
			t.Fatalf("both %d and %d wrote", winner, i)
		}
		if w {
			winner = i
		}
	}
	wantItem(t, table, newItem("p", "s", "by", strconv.Itoa(winner)))
}
