package local

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// put writes items one after the other.
func put(t testing.TB, table backend.Table, items ...backend.Item) {
	t.Helper()
	for _, item := range items {
		if _, err := table.Put(t.Context(), item, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}

// count is the number of rows of a table of the file.
func count(t testing.TB, b *Backend, from string) int {
	t.Helper()
	n := 0
	if err := b.read(t.Context(), "count", func(tx *tx) error {
		_, err := tx.row("SELECT count(*) FROM "+from, nil, &n)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantKind(t *testing.T, err error, want backend.Kind) {
	t.Helper()
	if err == nil || backend.KindOf(err) != want {
		t.Errorf("error is %v, want one of kind %q", err, want)
	}
}

// A stream starts with one shard, splits until it has as many as it may, and
// then rolls; the ranges of the open shards always make up the whole.
func TestS2ShardsSplitAndRoll(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now, Shards: 3, RollSize: 10})
	table, stream := newTable(t, b)
	if shards := allShards(t, stream); len(shards) != 1 || shards[0].Parent != "" {
		t.Fatalf("a new stream has the shards %+v", shards)
	}
	const records = 500
	for i := range records {
		put(t, table, message(i))
		clock.advance(time.Millisecond)
	}
	shards := allShards(t, stream)
	children := map[string][]backend.Shard{}
	closed := map[string]bool{}
	for _, s := range shards {
		closed[s.ID] = count(t, b, "shards WHERE closed_at IS NOT NULL AND id = '"+s.ID+"'") == 1
	}
	open := 0
	for i, s := range shards {
		if !regexp.MustCompile(`^shardId-[0-9]{20}-[a-zA-Z0-9]{1,36}$`).MatchString(s.ID) {
			t.Errorf("id %q is not of DynamoDB's form", s.ID)
		}
		if !closed[s.ID] {
			open++
		}
		if s.Parent != "" && !slices.ContainsFunc(shards[:i], func(p backend.Shard) bool { return p.ID == s.Parent && closed[p.ID] }) {
			t.Errorf("shard %s has no closed parent", s.ID)
		}
		children[s.Parent] = append(children[s.Parent], s)
	}
	if open != 3 {
		t.Errorf("%d shards are open, want 3", open)
	}
	splits := 0
	for _, s := range shards {
		switch n := len(children[s.ID]); {
		case !closed[s.ID] && n == 0, closed[s.ID] && n == 1:
		case closed[s.ID] && n == 2:
			splits++
		default:
			t.Errorf("shard %s, closed: %t, has %d children", s.ID, closed[s.ID], n)
		}
	}
	if splits != 2 {
		t.Errorf("%d splits, want 2", splits)
	}
	checkLineages(t, stream, shards, records)
}

// checkLineages checks that all records are there once, that the records of a
// key are in order along its lineage, and that sequence numbers grow along it.
func checkLineages(t *testing.T, stream backend.Stream, shards []backend.Shard, want int) {
	t.Helper()
	last := map[string]string{}
	seen := map[backend.Key]bool{}
	ids := map[string]bool{}
	for _, s := range shards {
		sequence := last[s.Parent]
		records := readShard(t, stream, s.ID, backend.Position{})
		for _, r := range records {
			if sequence != "" && backend.CompareSequence(sequence, r.Sequence) >= 0 {
				t.Errorf("shard %s: %s comes after %s", s.ID, r.Sequence, sequence)
			}
			sequence = r.Sequence
			seen[r.Key], ids[r.EventID] = true, true
		}
		last[s.ID] = sequence
	}
	if len(seen) != want || len(ids) != want {
		t.Errorf("%d records with %d event ids, want %d", len(seen), len(ids), want)
	}
}

func TestS18SequenceNumbersAreNoText(t *testing.T) {
	t.Parallel()
	var before string
	unordered := false
	for num := range int64(50) {
		s := sequence(num)
		if len(s) < 21 || len(s) > 40 {
			t.Errorf("%s has %d digits", s, len(s))
		}
		if got, ok := parseSequence(s); !ok || got != num {
			t.Errorf("%s is read as %d, %t; want %d", s, got, ok, num)
		}
		if before != "" {
			if backend.CompareSequence(before, s) >= 0 {
				t.Errorf("%s is not less than %s", before, s)
			}
			unordered = unordered || before > s
		}
		before = s
	}
	if !unordered {
		t.Error("as text they are in order too: nobody would notice")
	}
	for _, s := range []string{
		"", "1", "-1", "x", firstSequence[:20], firstSequence[:20] + "x", "+" + sequence(20)[1:],
		strings.Repeat("9", 40), sequence(20) + "0", "01" + sequence(20)[2:], "1" + strings.Repeat("9", 21),
	} {
		if num, ok := parseSequence(s); ok {
			t.Errorf("%q is read as %d", s, num)
		}
	}
}

// The last page of a closed shard carries its records and no next iterator.
func TestS1LastPageCarriesRecords(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{RollSize: 10})
	table, stream := newTable(t, b)
	for i := range 11 {
		put(t, table, message(i))
	}
	list, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	it, err := stream.Iterator(t.Context(), list.StreamARN, list.Shards[0].ID, backend.Position{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		records int
		more    bool
	}{{6, true}, {4, false}} {
		page, err := stream.Records(t.Context(), it, 6)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Records) != want.records || (page.Next != "") != want.more {
			t.Errorf("%d records, next %q; want %d, %t", len(page.Records), page.Next, want.records, want.more)
		}
		it = page.Next
	}
}

func TestStreamRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, stream := newTable(t, b)
	put(t, table, message(1), message(2))
	list, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	shard := list.Shards[0].ID
	at := func(s string) backend.Position { return backend.Position{Type: backend.AtSequence, Sequence: s} }
	for name, err := range map[string]error{
		"iterator":        second(stream.Records(t.Context(), "AAAA", 1)),
		"empty iterator":  second(stream.Records(t.Context(), "", 1)),
		"limit 0":         second(stream.Records(t.Context(), "AAAA", 0)),
		"limit 1001":      second(stream.Records(t.Context(), "AAAA", 1001)),
		"shard":           second(stream.Iterator(t.Context(), list.StreamARN, "nobody's", backend.Position{})),
		"shard number":    second(stream.Iterator(t.Context(), list.StreamARN, "shardId-nobody's", backend.Position{})),
		"shard prefix":    second(stream.Iterator(t.Context(), list.StreamARN, strings.TrimPrefix(shard, "shardId-"), backend.Position{})),
		"after shard":     second(stream.Shards(t.Context(), "nobody's")),
		"parent":          second(stream.Children(t.Context(), list.StreamARN, "nobody's")),
		"no parent":       second(stream.Children(t.Context(), list.StreamARN, "")),
		"sequence":        second(stream.Iterator(t.Context(), list.StreamARN, shard, at("12"))),
		"future sequence": second(stream.Iterator(t.Context(), list.StreamARN, shard, at(sequence(3)))),
		"position type":   second(stream.Iterator(t.Context(), list.StreamARN, shard, backend.Position{Type: 9})),
	} {
		if backend.KindOf(err) != backend.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = stream.Iterator(t.Context(), list.StreamARN+"x", shard, backend.Position{})
	wantKind(t, err, backend.KindNotFound)
	_, err = stream.Children(t.Context(), list.StreamARN+"x", shard)
	wantKind(t, err, backend.KindNotFound)
	_, err = stream.Iterator(t.Context(), list.StreamARN, "shardId-00000000000000000000-ffff", backend.Position{})
	wantKind(t, err, backend.KindNotFound)
	it, err := stream.Iterator(t.Context(), list.StreamARN, shard, backend.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CreateTable(t.Context(), backend.TableSpec{Name: "other", PartitionKey: "PK", SortKey: "SK", StreamView: streamView}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, second(b.Stream("other").Records(t.Context(), it, 1)), backend.KindNotFound)
}

func second[T any](_ T, err error) error { return err }

// A table made anew has another stream; what belongs to the old one is gone.
func TestS24RecreatedTableHasANewStream(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, stream := newTable(t, b)
	put(t, table, message(1))
	old, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	it, err := stream.Iterator(t.Context(), old.StreamARN, old.Shards[0].ID, backend.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteTable(t.Context(), "postroom"); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"items", "index_entries", "records", "shards", "tables"} {
		if n := count(t, b, from); n != 0 {
			t.Errorf("%d rows of %s are left", n, from)
		}
	}
	newTable(t, b)
	list, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if list.StreamARN == old.StreamARN || list.Shards[0].ID == old.Shards[0].ID {
		t.Errorf("stream %s with shard %s is the old one", list.StreamARN, list.Shards[0].ID)
	}
	_, err = stream.Records(t.Context(), it, 1)
	wantKind(t, err, backend.KindNotFound)
	_, err = stream.Iterator(t.Context(), old.StreamARN, list.Shards[0].ID, backend.Position{})
	wantKind(t, err, backend.KindNotFound)
}

func TestS7ShardsAreListedInPages(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{RollSize: 1, Shards: 2})
	table, stream := newTable(t, b)
	for i := range 230 {
		put(t, table, message(i))
	}
	page, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Shards) != 100 || page.Last != page.Shards[99].ID {
		t.Errorf("%d shards on the first page, last %q", len(page.Shards), page.Last)
	}
	ids := map[string]bool{}
	for _, s := range allShards(t, stream) {
		ids[s.ID] = true
	}
	if n := count(t, b, "shards"); len(ids) != n || n < 230 {
		t.Errorf("%d shards are listed, there are %d", len(ids), n)
	}
}

// A page has at most 1 MB, and one record however large.
func TestRecordsPageSize(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, stream := newTable(t, b)
	for i := range 7 {
		item := message(i)
		item["message"] = text(strings.Repeat("x", 390<<10))
		put(t, table, item)
	}
	list, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	it, err := stream.Iterator(t.Context(), list.StreamARN, list.Shards[0].ID, backend.Position{})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for range 4 {
		page, err := stream.Records(t.Context(), it, backend.MaxRecords)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.Records))
		it = page.Next
	}
	if want := []int{2, 2, 2, 1}; !slices.Equal(sizes, want) {
		t.Errorf("pages of %v records, want %v", sizes, want)
	}
}
