package main

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	usersOn(s)
}

func TestUsersOnAWS(t *testing.T) {
	emulators.Start(t)
	s := newShell(t)
	s.ok("provision", "--backend", "aws", "--deletion-protection=false", "--table", "users")
	usersOn(s, "--backend", "aws", "--table", "users")
	s.ok("destroy", "--backend", "aws", "--table", "users")
}

// usersOn adds, shows, renames and lists users.
func usersOn(s *shell, on ...string) {
	s.t.Helper()
	with := func(args ...string) []string { return append(append([]string{"user"}, args...), on...) }
	one := func(args ...string) profileJSON {
		s.t.Helper()
		got := lines[profileJSON](s.t, s.ok(with(append(args, "--json")...)...))
		if len(got) != 1 {
			s.t.Fatalf("%v printed %+v", args, got)
		}
		return got[0]
	}
	added := one("add", ada, "--name", "Ada Lovelace", "--handle", "@Ada")
	if diff := cmp.Diff(profileJSON{UserUUID: ada, DisplayName: "Ada Lovelace", Handle: "Ada", DID: "did:postroom:" + ada, CreatedAt: added.CreatedAt, UpdatedAt: added.CreatedAt}, added); diff != "" {
		s.t.Errorf("added (-want +got):\n%s", diff)
	}
	if again := one("add", "did:postroom:"+ada, "--name", "Ada Lovelace", "--handle", "Ada"); again != added {
		s.t.Errorf("added again: %+v", again)
	}
	for _, user := range []string{ada, "ada", "@ADA", "did:postroom:" + ada} {
		if shown := one("show", user); shown != added {
			s.t.Errorf("show %s: %+v", user, shown)
		}
	}
	eve := one("add", "did:web:example.com", "--handle", "eve")
	if eve.DID != "did:web:example.com" || eve.DisplayName != "eve" || postroom.CheckUUID(eve.UserUUID) != nil {
		s.t.Errorf("a foreign user: %+v", eve)
	}
	s.failed("user rename", with("add", ada, "--name", "Ada")...)
	s.failed("the handle is taken: it is that of user "+ada+": choose another one", with("add", bob, "--handle", "ADA")...)
	s.failed("taken", with("rename", "eve", "--handle", "ada")...)
	s.failed("not in the directory", with("show", bob)...)
	s.failed("not in the directory", with("rename", "@bob", "--name", "Bob")...)
	if renamed := one("rename", "ada", "--handle", "lovelace"); renamed.Handle != "lovelace" || renamed.DisplayName != added.DisplayName || renamed.UpdatedAt <= added.UpdatedAt {
		s.t.Errorf("renamed: %+v", renamed)
	}
	one("add", bob, "--name", "Bob", "--handle", "ada") // is free

	var listed []string
	for cursor := []string{}; len(listed) < 4; {
		page := lines[struct {
			UserUUID string `json:"user_uuid"`
			Cursor   string `json:"next_cursor"`
		}](s.t, s.ok(with(append([]string{"list", "--json", "--limit", "1"}, cursor...)...)...))
		listed = append(listed, page[0].UserUUID)
		if len(page) == 1 {
			break
		}
		cursor = []string{"--cursor", page[1].Cursor}
	}
	if len(listed) != 3 {
		s.t.Errorf("listed %v", listed)
	}
	if out := s.ok(with("list")...); !strings.Contains(out, "@lovelace") || strings.Count(out, "\n") != 4 {
		s.t.Errorf("list printed %s", out)
	}
}

func TestUsersWrongUsage(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for want, args := range map[string]string{
		"must be add, list, show or rename":  "user frob",
		"USER is missing":                    "user add --name X",
		"--name or --handle is missing":      "user add " + ada,
		"USER: ":                             "user add ada --name X",
		"USER: DID":                          "user add did:x --name X",
		"is Latin among Cyrillic":            "user add " + ada + " --handle \u0430da",
		"--name: the display name is empty":  "user rename ada --name=",
		"--handle: handle":                   "user rename ada --handle=",
		"USER: handle \"a#b\": character 2":  "user show a#b",
		"USER: DID \"did:plc:\"":             "user show did:plc:",
		"--cursor: \"x\" is not a canonical": "user list --cursor x",
		"--limit is 0":                       "user list --limit 0",
	} {
		r := s.run(strings.Fields(args)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d, %s, want %q", args, r.code, r.stderr, want)
		}
	}
}

