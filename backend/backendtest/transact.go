package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

func transactTests() []test {
	return []test{
		{"Transact carries out up to MaxTransact actions", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			put(t, table, newItem("check", "s", "v", "1"))
			actions := []backend.Action{{
				Check: backend.Key{PK: "check", SK: "s"}, Condition: backend.Condition{Equals: backend.Item{"v": text("1")}},
			}}
			for i := range backend.MaxTransact - 1 {
				actions = append(actions, backend.Action{
					Put: newItem(fmt.Sprintf("p%d", i%5), fmt.Sprint(i)), Condition: backend.Condition{Absent: true},
				})
			}
			transact(t, table, actions...)
			for _, a := range actions[1:] {
				wantItem(t, table, a.Put)
			}
			wantItem(t, table, newItem("check", "s", "v", "1"))
		}},
		{"Transact writes nothing where one condition fails, and gives a reason for each action", testRefused},
		{"a check writes nothing", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			transact(t, table,
				backend.Action{Check: backend.Key{PK: "p", SK: "absent"}, Condition: backend.Condition{Absent: true}},
				backend.Action{Put: newItem("p", "s")})
			wantNone(t, table, backend.Key{PK: "p", SK: "absent"})
		}},
		{"Transact deletes under conditions, and an item that is not there without one", testTransactDelete},
		{"Transact of no actions, of too many, or of two on one key is KindInvalid and writes nothing", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			item := newItem("p", "0")
			var many []backend.Action
			for i := range backend.MaxTransact + 1 {
				many = append(many, backend.Action{Put: newItem("p", fmt.Sprint(i))})
			}
			for name, actions := range map[string][]backend.Action{
				"none": nil, "too many": many, "two puts": {{Put: item}, {Put: item}},
				"put and delete": {{Put: item}, {Delete: backend.KeyOf(item)}},
				"put and check":  {{Put: item}, {Check: backend.KeyOf(item), Condition: backend.Condition{Absent: true}}},
			} {
				if _, err := table.Transact(t.Context(), uniqueName("t"), actions); backend.KindOf(err) != backend.KindInvalid {
					t.Errorf("%s: error is of kind %q: %v", name, backend.KindOf(err), err)
				}
			}
			wantNone(t, table, backend.KeyOf(item))
		}},
		{"a token has at most 36 characters", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			put := []backend.Action{{Put: newItem("p", "s")}}
			_, err := table.Transact(t.Context(), strings.Repeat("t", 37), put)
			wantKind(t, err, backend.KindInvalid)
			wantNone(t, table, backend.Key{PK: "p", SK: "s"})
			_, err = table.Transact(t.Context(), uniqueName("t")+strings.Repeat("t", 18), put)
			must(t, err)
		}},
		{"a repetition with the same token and actions changes nothing and succeeds", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.TokenReplay, "TokenReplay") {
				return
			}
			table := newTable(t, h)
			again := firstThenOther(t, table)
			must(t, again())
			wantItem(t, table, newItem("p", "s", "v", "other"))
		}},
		{"the same token with other actions is an error and writes nothing", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.TokenReplay, "TokenReplay") {
				return
			}
			table := newTable(t, h)
			token := uniqueName("t")
			_, err := table.Transact(t.Context(), token, []backend.Action{{Put: newItem("p", "s")}})
			must(t, err)
			_, err = table.Transact(t.Context(), token, []backend.Action{{Put: newItem("p", "other")}})
			wantKind(t, err, backend.KindInvalid)
			wantNone(t, table, backend.Key{PK: "p", SK: "other"})
		}},
		{"a refused transaction does not use up its token", func(t *testing.T, h Harness) {
			table := newTable(t, h)
			token := uniqueName("t")
			actions := []backend.Action{{
				Put: newItem("p", "s", "v", "2"), Condition: backend.Condition{Equals: backend.Item{"v": text("1")}},
			}}
			_, err := table.Transact(t.Context(), token, actions)
			wantKind(t, err, backend.KindConditionFailed)
			put(t, table, newItem("p", "s", "v", "1"))
			_, err = table.Transact(t.Context(), token, actions)
			must(t, err)
			wantItem(t, table, newItem("p", "s", "v", "2"))
		}},
		{"after ten minutes the same token and actions are a new transaction", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.TokenReplay, "TokenReplay") {
				return
			}
			table := newTable(t, h)
			again := firstThenOther(t, table)
			if !h.advance(t, 10*time.Minute+time.Second) {
				return
			}
			must(t, again())
			wantItem(t, table, newItem("p", "s", "v", "first"))
		}},
		{"simultaneous transactions on one item all succeed, one after the other", testCounter},
	}
}

func transact(t *testing.T, table backend.Table, actions ...backend.Action) {
	t.Helper()
	_, err := table.Transact(t.Context(), uniqueName("t"), actions)
	must(t, err)
}

