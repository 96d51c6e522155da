package local

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

// newExpiring makes a table whose items live until expires_at, with a stream and
// an index.
func newExpiring(t *testing.T, b *Backend) (backend.Table, backend.Stream) {
	t.Helper()
	if err := b.CreateTable(t.Context(), backend.TableSpec{
		Name: "expiring", PartitionKey: "PK", SortKey: "SK", StreamView: streamView, TimeToLive: "expires_at",
		Index: &backend.IndexSpec{Name: "by-group", PartitionKey: "group", SortKey: "PK"},
	}); err != nil {
		t.Fatal(err)
	}
	return b.Table("expiring"), b.Stream("expiring")
}

// until is an item that lives until a time.
func until(sk string, at time.Time) backend.Item {
	return item(sk, backend.Item{"expires_at": number(strconv.FormatInt(at.Unix(), 10)), "group": text("g")})
}

func wantSortKeys(t *testing.T, table backend.Table, q backend.Query, want ...string) {
	t.Helper()
	page, err := table.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range page.Items {
		got = append(got, backend.KeyOf(item).SK)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("items of %+v (-want +got):\n%s", q, diff)
	}
}

func TestExpiredItemsGoWithTheNextWrite(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now})
	table, stream := newExpiring(t, b)
	at := clock.now().Add(time.Minute)
	put(t, table, until("a", at), until("b", at), until("later", at.Add(time.Hour)))
	clock.advance(time.Minute)
	put(t, table, item("0"))
	wantSortKeys(t, table, backend.Query{PK: "p"}, "0", "a", "b", "later") // their last second
	clock.advance(time.Second)
	wantSortKeys(t, table, backend.Query{PK: "p"}, "0", "a", "b", "later") // nobody has written

	units, err := table.Put(t.Context(), until("b", at), backend.Condition{})
	if err != nil || units != (backend.Units{Write: 1}) {
		t.Errorf("the write takes %+v, %v, want one unit of its own", units, err)
	}
	wantSortKeys(t, table, backend.Query{PK: "p"}, "0", "b", "later") // b was just written
	wantSortKeys(t, table, backend.Query{PK: "g", Index: "by-group"}, "b", "later")
	put(t, table, item("0", backend.Item{"v": text("1")}))
	wantSortKeys(t, table, backend.Query{PK: "p"}, "0", "later")

	var removed []string
	for _, r := range readAll(t, stream) {
		if r.Event == "REMOVE" {
			removed = append(removed, r.Key.SK)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, removed); diff != "" {
		t.Errorf("removals in the stream (-want +got):\n%s", diff)
	}
}

// A condition sees an item that is past its time and still there, and a refused
// write removes nothing.
func TestExpiredItemsCountUntilTheyAreRemoved(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now})
	table, _ := newExpiring(t, b)
	put(t, table, until("a", clock.now()))
	clock.advance(time.Hour)
	_, err := table.Put(t.Context(), item("a"), backend.Condition{Absent: true})
	wantKind(t, err, backend.KindConditionFailed)
	wantSortKeys(t, table, backend.Query{PK: "p"}, "a")
}

func TestTableOfExpiringItemsDoesNotGrow(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now, RollSize: 50})
	table, _ := newExpiring(t, b)
	const life = 2 // rounds that an item lives
	for round := range 12 {
		actions := make([]backend.Action, backend.MaxTransact)
		for i := range actions {
			actions[i].Put = until(fmt.Sprintf("%d-%d", round, i), clock.now().Add(life*time.Second))
		}
		if _, err := table.Transact(t.Context(), fmt.Sprint(round), actions); err != nil {
			t.Fatal(err)
		}
		clock.advance(time.Second)
		if n := count(t, b, "items"); n > (life+1)*backend.MaxTransact {
			t.Fatalf("%d items after %d rounds", n, round)
		}
	}
	clock.advance(time.Hour)
	for i := range 2 * (life + 1) {
		put(t, table, item("0", backend.Item{"v": text(fmt.Sprint(i))}))
	}
	for from, want := range map[string]int{"items": 1, "index_entries": 0} {
		if n := count(t, b, from); n != want {
			t.Errorf("%d %s are left, want %d", n, from, want)
		}
	}
}

// What is a time, and when it is over, is the same whether an item is written
// into a table with a time to live or was there before.
func TestWhatExpires(t *testing.T) {
	t.Parallel()
	const fiveYears = 5 * 365 * 24 * time.Hour // as DynamoDB counts them
	clock := newClock()
	now := clock.now().Unix()
	ago := func(d time.Duration) string { return strconv.FormatInt(now-int64(d/time.Second), 10) }
	items := []backend.Item{
		item("0 gone: a second ago", backend.Item{"expires_at": number(ago(time.Second))}),
		item("1 gone: a fraction", backend.Item{"expires_at": number(ago(time.Second) + ".75")}),
		item("2 gone: years ago", backend.Item{"expires_at": number(ago(fiveYears))}),
		item("3 now", backend.Item{"expires_at": number(ago(0))}),
		item("4 too long ago", backend.Item{"expires_at": number(ago(fiveYears + time.Second))}),
		item("5 small", backend.Item{"expires_at": number("0.5")}),
		item("6 negative", backend.Item{"expires_at": number("-1e30")}),
		item("7 milliseconds", backend.Item{"expires_at": number(ago(time.Hour) + "000")}),
		item("8 large", backend.Item{"expires_at": number("1e30")}),
		item("9 text", backend.Item{"expires_at": text(ago(time.Second))}),
		item("none", backend.Item{"expires": number(ago(time.Second))}),
	}
	want := []string{
		"3 now", "4 too long ago", "5 small", "6 negative", "7 milliseconds", "8 large", "9 text", "none", "write",
	}
	for _, before := range []bool{true, false} {
		b := open(t, Memory, Options{Now: clock.now})
		spec := backend.TableSpec{Name: "expiring", PartitionKey: "PK", SortKey: "SK"}
		if !before {
			spec.TimeToLive = "expires_at"
		}
		if err := b.CreateTable(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		table := b.Table("expiring")
		put(t, table, items...)
		if before {
			if err := b.SetTimeToLive(t.Context(), "expiring", "expires_at"); err != nil {
				t.Fatal(err)
			}
		}
		put(t, table, item("write"))
		wantSortKeys(t, table, backend.Query{PK: "p"}, want...)
	}
}
