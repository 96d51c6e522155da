package projector

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

func conversationAt(m postroom.Message, members []postroom.Member) *conversation {
	c := &conversation{group: m.GroupUUID, opener: "MSG#opener", settled: true}
	c.join(members)
	c.head = &head{last: m.Position(), openedBy: c.opener, movedAt: start}
	return c
}

// TestP12PlanOfAMove: a transaction takes the head and 99 rows; the others
// follow in chunks of 99, each with a check of the head.
func TestP12PlanOfAMove(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		members int
		rest    []int
		open    bool
	}{
		{2, nil, false}, {99, nil, false}, {100, []int{1}, true}, {198, []int{99}, true},
		{237, []int{99, 39}, true}, {1000, []int{99, 99, 99, 99, 99, 99, 99, 99, 99, 10}, true},
	} {
		ms := conversationOf(1, test.members, 2)
		c := conversationAt(ms[0], ms[0].Members)
		p := planMove(c, ms[1], start)
		var rest []int
		rows := map[backend.Key]bool{}
		for i, chunk := range append([][]backend.Action{p.first}, p.rest...) {
			if len(chunk) > backend.MaxTransact {
				t.Errorf("%d members: a transaction of %d actions", test.members, len(chunk))
			}
			if i > 0 {
				rest = append(rest, len(chunk)-1)
				if diff := cmp.Diff(p.to.unchanged().Equals, chunk[0].Condition.Equals, items); diff != "" || chunk[0].Put != nil {
					t.Errorf("%d members: chunk %d does not check the head: %s", test.members, i, diff)
				}
			}
			for _, a := range chunk[1:] {
				rows[backend.KeyOf(a.Put)] = true
			}
		}
		if diff := cmp.Diff(test.rest, rest); diff != "" || p.to.open != test.open {
			t.Errorf("%d members: open %t, chunks %s", test.members, p.to.open, diff)
		}
		if len(rows) != test.members || len(p.behind) != test.members {
			t.Errorf("%d members: %d rows put, %d deleted", test.members, len(rows), len(p.behind))
		}
		for _, key := range p.behind {
			if rows[key] {
				t.Errorf("%d members: %v is put and deleted", test.members, key)
			}
		}
	}
}

// TestP4RowsOfOneTimeStay: a second message of the same microsecond keeps the
// rows' key and leaves nothing behind.
func TestP4RowsOfOneTimeStay(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 2, 2)
	ms[1].CreatedAt = ms[0].CreatedAt
	c := conversationAt(ms[0], ms[0].Members)
	c.head.old = "of the move before, which is settled"
	p := planMove(c, ms[1], start)
	if p.to.old != "" || p.behind != nil {
		t.Errorf("old is %q, %v would be deleted", p.to.old, p.behind)
	}
	if got := p.to.row(c.group); got != c.head.row(c.group) {
		t.Errorf("the rows went to %s", got)
	}
	if _, ok := p.first[0].Put[attrOld]; ok {
		t.Error("the head as it is stored has an old key")
	}
	inBubbleSub(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		r.post(ms[0])
		r.settled()
		r.post(ms[1])
		r.settled()
		r.wantLast(ms[1], 2)
	})
}

// TestP2PlanOfAFirstMove is fenced by the absence of a head.
func TestP2PlanOfAFirstMove(t *testing.T) {
	t.Parallel()
	m := conversationOf(1, 2, 1)[0]
	p := planMove(&conversation{group: m.GroupUUID, members: m.Members, opener: m.Key()}, m, start)
	if !p.first[0].Condition.Absent || p.to.old != "" || p.behind != nil || p.to.openedBy != m.Key() {
		t.Errorf("%+v", p)
	}
}

// TestP6FoldTakesTheNewest in whatever order messages arrived; of one time the
// uuid decides.
func TestP6FoldTakesTheNewest(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 2, 4)
	ms[3].CreatedAt = ms[2].CreatedAt // its uuid is the greater one
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}} {
		var entries []*entry
		for _, i := range order {
			entries = append(entries, newEntry(ms[i], nil, nil))
		}
		if got := newest(entries).MessageUUID; got != ms[3].MessageUUID {
			t.Errorf("order %v: the newest is %s", order, got)
		}
	}
}

