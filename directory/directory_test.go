package directory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/internal/item"
)

func minute(n int) time.Time { return time.Date(2026, 5, 21, 10, n, 0, 0, time.UTC) }

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(directory.Profile{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func refuses(t *testing.T, what string, err, want error, part string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), part) {
		t.Errorf("%s: %v, want %v and %q", what, err, want, part)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		ctx, d := t.Context(), open(table)
		want := directory.Profile{UserUUID: ada, DisplayName: "Ada Lovelace", Handle: "Ada", CreatedAt: minute(1), UpdatedAt: minute(1)}
		got, err := d.Add(ctx, directory.Profile{UserUUID: ada, DisplayName: "Ada Lovelace", Handle: "@Ada"})
		must(t, err)
		same(t, "added", got, want)
		got, err = d.Add(ctx, directory.Profile{UserUUID: ada, DisplayName: "Ada Lovelace", Handle: "@Ada"})
		must(t, err)
		same(t, "added again", got, want)
		_, err = d.Add(ctx, directory.Profile{UserUUID: ada, DisplayName: "Ada"})
		refuses(t, "another one", err, directory.ErrExists, ada)
		_, err = d.Add(ctx, directory.Profile{UserUUID: bob, DisplayName: "Bob", Handle: "aDA"})
		refuses(t, "a handle that is taken", err, directory.ErrTaken, ada)

		const did = "did:web:example.com"
		foreign, err := directory.ParseDID(did)
		must(t, err)
		other, err := d.Put(ctx, directory.Profile{UserUUID: foreign, DisplayName: "Eve", ForeignDID: did})
		must(t, err)
		found, err := d.Get(ctx, ada, bob, foreign, ada)
		must(t, err)
		same(t, "found", found, map[string]directory.Profile{ada: want, foreign: other})
		same(t, "dids", []string{found[ada].DID(), found[foreign].DID()}, []string{"did:postroom:" + ada, did})
		for _, handle := range []string{"ada", "@ADA"} {
			got, err := d.ByHandle(ctx, handle)
			must(t, err)
			same(t, "by handle", got, want)
		}
		_, err = d.ByHandle(ctx, "bob")
		refuses(t, "a handle of nobody", err, directory.ErrNotFound, "bob")
	})
}

func TestRename(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		ctx, d := t.Context(), open(table)
		_, err := d.Rename(ctx, ada, directory.Names{Handle: "ada"})
		refuses(t, "nobody", err, directory.ErrNotFound, ada)
		_, err = d.Add(ctx, directory.Profile{UserUUID: ada, DisplayName: "Ada", Handle: "ada"})
		must(t, err)
		_, err = d.Add(ctx, directory.Profile{UserUUID: bob, DisplayName: "Bob", Handle: "bob"})
		must(t, err)
		_, err = d.Rename(ctx, bob, directory.Names{Handle: "Ada"})
		refuses(t, "a handle that is taken", err, directory.ErrTaken, ada)

		before := handleItem(t, table, "ada")
		got, err := d.Rename(ctx, ada, directory.Names{Handle: "ADA"})
		must(t, err)
		same(t, "by case only", got.Handle, "ADA")
		if after := handleItem(t, table, "ada"); !backend.EqualItems(before, after) {
			t.Errorf("the item of the handle became %v", after)
		}
		got, err = d.Rename(ctx, ada, directory.Names{Handle: "lovelace", DisplayName: "Countess"})
		must(t, err)
		if got.CreatedAt != minute(2) || !got.UpdatedAt.After(got.CreatedAt) || got.DisplayName != "Countess" {
			t.Errorf("renamed to %+v", got)
		}
		if handleItem(t, table, "ada") != nil {
			t.Error("the old handle is not free")
		}
		_, err = d.Rename(ctx, bob, directory.Names{Handle: "ada"})
		must(t, err)
		got, err = d.Put(ctx, directory.Profile{UserUUID: bob, DisplayName: "Bob"})
		must(t, err)
		if got.Handle != "" || handleItem(t, table, "ada") != nil || handleItem(t, table, "bob") != nil {
			t.Errorf("Bob gave up his handles and has %+v", got)
		}
		consistent(t, scan(t, table))
	})
}

