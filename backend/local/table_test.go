package local

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

func number(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

func key(sk string) backend.Key { return backend.Key{PK: "p", SK: sk} }

// item is an item of partition p with attributes over its keys.
func item(sk string, attrs ...backend.Item) backend.Item {
	it := backend.Item{"PK": text("p"), "SK": text(sk)}
	for _, a := range attrs {
		maps.Copy(it, a)
	}
	return it
}

func TestP15RefusesWhatDynamoDBRefuses(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, _ := newTable(t, b)
	deep := text("x")
	for range 33 {
		deep = &types.AttributeValueMemberL{Value: []types.AttributeValue{deep}}
	}
	for name, test := range map[string]struct {
		item    backend.Item
		message string
	}{
		"nothing":            {nil, "missing the key PK"},
		"no sort key":        {backend.Item{"PK": text("p")}, "missing the key SK"},
		"number as key":      {backend.Item{"PK": number("1"), "SK": text("s")}, "type mismatch for key PK expected: S actual: N"},
		"empty key":          {item(""), "empty string value. Key: SK"},
		"key not UTF-8":      {item("\xff"), "not valid UTF-8"},
		"long key":           {item(strings.Repeat("s", 1025)), "maximum size limit of 1024 bytes"},
		"value not UTF-8":    {item("s", backend.Item{"a": text("a\xc3")}), "not valid UTF-8"},
		"deep not UTF-8":     {item("s", backend.Item{"a": &types.AttributeValueMemberM{Value: backend.Item{"\xff": text("")}}}), "not valid UTF-8"},
		"too deep":           {item("s", backend.Item{"a": deep}), "nesting levels"},
		"no number":          {item("s", backend.Item{"a": number("1x")}), "cannot be converted to a numeric value"},
		"empty number":       {item("s", backend.Item{"a": number("")}), "cannot be converted"},
		"long number":        {item("s", backend.Item{"a": number(strings.Repeat("1", 39))}), "38 significant digits"},
		"great number":       {item("s", backend.Item{"a": number("1e126")}), "magnitude"},
		"empty set":          {item("s", backend.Item{"a": &types.AttributeValueMemberSS{}}), "may not be empty"},
		"doubled in a set":   {item("s", backend.Item{"a": &types.AttributeValueMemberNS{Value: []string{"1", "1.0"}}}), "duplicates"},
		"no value":           {item("s", backend.Item{"a": nil}), "has no value"},
		"null that is false": {item("s", backend.Item{"a": &types.AttributeValueMemberNULL{}}), "value of true"},
		"empty name":         {item("s", backend.Item{"": text("a")}), "empty attribute name"},
		"too large":          {item("s", backend.Item{"a": text(strings.Repeat("x", backend.MaxItemBytes))}), "maximum allowed size"},
		"index key a number": {item("s", backend.Item{"group": number("1")}), "type mismatch for Index Key group expected: S actual: N IndexName: by-group"},
		"index key empty":    {item("s", backend.Item{"user": text("")}), "secondary index key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := table.Put(t.Context(), test.item, backend.Condition{})
			wantKind(t, err, backend.KindInvalid)
			if err != nil && (!strings.Contains(err.Error(), test.message) || !strings.HasPrefix(err.Error(), "Put postroom: ")) {
				t.Errorf("error %q does not say %q", err, test.message)
			}
			if test.item == nil {
				return
			}
			_, err = table.Transact(t.Context(), "t", []backend.Action{{Put: item("good")}, {Put: test.item}})
			var e *backend.Error
			if !errors.As(err, &e) || e.Kind != backend.KindInvalid || len(e.Reasons) != 2 || e.Reasons[0] != nil || e.Reasons[1].Code != "ValidationError" {
				t.Errorf("transaction: %v; want a reason for the second action", err)
			}
		})
	}
	if n := count(t, b, "items"); n != 0 {
		t.Errorf("%d items were written", n)
	}
}

// A put that changes nothing leaves no record, in whatever form it comes.
func TestNoOpPutLeavesNoRecord(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, _ := newTable(t, b)
	put(t, table,
		item("s", backend.Item{"n": number("1.0"), "s": &types.AttributeValueMemberSS{Value: []string{"b", "a"}}}),
		item("s", backend.Item{"n": number("1"), "s": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}}))
	units, err := table.Put(t.Context(), item("s", backend.Item{"n": number("1e0"), "s": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}}),
		backend.Condition{Equals: backend.Item{"n": number("1.00")}})
	if err != nil || units.Write != 1 {
		t.Errorf("units %v, %v; want 1 write unit", units, err)
	}
	if n := count(t, b, "records"); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// Units by the rules of DESIGN: what conditions, transactions, replays and the