// TestP8HeadOfALaterVersion: what the mover does not know is carried along, and
// only that is kept in memory.
func TestP8HeadOfALaterVersion(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 2, 2)
	h := head{last: ms[0].Position(), old: "k", openedBy: "MSG#o", open: true, movedAt: start}
	item := h.encode(id(1))
	plain, err := decodeHead(item)
	if err != nil || plain.more != nil {
		t.Fatalf("%v, more %v", err, plain.more)
	}
	if diff := cmp.Diff(h, plain, cmp.AllowUnexported(head{})); diff != "" {
		t.Error(diff)
	}
	item["colour"] = text("blue")
	later, err := decodeHead(item)
	if err != nil {
		t.Fatal(err)
	}
	c := conversationAt(ms[0], ms[0].Members)
	c.head = &later
	for _, put := range []backend.Item{planMove(c, ms[1], start).first[0].Put, later.encode(id(1))} {
		if got := backend.Text(put, "colour"); got != "blue" {
			t.Errorf("colour is %q after the move", got)
		}
	}
}

func TestP15DamagedHeads(t *testing.T) {
	t.Parallel()
	for _, name := range []string{attrLastReplyAt, attrLastMessageUUID, attrOpenedBy, attrMovedAt} {
		item := head{last: conversationOf(1, 2, 1)[0].Position(), openedBy: "MSG#o", movedAt: start}.encode(id(1))
		delete(item, name)
		if _, err := decodeHead(item); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestP10Tokens: the retries of one plan share them, two plans never do.
func TestP10Tokens(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 237, 3)
	other := conversationOf(2, 237, 3)
	seen := map[string]string{}
	note := func(what string, token string) {
		if len(token) == 0 || len(token) > 36 {
			t.Errorf("%s: token %q", what, token)
		}
		if before, ok := seen[token]; ok {
			t.Errorf("%s and %s share a token", before, what)
		}
		seen[token] = what
	}
	plan := func(what string, from, to postroom.Message, now time.Time) {
		c := conversationAt(from, ms[0].Members)
		p := planMove(c, to, now)
		for chunk := range 3 {
			token := tokens(c, p.to)(chunk)
			if again := tokens(c, p.to)(chunk); again != token {
				t.Errorf("%s: a retry has another token", what)
			}
			note(what, token)
		}
	}
	plan("a move", ms[0], ms[1], start)
	plan("another target", ms[0], ms[2], start)
	plan("another source", ms[1], ms[2], start)
	plan("another time", ms[0], ms[1], start.Add(1))
	plan("another conversation", other[0], other[1], start)
}

// TestSettlingPutsBeforeItDeletes stops a move of two transactions after the
// first, and then the settling of it wherever it puts: every member has a row all
// the while, the new one or the one that was left.
func TestSettlingPutsBeforeItDeletes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 150, 2)
		r.project(ms[0])
		r.post(ms[1])
		ctx, mover := t.Context(), r.p.mover
		wantRows := func(when string) {
			t.Helper()
			users := map[string]bool{}
			for _, item := range r.store.Items("t") {
				if g, err := postroom.GroupFromItem(item); err == nil {
					users[g.UserUUID] = true
				}
			}
			if len(users) != 150 {
				t.Errorf("%s, %d of 150 members have a row", when, len(users))
			}
		}
		look := func() *conversation {
			t.Helper()
			c, err := mover.look(ctx, ms[0].GroupUUID)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := look()
		if err := mover.settle(ctx, c); err != nil {
			t.Fatal(err)
		}
		// failAfter lets so many transactions through.
		failAfter := func(n int) {
			r.table.set(func() {
				r.table.onTransact = func([]backend.Action) error {
					if n--; n < 0 {
						return failure(backend.KindDenied)
					}
					return nil
				}
			})
		}
		failAfter(1)
		if err := mover.move(ctx, c, ms[1], start); backend.KindOf(err) != backend.KindDenied {
			t.Fatalf("the move ended with %v", err)
		}
		wantRows("after half a move")
		for n := range 2 { // two chunks are put again
			failAfter(n)
			if err := mover.settle(ctx, look()); backend.KindOf(err) != backend.KindDenied {
				t.Fatalf("settling ended with %v after %d transactions", err, n)
			}
			wantRows("after settling was stopped")
		}
		r.table.set(func() { r.table.onTransact = nil })
		if err := mover.settle(ctx, look()); err != nil {
			t.Fatal(err)
		}
		r.wantLast(ms[1], 150)
	})
}