func handleItem(t *testing.T, table backend.Table, folded string) backend.Item {
	t.Helper()
	it, _, err := table.Get(t.Context(), backend.Key{PK: "handle#" + folded, SK: "HANDLE"})
	must(t, err)
	return it
}

func scan(t *testing.T, table backend.Table) []backend.Item {
	t.Helper()
	page, err := table.Scan(t.Context(), backend.Scan{Consistent: true})
	must(t, err)
	return page.Items
}

// consistent checks that profiles and handles name each other.
func consistent(t *testing.T, items []backend.Item) {
	t.Helper()
	if what := inconsistency(items); what != "" {
		t.Error(what)
	}
}

func inconsistency(items []backend.Item) string {
	owners, named := map[string]string{}, map[string]string{}
	for _, it := range items {
		switch key := backend.KeyOf(it); key.SK {
		case "PROFILE":
			if folded := backend.Text(it, "handle_folded"); folded != "" {
				named[folded+" "+strings.TrimPrefix(key.PK, "usr#")] = ""
			}
		case "HANDLE":
			owners[strings.TrimPrefix(key.PK, "handle#")+" "+backend.Text(it, "user_uuid")] = ""
		}
	}
	return cmp.Diff(named, owners)
}

func TestAll(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		ctx, d := t.Context(), open(table)
		var users []string
		for n := range 7 {
			users = append(users, fmt.Sprintf("%08x-0000-4000-8000-000000000000", n))
			_, err := d.Put(ctx, directory.Profile{UserUUID: users[n], DisplayName: "N", Handle: fmt.Sprint("n", n)})
			must(t, err)
		}
		var all []string
		for after := ""; ; after = all[len(all)-1] { // one at a time
			n := len(all)
			for p, err := range d.All(ctx, after) {
				must(t, err)
				all = append(all, p.UserUUID)
				break
			}
			if len(all) == n {
				break
			}
		}
		slices.Sort(all)
		same(t, "all", all, users)
	})
}

func TestWhatCannotBe(t *testing.T) {
	t.Parallel()
	ctx, d := t.Context(), open(nil) // no call is made
	for part, p := range map[string]directory.Profile{
		"uuid":                  {UserUUID: "x", DisplayName: "X"},
		"display name":          {UserUUID: ada},
		"Cyrillic":              {UserUUID: ada, DisplayName: "X", Handle: "\u0430da"},
		"that of user":          {UserUUID: ada, DisplayName: "X", ForeignDID: "did:web:example.com"},
		"begin with did":        {UserUUID: ada, DisplayName: "X", ForeignDID: "x"},
		"not foreign":           {UserUUID: ada, DisplayName: "X", ForeignDID: directory.UserDID(ada)},
		"changes the direction": {UserUUID: ada, DisplayName: "\u202eX"},
	} {
		_, err := d.Add(ctx, p)
		refuses(t, "Add", err, directory.ErrInvalid, part)
		_, err = d.Put(ctx, p)
		refuses(t, "Put", err, directory.ErrInvalid, part)
	}
	_, err := d.Rename(ctx, "x", directory.Names{})
	refuses(t, "Rename", err, directory.ErrInvalid, "uuid")
	_, err = d.Rename(ctx, ada, directory.Names{Handle: "a b"})
	refuses(t, "Rename", err, directory.ErrInvalid, "white space")
	_, err = d.Rename(ctx, ada, directory.Names{DisplayName: "\n"})
	refuses(t, "Rename", err, directory.ErrInvalid, "control")
	_, err = d.Get(ctx, ada, "x")
	refuses(t, "Get", err, directory.ErrInvalid, "uuid")
	_, err = d.ByHandle(ctx, "a b")
	refuses(t, "ByHandle", err, directory.ErrInvalid, "white space")
	for _, err := range d.All(ctx, "x") {
		refuses(t, "All", err, directory.ErrInvalid, "uuid")
	}
}

// damage changes an attribute of an item.
func damage(t *testing.T, table backend.Table, key backend.Key, name string) {
	t.Helper()
	it, _, err := table.Get(t.Context(), key)
	must(t, err)
	it[name] = item.String("\n")
	_, err = table.Put(t.Context(), it, backend.Condition{})
	must(t, err)
}

