package projection

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

func conversationAt(m postroom.Message, members []postroom.Member) *Conversation {
	c := &Conversation{Group: m.GroupUUID, opener: "MSG#opener", completed: true}
	c.Members = postroom.SortedMembers(members)
	c.head = &Head{Last: m.Position(), OpenedBy: c.opener, MovedAt: start}
	return c
}

// TestP12PlanOfAMove: a transaction takes the head, which is still as it was read, and
// 99 rows; the others follow in chunks of 99, each with a check of the head.
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
		p := planMove(c, ms[1], placement{}, start, "")
		var rest []int
		rows := map[backend.Key]bool{}
		for i, chunk := range p.chunks {
			if len(chunk) > backend.MaxTransact {
				t.Errorf("%d members: a transaction of %d actions", test.members, len(chunk))
			}
			if i == 0 && (chunk[0].Put == nil || !cmp.Equal(chunk[0].Condition, c.head.unchanged(), items)) {
				t.Errorf("%d members: the first transaction does not put the head over the one that was read: %+v", test.members, chunk[0])
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
		if len(rows) != test.members || len(p.left) != test.members {
			t.Errorf("%d members: %d rows put, %d deleted", test.members, len(rows), len(p.left))
		}
		for _, key := range p.left {
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
	c.head.Old = "of the move before, which is complete"
	p := planMove(c, ms[1], placement{}, start, "")
	if p.to.Old != "" || p.left != nil {
		t.Errorf("old is %q, %v would be deleted", p.to.Old, p.left)
	}
	if got := p.to.Row(c.Group); got != c.head.Row(c.Group) {
		t.Errorf("the rows went to %s", got)
	}
	if _, ok := p.chunks[0][0].Put[attrOld]; ok {
		t.Error("the head as it is stored has an old key")
	}
}

// TestP2PlanOfAFirstMove is fenced by the absence of a head.
func TestP2PlanOfAFirstMove(t *testing.T) {
	t.Parallel()
	m := conversationOf(1, 2, 1)[0]
	p := planMove(&Conversation{Group: m.GroupUUID, Members: m.Members, opener: m.Key()}, m, placement{}, start, "")
	if !p.chunks[0][0].Condition.Absent || p.to.Old != "" || p.left != nil || p.to.OpenedBy != m.Key() {
		t.Errorf("%+v", p)
	}
}

// TestP8HeadOfALaterVersion: what the mover does not know is carried along, and
// only that is kept in memory.
func TestP8HeadOfALaterVersion(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 2, 2)
	h := Head{
		Last: ms[0].Position(), Old: postroom.RowKey(start.Add(-time.Hour), ms[0].GroupUUID), OpenedBy: ms[0].Key(), open: true, MovedAt: start,
	}
	it := h.encode(ms[0].GroupUUID)
	plain, err := DecodeHead(it)
	if err != nil || plain.more != nil {
		t.Fatalf("%v, more %v", err, plain.more)
	}
	if diff := cmp.Diff(h, plain, cmp.AllowUnexported(Head{}, placement{})); diff != "" {
		t.Error(diff)
	}
	it["colour"] = item.String("blue")
	later, err := DecodeHead(it)
	if err != nil {
		t.Fatal(err)
	}
	c := conversationAt(ms[0], ms[0].Members)
	c.head = &later
	for _, put := range []backend.Item{planMove(c, ms[1], placement{}, start, "").chunks[0][0].Put, later.encode(ms[0].GroupUUID)} {
		if got := backend.Text(put, "colour"); got != "blue" {
			t.Errorf("colour is %q after the move", got)
		}
	}
}

func TestP15F11DamagedHeads(t *testing.T) {
	t.Parallel()
	m := conversationOf(1, 2, 1)[0]
	head := Head{Last: m.Position(), Old: postroom.RowKey(start.Add(-time.Hour), m.GroupUUID), OpenedBy: m.Key(), MovedAt: start}
	if _, err := DecodeHead(head.encode(m.GroupUUID)); err != nil {
		t.Fatal(err)
	}
	for name := range head.encode(m.GroupUUID) {
		if name == backend.AttrPK || name == backend.AttrSK {
			continue
		}
		for damage, value := range map[string]types.AttributeValue{
			"missing": nil, "empty": item.String(""), "text": item.String("MSG#o"), "number": item.Int(1),
			"another conversation's": item.String(postroom.RowKey(start.Add(-time.Hour), id(77))),
			"that of the rows":       item.String(head.Row(m.GroupUUID)),
		} {
			it := head.encode(m.GroupUUID)
			it[name] = value
			if value == nil {
				if name == attrOld {
					continue // a move may leave nothing
				}
				delete(it, name)
			}
			if h, err := DecodeHead(it); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %s: %+v, %v", name, damage, h, err)
			}
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
		p := planMove(c, to, placement{}, now, "")
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

// start is the time of the first message of every conversation.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// conversationOf makes messages of a conversation, a microsecond apart, the first
// of which names its members. Its uuids are derived from n.
func conversationOf(n, members, messages int) []postroom.Message {
	var all []postroom.Member
	for i := range members {
		all = append(all, postroom.Member{UserUUID: id(1000 + i), DisplayName: fmt.Sprint("user ", i), Handle: fmt.Sprint("@", i)})
	}
	var ms []postroom.Message
	for i := range messages {
		m := postroom.Message{
			GroupUUID: id(n), MessageUUID: id(n*100_000 + i), UserUUID: all[0].UserUUID,
			DisplayName: all[0].DisplayName, Handle: all[0].Handle,
			Text: fmt.Sprintf("message %d of %d", i, n), CreatedAt: start.Add(time.Duration(i) * time.Microsecond),
		}
		if i == 0 {
			m.Members = all
		}
		ms = append(ms, m)
	}
	return ms
}

// items compares attributes by their text.
var items = cmp.Comparer(func(a, b backend.Item) bool { return encoded(a) == encoded(b) })

func encoded(it backend.Item) string {
	data, err := backend.EncodeItem(it)
	return fmt.Sprintf("%s %v", data, err)
}

// A head says who moved it, which costs nothing and lasts until somebody else moves it: a
// program that does not know the attribute carries it along, and it is not believed then.
func TestMovedBy(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 2, 2)
	c := &Conversation{Group: ms[0].GroupUUID, Members: ms[0].Members, opener: ms[0].Key()}
	head := planMove(c, ms[0], placement{}, start, "host:1:a worker").chunks[0][0].Put
	h, err := DecodeHead(head)
	if err != nil || h.MovedBy != "host:1:a worker" || h.more != nil {
		t.Fatalf("%+v, %v", h, err)
	}
	if _, there := planMove(c, ms[0], placement{}, start, "").chunks[0][0].Put[attrMovedBy]; there {
		t.Error("a worker without a name is named")
	}
	head[attrMovedAt] = item.String(postroom.FormatTime(start.Add(time.Second))) // by an older program
	if h, err = DecodeHead(head); err != nil || h.MovedBy != "" || h.more != nil {
		t.Errorf("%+v, %v", h, err)
	}
	if p := New(nil).By(strings.Repeat("é", 100)); len(p.by) > maxName || !utf8.ValidString(p.by) {
		t.Errorf("a name of %d bytes", len(p.by))
	}
	if by := New(nil).By("w").Through(nil).by; by != "w" {
		t.Errorf("through another table the name is %q", by)
	}
}