func testRefused(t *testing.T, h Harness) {
	table := newTable(t, h)
	put(t, table, newItem("p", "there", "v", "1"))
	there := backend.Key{PK: "p", SK: "there"}
	_, err := table.Transact(t.Context(), uniqueName("t"), []backend.Action{
		{Put: newItem("p", "new")},
		{Put: newItem("p", "there", "v", "2"), Condition: backend.Condition{Absent: true}},
		{Check: backend.Key{PK: "q", SK: "none"}, Condition: backend.Condition{Equals: backend.Item{"v": text("1")}}},
		{Put: newItem("q", "new"), Condition: backend.Condition{Absent: true}},
	})
	wantKind(t, err, backend.KindConditionFailed)
	var e *backend.Error
	if !errors.As(err, &e) || len(e.Reasons) != 4 {
		t.Fatalf("not four reasons: %v", err)
	}
	for i, failed := range []bool{false, true, true, false} {
		switch r := e.Reasons[i]; {
		case !failed && r != nil:
			t.Errorf("action %d was not the cause, and has the reason %+v", i, *r)
		case failed && (r == nil || r.Kind != backend.KindConditionFailed || r.Code != "ConditionalCheckFailed"):
			t.Errorf("action %d was the cause, and has the reason %+v", i, r)
		}
	}
	wantItem(t, table, newItem("p", "there", "v", "1"))
	wantNone(t, table, backend.Key{PK: "p", SK: "new"})
	wantNone(t, table, backend.Key{PK: "q", SK: "new"})
	_, err = table.Transact(t.Context(), uniqueName("t"), []backend.Action{
		{Check: there, Condition: backend.Condition{Absent: true}},
	})
	wantKind(t, err, backend.KindConditionFailed)
}

func testTransactDelete(t *testing.T, h Harness) {
	table := newTable(t, h)
	for _, sk := range []string{"head", "row", "other"} {
		put(t, table, newItem("p", sk, "v", "1"))
	}
	is := func(v string) backend.Condition { return backend.Condition{Equals: backend.Item{"v": text(v)}} }
	row, other := backend.Key{PK: "p", SK: "row"}, backend.Key{PK: "p", SK: "other"}
	for name, actions := range map[string][]backend.Action{
		"its own":   {{Delete: row, Condition: is("2")}, {Delete: other}},
		"a check's": {{Check: backend.Key{PK: "p", SK: "head"}, Condition: is("2")}, {Delete: row}, {Delete: other}},
	} {
		if _, err := table.Transact(t.Context(), uniqueName("t"), actions); backend.KindOf(err) != backend.KindConditionFailed {
			t.Errorf("%s condition fails: error is of kind %q: %v", name, backend.KindOf(err), err)
		}
	}
	wantItem(t, table, newItem("p", "row", "v", "1"))
	wantItem(t, table, newItem("p", "other", "v", "1"))
	transact(t, table,
		backend.Action{Check: backend.Key{PK: "p", SK: "head"}, Condition: is("1")},
		backend.Action{Delete: row, Condition: is("1")},
		backend.Action{Delete: other},
		backend.Action{Delete: backend.Key{PK: "p", SK: "none"}},
		backend.Action{Put: newItem("p", "new")})
	for _, sk := range []string{"row", "other", "none"} {
		wantNone(t, table, backend.Key{PK: "p", SK: sk})
	}
	wantItem(t, table, newItem("p", "new"))
}

// firstThenOther puts "first" by a transaction and then "other" in its place. It
// returns the transaction, so that it can be repeated.
func firstThenOther(t *testing.T, table backend.Table) (again func() error) {
	t.Helper()
	token := uniqueName("t")
	again = func() error {
		_, err := table.Transact(t.Context(), token, []backend.Action{
			{Put: newItem("p", "s", "v", "first")},
			{Check: backend.Key{PK: "p", SK: "none"}, Condition: backend.Condition{Absent: true}},
		})
		return err
	}
	must(t, again())
	put(t, table, newItem("p", "s", "v", "other"))
	return again
}

func testCounter(t *testing.T, h Harness) {
	table := newTable(t, h)
	const writers, rounds = 4, 5
	put(t, table, counter(0))
	g, ctx := errgroup.WithContext(t.Context())
	for range writers {
		g.Go(func() error {
			for range rounds {
				if err := count(ctx, table); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	wantItem(t, table, counter(writers*rounds))
}

func counter(n int) backend.Item { return newItem("p", "counter", "n", strconv.Itoa(n)) }

// count adds one to the counter, and in the same transaction an item that proves it.
func count(ctx context.Context, table backend.Table) error {
	for {
		there, _, err := table.Get(ctx, backend.KeyOf(counter(0)))
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(backend.Text(there, "n"))
		if err != nil {
			return err
		}
		_, err = table.Transact(ctx, uniqueName("t"), []backend.Action{
			{Put: counter(n + 1), Condition: backend.Condition{Equals: counter(n)}},
			{Put: newItem("p", fmt.Sprint("note", n)), Condition: backend.Condition{Absent: true}},
		})
		switch backend.KindOf(err) {
		case backend.KindConditionFailed, backend.KindConflict, backend.KindThrottled:
			continue
		}
		return err
	}
}
