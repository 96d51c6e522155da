package postroom_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

func TestGroupsOfTwo(t *testing.T) {
	t.Parallel()
	m := messageBy(person(2))
	rows := postroom.Groups(m, people(2))
	for i, g := range rows {
		other := person(2 - i)
		want := postroom.Group{
			UserUUID: id(i + 1), LastReplyAt: m.CreatedAt, GroupUUID: m.GroupUUID,
			OtherUserUUID: other.UserUUID, OtherUserDisplayName: other.DisplayName, OtherUserHandle: other.Handle,
			LastMessage: "hello", LastMessageUserUUID: id(2), MemberCount: 2,
		}
		if g != want {
			t.Errorf("row %d:\n got %+v\nwant %+v", i, g, want)
		}
	}
}

func TestGroupsOfMany(t *testing.T) {
	t.Parallel()
	members := people(4)
	slices.Reverse(members)
	rows := postroom.Groups(messageBy(person(1)), members)
	g := rows[1]
	if g.UserUUID != id(3) {
		t.Fatalf("row 1 is of %s, not in the order of the members", g.UserUUID)
	}
	if g.OtherUserDisplayName != "Person 1, Person 2, Person 4" || g.OtherUserHandle != "p1, p2, p4" ||
		g.OtherUserUUID != "" || g.MemberCount != 4 {
		t.Errorf("others %q, %q, uuid %q of %d", g.OtherUserDisplayName, g.OtherUserHandle, g.OtherUserUUID, g.MemberCount)
	}

	rows = postroom.Groups(messageBy(person(1)), people(1000))
	if got := rows[999].OtherUserDisplayName; !strings.HasSuffix(got, "…") || len(got) > 160 {
		t.Errorf("999 names: %q, %d bytes", got, len(got))
	}
}

// Nobody sees their own name, in whatever order the members come, and every row
// costs one write unit.
func TestGroupsPerspectiveAndSize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := membersOf(2, 8).Draw(t, "members")
		for i := range members { // names that show their owner
			members[i].DisplayName = mark(i) + cutRunes(members[i].DisplayName, postroom.MaxNameRunes-len(mark(i)))
		}
		m := messageBy(rapid.SampledFrom(members).Draw(t, "sender"))
		m.Text = texts().Draw(t, "text")
		rows := postroom.Groups(m, members)
		shuffled := postroom.Groups(m, rapid.Permutation(members).Draw(t, "order"))
		for i, g := range rows {
			if g.UserUUID != members[i].UserUUID {
				t.Fatalf("row %d is of %s", i, g.UserUUID)
			}
			if strings.Contains(g.OtherUserDisplayName, mark(i)) || g.OtherUserUUID == g.UserUUID {
				t.Fatalf("%s sees their own name: %q", g.UserUUID, g.OtherUserDisplayName)
			}
			if !slices.Contains(shuffled, g) {
				t.Fatalf("the row of %s depends on the order of the members", g.UserUUID)
			}
			if size := backend.ItemBytes(g.Item()); size > 1<<10 {
				t.Fatalf("a row takes %d bytes", size)
			}
		}
	})
}

func mark(member int) string { return fmt.Sprintf("<member %d>", member) }

func cutRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// The largest row there can be.
func TestRowsStayUnderOneKB(t *testing.T) {
	t.Parallel()
	widest := strings.Repeat("\U0010FFFF", postroom.MaxNameRunes)
	for _, n := range []int{2, 3, 1000} {
		members := people(n)
		for i := range members {
			members[i].DisplayName, members[i].Handle = widest, widest
		}
		m := messageBy(members[0])
		m.Text = strings.Repeat("\U0010FFFF", 1000)
		for _, g := range postroom.Groups(m, members)[:2] {
			if size := backend.ItemBytes(g.Item()); size > 1<<10 {
				t.Errorf("of %d members: %d bytes", n, size)
			}
		}
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := texts().Draw(t, "text")
		p := postroom.Preview(s)
		switch {
		case len(s) <= postroom.PreviewBytes:
			if p != s {
				t.Fatalf("%q was cut to %q", s, p)
			}
		case len(p) > postroom.PreviewBytes || !utf8.ValidString(p):
			t.Fatalf("%q: %d bytes, valid UTF-8 %v", p, len(p), utf8.ValidString(p))
		default:
			head, ok := strings.CutSuffix(p, "…")
			if !ok || !strings.HasPrefix(s, head) {
				t.Fatalf("%q is not the beginning of %q with an ellipsis", p, s)
			}
			if next, size := utf8.DecodeRuneInString(s[len(head):]); len(p)+size <= postroom.PreviewBytes {
				t.Fatalf("there was room for %q", next)
			}
		}
	})
}