// index take.
func TestUnits(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now})
	table, _ := newTable(t, b)
	sized := func(sk string, bytes int, attrs ...backend.Item) backend.Item {
		it := item(sk, attrs...)
		it["pad"] = text(strings.Repeat("x", bytes-backend.ItemBytes(it)-len("pad")))
		return it
	}
	inIndex := func(g string) backend.Item { return backend.Item{"group": text(g), "user": text("u")} }
	fails := backend.Condition{Absent: true}
	transact := func(token string, actions ...backend.Action) func() (backend.Units, error) {
		return func() (backend.Units, error) { return table.Transact(t.Context(), token, actions) }
	}
	puts := func(it backend.Item, c backend.Condition) func() (backend.Units, error) {
		return func() (backend.Units, error) { return table.Put(t.Context(), it, c) }
	}
	deletes := func(sk string) func() (backend.Units, error) {
		return func() (backend.Units, error) {
			_, units, err := table.BatchWrite(t.Context(), []backend.Write{{Delete: key(sk)}})
			return units, err
		}
	}
	replayed := transact("replayed", backend.Action{Put: sized("r", 5<<10)}, backend.Action{Check: key("none"), Condition: fails})
	for _, step := range []struct {
		name string
		do   func() (backend.Units, error)
		want backend.Units
	}{
		{"put 1 KB", puts(sized("a", 1<<10), backend.Condition{}), backend.Units{Write: 1}},
		{"put 1 KB + 1", puts(sized("a", 1<<10+1), backend.Condition{}), backend.Units{Write: 2}},
		{"put less over more", puts(sized("a", 100), backend.Condition{}), backend.Units{Write: 2}},
		{"failed condition", puts(sized("a", 3<<10), fails), backend.Units{Write: 3}},
		{"index entry made", puts(sized("i", 100, inIndex("1")), backend.Condition{}), backend.Units{Write: 2}},
		{"index keys stay", puts(sized("i", 101, inIndex("1")), backend.Condition{}), backend.Units{Write: 1}},
		{"index key changes", puts(sized("i", 100, inIndex("2")), backend.Condition{}), backend.Units{Write: 3}},
		{"refused with the index", puts(sized("i", 100, inIndex("3")), fails), backend.Units{Write: 1}},
		{"index entry removed by a put", puts(sized("i", 100), backend.Condition{}), backend.Units{Write: 2}},
		{"in the index again", puts(sized("i", 100, inIndex("2")), backend.Condition{}), backend.Units{Write: 2}},
		{"delete from the index", deletes("i"), backend.Units{Write: 2}},
		{"delete nothing", deletes("none"), backend.Units{Write: 1}},
		{"delete 2 KB", func() (backend.Units, error) {
			put(t, table, sized("d", 2<<10))
			return deletes("d")()
		}, backend.Units{Write: 2}},
		{"transaction of 2 puts with index entries and a check", transact("t1",
			backend.Action{Put: sized("t1", 100, inIndex("1"))}, backend.Action{Put: sized("t2", 2<<10, inIndex("1"))},
			backend.Action{Check: key("a"), Condition: backend.Condition{Equals: item("a")}}), backend.Units{Write: 2*(1+2+1) + 2}},
		{"refused transaction", transact("t2",
			backend.Action{Put: sized("t3", 100, inIndex("1"))}, backend.Action{Check: key("t2"), Condition: fails}), backend.Units{Write: 2 * (1 + 2)}},
		{"first of the token", replayed, backend.Units{Write: 2 * (5 + 1)}},
		{"replay reads", replayed, backend.Units{Read: 2 * (2 + 1)}},
	} {
		t.Run(step.name, func(t *testing.T) {
			units, err := step.do()
			var e *backend.Error
			if errors.As(err, &e) && e.Kind == backend.KindConditionFailed {
				units, err = e.Units, nil
			}
			if err != nil || units != step.want {
				t.Errorf("%+v, %v; want %+v", units, err, step.want)
			}
		})
	}
}

// Tokens are forgotten after ten minutes, and do not pile up.
func TestP10TokensAreForgotten(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now})
	table, _ := newTable(t, b)
	for i := range 100 {
		if _, err := table.Transact(t.Context(), fmt.Sprint(i), []backend.Action{{Put: message(i)}}); err != nil {
			t.Fatal(err)
		}
		clock.advance(time.Minute)
	}
	if n := count(t, b, "tokens"); n > 12 {
		t.Errorf("%d tokens are kept, one is made a minute", n)
	}
	_, err := table.Transact(t.Context(), "99", []backend.Action{{Put: message(0)}})
	wantKind(t, err, backend.KindInvalid)
	if err != nil && !strings.Contains(err.Error(), "IdempotentParameterMismatch") {
		t.Errorf("error %q does not name IdempotentParameterMismatch", err)
	}
}

