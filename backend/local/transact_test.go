package local

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

func TestLifeOfTokens(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, Memory, Options{Now: clock.now})
	table, _ := newTable(t, b)
	transact := func(token string, n int) error {
		_, err := table.Transact(t.Context(), token, []backend.Action{{Put: message(n)}})
		return err
	}
	const old = 12
	for i := range old {
		if err := transact(fmt.Sprint("old-", i), i); err != nil {
			t.Fatal(err)
		}
	}
	clock.advance(tokenLife - time.Microsecond)
	wantKind(t, transact("old-0", 100), backend.KindInvalid)
	clock.advance(time.Microsecond)
	for i, want := range []int{old - 3, old - 6, old - 9} { // four go, one comes
		if err := transact(fmt.Sprint("new-", i), 200+i); err != nil {
			t.Fatal(err)
		}
		if n := count(t, b, "tokens"); n != want {
			t.Errorf("%d tokens after transaction %d, want %d", n, i, want)
		}
	}
	clock.advance(tokenLife)
	if err := transact("new-2", 300); err != nil {
		t.Errorf("at the end of a token's life: %v", err)
	}
}

func TestReasonOfAnInvalidAction(t *testing.T) {
	t.Parallel()
	table, _ := newTable(t, open(t, Memory, Options{}))
	_, err := table.Transact(t.Context(), "token", []backend.Action{{Put: backend.Item{"PK": text("p")}}})
	var reasons []*backend.Reason
	if e, ok := errors.AsType[*backend.Error](err); ok {
		reasons = e.Reasons
	}
	const want = "one or more parameter values were invalid: missing the key SK in the item"
	if len(reasons) != 1 || reasons[0] == nil || reasons[0].Message != want {
		t.Errorf("reasons %v of %v, want %q", reasons, err, want)
	}
}

func TestBytesOfATransaction(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, _ := newTable(t, b)
	actions := make([]backend.Action, 11)
	left := maxTransactBytes
	for i := range actions {
		item := message(i)
		room := left/(len(actions)-i) - backend.ItemBytes(item)
		item["message"] = text(backend.Text(item, "message") + strings.Repeat("x", room))
		left -= backend.ItemBytes(item)
		actions[i].Put = item
	}
	largest := actions[0].Put["message"]
	actions[0].Put["message"] = text(backend.Text(actions[0].Put, "message") + "x")
	_, err := table.Transact(t.Context(), "one byte more", actions)
	wantKind(t, err, backend.KindInvalid)
	if n := count(t, b, "items"); n != 0 {
		t.Errorf("%d items were written", n)
	}
	actions[0].Put["message"] = largest
	if _, err := table.Transact(t.Context(), "4 MB", actions); err != nil {
		t.Error(err)
	}
}

func TestDigestOfATransactionStays(t *testing.T) {
	t.Parallel()
	key := backend.Key{PK: "p", SK: "s"}
	plans, err := planAll("token", []backend.Action{
		{Put: backend.Item{"PK": text("p"), "SK": text("s"), "n": number("1.0")}},
		{Put: backend.Item{"PK": text("p"), "SK": text("t")}, Condition: backend.Condition{Absent: true}},
		{Check: key, Condition: backend.Condition{Equals: backend.Item{"n": number("10e-1")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = "757a36275af05a74f5b588f8767e86ab24edadd0c3a66d9705a99bcbbc0d42d9"
	if got := fmt.Sprintf("%x", digestOf(7, plans)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}
