package postroom_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

var views = []postroom.View{
	{Name: postroom.DefaultView, Format: postroom.PlainRows},
	{Name: "a", Format: postroom.PlainRows},
	{Name: "ten-bytes2", Format: postroom.RowsWithUUID},
}

// TestRowsOfViews: the rows of every view come back as they were stored, are under the keys
// of that view alone, and cost one write unit each.
func TestRowsOfViews(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := membersOf(2, 8).Draw(t, "members")
		m := messageBy(rapid.SampledFrom(members).Draw(t, "sender"))
		m.Text = texts().Draw(t, "text")
		for _, v := range views {
			for _, g := range v.Groups(m, members) {
				it := v.Item(g)
				if size := backend.ItemBytes(it); size > 1<<10 {
					t.Fatalf("a row of view %s takes %d bytes", v.Name, size)
				}
				if back, err := v.GroupFromItem(it); err != nil || back != g {
					t.Fatalf("%+v, %v, want %+v", back, err, g)
				}
				if name, user, ok := postroom.ParseInboxKey(backend.KeyOf(it).PK); !ok || name != v.Name || user != g.UserUUID {
					t.Fatalf("%v is of the user %s in the view %s, %t", backend.KeyOf(it), user, name, ok)
				}
				if want := v.Format == postroom.RowsWithUUID; (g.LastMessageUUID == m.MessageUUID) != want || (g.LastMessageUUID != "") != want {
					t.Fatalf("view %s: %+v", v.Name, g)
				}
				for _, o := range views {
					if _, err := o.GroupFromItem(it); o.Name != v.Name && err == nil {
						t.Fatalf("a row of view %s is one of view %s", v.Name, o.Name)
					}
				}
			}
		}
	})
}

func TestRowWithAWrongUUID(t *testing.T) {
	t.Parallel()
	v := views[2]
	g := v.Groups(messageBy(person(1)), people(2))[0]
	g.LastMessageUUID = "nobody's"
	if _, err := v.GroupFromItem(v.Item(g)); err == nil || !strings.Contains(err.Error(), "last_message_uuid") {
		t.Error(err)
	}
}

func TestViewIsValid(t *testing.T) {
	t.Parallel()
	for _, v := range views {
		if err := v.Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, v := range []postroom.View{
		{Name: "", Format: 1},
		{Name: "eleven-byte", Format: 1},
		{Name: "a#b", Format: 1},
		{Name: "A", Format: 1},
		{Name: "a", Format: 0},
		{Name: postroom.DefaultView, Format: 2},
		{Name: "a", Format: 99},
	} {
		if err := v.Validate(); err == nil || errors.Is(err, postroom.ErrNewerView) != (v.Format == 99) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

func TestParseInboxKey(t *testing.T) {
	t.Parallel()
	for _, pk := range []string{"", id(1), "grp", "grp.", "grp.#" + id(1), "grp.a", "grp.A#" + id(1), "grp.default#" + id(1), "views"} {
		if view, user, ok := postroom.ParseInboxKey(pk); ok {
			t.Errorf("%q is the inbox of %q in the view %q", pk, user, view)
		}
	}
}