// An index that lags shows a moved item first in both places or in none, as
// DynamoDB's may, and is right in the end.
func TestP1IndexLags(t *testing.T) {
	t.Parallel()
	const lag = time.Second
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now, IndexLag: lag})
	table, _ := newTable(t, b)
	entries := func() []string {
		page, err := table.Query(t.Context(), backend.Query{Index: "by-group", PK: "g"})
		if err != nil {
			t.Fatal(err)
		}
		keys := []string{}
		for _, it := range page.Items {
			keys = append(keys, backend.KeyOf(it).SK)
		}
		return keys
	}
	want := func(when string, sks ...string) {
		t.Helper()
		if got := entries(); !slices.Equal(got, sks) && len(got)+len(sks) > 0 {
			t.Errorf("%s the index shows %v, want %v", when, got, sks)
		}
	}
	in := backend.Item{"group": text("g"), "user": text("u")}
	put(t, table, item("1", in))
	want("at once")
	clock.advance(lag - time.Microsecond)
	want("before the lag")
	clock.advance(time.Microsecond)
	want("after the lag", "1")

	// The move of a row: put, then delete. The index sees the delete first.
	put(t, table, item("2", in))
	if _, _, err := table.BatchWrite(t.Context(), []backend.Write{{Delete: key("1")}}); err != nil {
		t.Fatal(err)
	}
	want("at once", "1")
	clock.advance(lag / 2)
	want("after half of the lag")
	clock.advance(lag / 2)
	want("after the lag", "2")

	// Out and in again within the lag.
	put(t, table, item("2"), item("2", in), item("2"), item("2", in))
	clock.advance(lag)
	want("after going and coming", "2")
	put(t, table, item("2"))
	clock.advance(lag)
	want("when it is gone")
	for range 10 { // each removal clears old entries away
		put(t, table, item("2", in))
		clock.advance(lag)
		put(t, table, item("2"))
		clock.advance(lag)
	}
	if n := count(t, b, "index_entries"); n > 3 {
		t.Errorf("%d entries are left of an empty index", n)
	}
}

func TestAdminRefuses(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	good := backend.TableSpec{Name: "table", PartitionKey: "PK", SortKey: "SK"}
	for name, change := range map[string]func(*backend.TableSpec){
		"empty name":   func(s *backend.TableSpec) { s.Name = "" },
		"short name":   func(s *backend.TableSpec) { s.Name = "ab" },
		"long name":    func(s *backend.TableSpec) { s.Name = strings.Repeat("a", 256) },
		"name":         func(s *backend.TableSpec) { s.Name = "a table" },
		"no sort key":  func(s *backend.TableSpec) { s.SortKey = "" },
		"same keys":    func(s *backend.TableSpec) { s.SortKey = "PK" },
		"stream view":  func(s *backend.TableSpec) { s.StreamView = "ALL" },
		"other view":   func(s *backend.TableSpec) { s.StreamView = "KEYS_ONLY" },
		"index name":   func(s *backend.TableSpec) { s.Index = &backend.IndexSpec{PartitionKey: "a", SortKey: "b"} },
		"no index key": func(s *backend.TableSpec) { s.Index = &backend.IndexSpec{Name: "index", PartitionKey: "a"} },
		"same index keys": func(s *backend.TableSpec) {
			s.Index = &backend.IndexSpec{Name: "index", PartitionKey: "a", SortKey: "a"}
		},
	} {
		spec := good
		change(&spec)
		if err := b.CreateTable(t.Context(), spec); backend.KindOf(err) != backend.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	table, _ := newTable(t, b)
	for name, q := range map[string]backend.Query{
		"no partition":       {},
		"negative limit":     {PK: "p", Limit: -1},
		"prefix not UTF-8":   {PK: "p", SKPrefix: "\xff"},
		"start of another":   {PK: "p", After: backend.Key{PK: "q", SK: "s"}},
		"start out of range": {PK: "p", SKPrefix: "a", After: backend.Key{PK: "p", SK: "b"}},
		"index start":        {PK: "p", Index: "by-group", After: backend.Key{PK: "p", SK: "b"}},
	} {
		if _, err := table.Query(t.Context(), q); backend.KindOf(err) != backend.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, q := range map[string]backend.Scan{
		"too many segments": {Segments: 1_000_001},
		"negative segments": {Segments: -1},
		"negative segment":  {Segment: -1, Segments: 2},
		"negative limit":    {Limit: -1},
		"start not UTF-8":   {After: backend.Key{PK: "p", SK: "\xff"}},
		"start of another":  {After: backend.Key{PK: "p", SK: "s"}, Segment: int(1 - hashOf("p")/(1<<31)), Segments: 2},
	} {
		if _, err := table.Scan(t.Context(), q); backend.KindOf(err) != backend.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