// TestUsersDamaged: an operator learns which item is damaged, and how to have it written
// anew.
func TestUsersDamaged(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if r := s.run("user", "list"); r.code != exitFailed || !strings.Contains(r.stderr, "no data file") {
		t.Errorf("without a file: %+v", r)
	}
	s.ok("provision")
	if r := s.run("user", "list"); r.code != exitDone || !strings.Contains(r.stderr, "No users") {
		t.Errorf("of nobody: %+v", r)
	}
	add := []string{"user", "add", ada, "--name", "\u200fAda", "--handle", "ada"}
	damage := func(key backend.Key, name string) {
		s.onTable(defaultTable, func(ctx context.Context, table backend.Table) error {
			it, _, err := table.Get(ctx, key)
			if err != nil {
				return err
			}
			it[name] = item.String("\x1b")
			_, err = table.Put(ctx, it, backend.Condition{})
			return err
		})
	}
	s.ok(add...)
	damage(backend.Key{PK: "handle#ada", SK: "HANDLE"}, "user_uuid")
	s.failed(`the item "handle#ada", "HANDLE" is damaged`, "user", "show", "ada")
	s.failed("`postroom user add` with the names of the user whose it is writes it anew", "user", "show", "ada")
	s.ok(add...)
	s.ok("user", "show", "ada")
	damage(backend.Key{PK: "usr#" + ada, SK: "PROFILE"}, "display_name")
	s.failed(`"PROFILE" is damaged`, "user", "show", ada)
	s.failed("could not be read and were left out", "user", "list")
	if r := s.run(add...); r.code != exitDone || !strings.Contains(r.stderr, "is replaced") {
		t.Errorf("added anew: %+v", r)
	}
	s.ok("user", "list")
}

// TestUsersAreNoMessages: what the directory keeps in the table of the log is nothing to
// the projectors, and to what goes through the whole table.
func TestUsersAreNoMessages(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("user", "add", ada, "--name", "Ada", "--handle", "ada")
	s.ok("user", "add", chloe, "--name", "Chloe")
	before := directoryItems(s)
	if len(before) != 3 {
		t.Fatalf("the directory is %v", before)
	}
	if told := lines[postroom.Notification](t, s.pipeline()); len(told) != 1 {
		t.Errorf("notified of %+v", told)
	}
	const counts = `"messages":1,"conversations":1,"group_items":2`
	for _, args := range []string{
		"verify --json", "verify --json --repair", "rebuild --all --json", "rebuild --shadow new --json", "replay --from 2000-01-01T00:00:00Z --json",
		"repair --json", "verify --json", "project --until-idle --idle-after 50ms",
	} {
		out := s.ok(strings.Fields(args)...)
		if strings.HasPrefix(args, "verify") && (!strings.Contains(out, counts) || !strings.Contains(out, `"differences":0`)) {
			t.Errorf("%s printed %s", args, out)
		}
	}
	if out := s.ok("quarantine", "list", "--json"); out != "" {
		t.Errorf("in quarantine: %s", out)
	}
	if diff := cmp.Diff(before, directoryItems(s)); diff != "" {
		t.Errorf("the directory became (-before +after):\n%s", diff)
	}
}

// directoryItems are the items of the directory, as JSON.
func directoryItems(s *shell) []string {
	s.t.Helper()
	var all []string
	s.onTable(defaultTable, func(ctx context.Context, table backend.Table) error {
		page, err := table.Scan(ctx, backend.Scan{Consistent: true})
		for _, it := range page.Items {
			if pk := backend.KeyOf(it).PK; strings.HasPrefix(pk, "usr#") || strings.HasPrefix(pk, "handle#") {
				line, err := backend.EncodeItem(it)
				if err != nil {
					return err
				}
				all = append(all, string(line))
			}
		}
		return err
	})
	return all
}