// TestDamaged: what is damaged is named, stands in the way of nothing else, and is written
// anew by a Put of its user.
func TestDamaged(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		ctx, d := t.Context(), open(table)
		profile := func(user, handle string) directory.Profile {
			return directory.Profile{UserUUID: user, DisplayName: "X", Handle: handle}
		}
		put := func(user, handle string) error {
			_, err := d.Put(ctx, profile(user, handle))
			return err
		}
		must(t, put(ada, "ada"))
		must(t, put(bob, "bob"))
		damaged := func(what string, err error, pk string) {
			t.Helper()
			if e, ok := errors.AsType[*directory.DamageError](err); !ok || e.Key.PK != pk {
				t.Errorf("%s: %v, want the damage of %s", what, err, pk)
			}
		}

		damage(t, table, backend.Key{PK: "handle#ada", SK: "HANDLE"}, "user_uuid")
		_, err := d.ByHandle(ctx, "ada")
		damaged("a handle", err, "handle#ada")
		damaged("another user's handle", put(bob, "ada"), "handle#ada")
		must(t, put(ada, "ada"))
		consistent(t, scan(t, table))
		damage(t, table, backend.Key{PK: "handle#ada", SK: "HANDLE"}, "user_uuid")
		must(t, put(ada, "lovelace"))
		consistent(t, scan(t, table))

		damage(t, table, backend.Key{PK: "usr#" + ada, SK: "PROFILE"}, "display_name")
		_, err = d.Rename(ctx, ada, directory.Names{Handle: "ada"})
		damaged("a profile", err, "usr#"+ada)
		_, err = d.Add(ctx, profile(ada, "ada"))
		damaged("a profile", err, "usr#"+ada)
		refuses(t, "what a damaged profile may have", put(bob, "lovelace"), directory.ErrTaken, ada)
		got, err := d.Get(ctx, ada, bob)
		damaged("among two", err, "usr#"+ada)
		same(t, "the others", len(got), 1)
		n := 0
		for _, err := range d.All(ctx, "") {
			if n++; err != nil {
				damaged("among all", err, "usr#"+ada)
			}
		}
		same(t, "all", n, 2)
		must(t, put(ada, "ada")) // leaves handle#lovelace
		_, err = d.ByHandle(ctx, "lovelace")
		refuses(t, "a handle that is left over", err, directory.ErrNotFound, "lovelace")
		must(t, put(bob, "lovelace"))
		consistent(t, scan(t, table))
	})
}

// TestLeftOverHandleComesBack: a handle that is left over is not taken if its user takes it
// back at the same time.
func TestLeftOverHandleComesBack(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		ctx, d := t.Context(), open(table)
		for _, user := range []string{ada, bob} {
			_, err := d.Put(ctx, directory.Profile{UserUUID: user, DisplayName: "X"})
			must(t, err)
		}
		left := item.New(backend.Key{PK: "handle#ada", SK: "HANDLE"}, 1)
		left["user_uuid"] = item.String(ada)
		_, err := table.Put(ctx, left, backend.Condition{})
		must(t, err)
		meanwhile := true
		slow := backend.Intercept(table, func(ctx context.Context, c *backend.TableCall, next func(context.Context) error) error {
			if c.Op == "Transact" && meanwhile {
				meanwhile = false
				_, err := d.Rename(ctx, ada, directory.Names{Handle: "ada"})
				must(t, err)
			}
			return next(ctx)
		})
		_, err = open(slow).Rename(ctx, bob, directory.Names{Handle: "ada"})
		refuses(t, "taken back", err, directory.ErrTaken, ada)
		consistent(t, scan(t, table))
	})
}

// TestNewerFormat: what a newer program has written is neither damaged nor replaced.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		ctx, d := t.Context(), open(table)
		for _, key := range []backend.Key{{PK: "usr#" + ada, SK: "PROFILE"}, {PK: "handle#bob", SK: "HANDLE"}} {
			_, err := table.Put(ctx, item.New(key, 9), backend.Condition{})
			must(t, err)
		}
		newer := func(_ any, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), "use a newer program") {
				t.Error(err)
			}
		}
		newer(d.Get(ctx, ada))
		newer(d.ByHandle(ctx, "bob"))
		newer(d.Put(ctx, directory.Profile{UserUUID: ada, DisplayName: "Ada"}))
		newer(d.Put(ctx, directory.Profile{UserUUID: bob, DisplayName: "Bob", Handle: "bob"}))
	})
}
