package directory_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/internal/sim"
)

func TestFill(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		ctx, d := t.Context(), open(table)
		person := func(user, name, handle string) postroom.Member {
			return postroom.Member{UserUUID: user, DisplayName: name, Handle: handle}
		}
		fill := func(want directory.Filled, messages ...postroom.Message) {
			t.Helper()
			f := d.Filler()
			for _, m := range messages {
				must(t, f.See(ctx, m))
			}
			must(t, f.Flush(ctx))
			must(t, f.Flush(ctx)) // has nothing left
			if f.Written != want.Written || f.Without != want.Without || (f.Example == nil) != (want.Without == 0) {
				t.Errorf("filled %+v, want %+v", f.Filled, want)
			}
			consistent(t, scan(t, table))
		}
		from := func(p postroom.Member, at int, members ...postroom.Member) postroom.Message {
			return postroom.Message{UserUUID: p.UserUUID, DisplayName: p.DisplayName, Handle: p.Handle, CreatedAt: minute(at), Members: members}
		}
		profile := func(user, name, handle string, created, updated int) directory.Profile {
			return directory.Profile{UserUUID: user, DisplayName: name, Handle: handle, CreatedAt: minute(created), UpdatedAt: minute(updated)}
		}
		has := func(want ...directory.Profile) {
			t.Helper()
			found, err := d.Get(ctx, ada, bob, chloe)
			must(t, err)
			for _, p := range want {
				same(t, p.DisplayName, found[p.UserUUID], p)
			}
			same(t, "profiles", len(found), len(want))
		}
		_, err := d.Add(ctx, directory.Profile{UserUUID: chloe, DisplayName: "Chloe"}) // at minute 1
		must(t, err)
		first := []postroom.Message{
			from(person(ada, "Ada", "@ada"), 5),
			from(person(bob, "Bob", "@bob"), 2, person(ada, "Old Ada", "@old"), person(bob, "Bob", "@bob"), person(chloe, "C", "@c")),
			from(person(chloe, "Older", "@older"), 0),
		}
		fill(directory.Filled{Written: 3}, first...)
		has(profile(ada, "Ada", "ada", 5, 5), profile(bob, "Bob", "bob", 2, 2), profile(chloe, "C", "c", 1, 2))
		fill(directory.Filled{}, first...)
		fill(directory.Filled{Written: 1, Without: 2}, from(person(ada, "Ada", "@BOB"), 6), from(person(bob, "a\x1bb", "a b"), 6))
		has(profile(ada, "Ada", "ada", 5, 5), profile(bob, "22222222", "bob", 2, 6), profile(chloe, "C", "c", 1, 2))
		fill(directory.Filled{}, from(person(bob, "Late", "@late"), 4))

		damage(t, table, backend.Key{PK: "usr#" + ada, SK: "PROFILE"}, "display_name")
		fill(directory.Filled{Written: 1}, from(person(ada, "Ada", "@ada"), 7), from(person(bob, "Bob", "@robert"), 7))
		if p, err := d.ByHandle(ctx, "robert"); err != nil || p.UserUUID != bob {
			t.Errorf("robert is %+v, %v", p, err)
		}
	})
}

// TestFillIsBounded: of more people than it holds a filler writes those it has before it
// goes on, and the names are right all the same.
func TestFillIsBounded(t *testing.T) {
	t.Parallel()
	d := open(sim.NewStore(1).Table("t"))
	f := d.Filler()
	const people = 1<<14 + 10
	user := func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }
	for n := range people {
		must(t, f.See(t.Context(), postroom.Message{UserUUID: user(n), DisplayName: "N", Handle: "@n", CreatedAt: minute(9)}))
	}
	if f.Written != 1<<14 {
		t.Errorf("%d were written before the end", f.Written)
	}
	must(t, f.See(t.Context(), postroom.Message{UserUUID: user(1), DisplayName: "Older", Handle: "@older", CreatedAt: minute(8)}))
	must(t, f.Flush(t.Context()))
	if f.Written != people || f.Without != people-1 {
		t.Errorf("%d were written, %d without a handle", f.Written, f.Without)
	}
	found, err := d.Get(t.Context(), user(0), user(1), user(people-1))
	must(t, err)
	if found[user(0)].Handle != "n" || found[user(1)].DisplayName != "N" || found[user(people-1)].Handle != "" {
		t.Errorf("found %+v", found)
	}
}

// TestFillAndRename: a user who is renamed while an import writes the profile stays renamed.
func TestFillAndRename(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, table backend.Table) {
		d, meanwhile := open(table), true
		slow := backend.Intercept(table, func(ctx context.Context, c *backend.TableCall, next func(context.Context) error) error {
			if c.Op == "Get" && meanwhile { // the profiles were read, in a batch
				meanwhile = false
				_, err := d.Put(ctx, directory.Profile{UserUUID: ada, DisplayName: "Countess", Handle: "ada"})
				must(t, err)
			}
			return next(ctx)
		})
		f := open(slow).Filler()
		must(t, f.See(t.Context(), postroom.Message{UserUUID: ada, DisplayName: "Ada", Handle: "@lovelace", CreatedAt: minute(0)}))
		must(t, f.Flush(t.Context()))
		found, err := d.Get(t.Context(), ada)
		must(t, err)
		same(t, "names", found[ada].DisplayName+" "+found[ada].Handle, "Countess ada")
	})
}
