package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/views"
)

// TestShadowRebuild brings rows of another format into use, goes back, and removes both in
// turn, by the commands alone.
func TestShadowRebuild(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShell(t)
		s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
		s.ok("post", "--from", ada, "--to", chloe, "--message", "Hello")
		s.pipeline()
		wantRows := func(uuids bool) {
			t.Helper()
			if out := s.ok("inbox", "--json", ada); strings.Contains(out, "last_message_uuid") != uuids || strings.Count(out, "\n") != 2 {
				t.Errorf("the inbox is %s", out)
			}
			if out := s.ok("inbox", "--all", "--json"); strings.Count(out, "\n") != 4 {
				t.Errorf("all inboxes are %s", out)
			}
		}
		says := func(r result, code int, want string) {
			t.Helper()
			if r.code != code || !strings.Contains(r.stderr+r.stdout, want) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", r.code, code, want, r.stdout, r.stderr)
			}
		}
		says(s.run("rebuild", "switch", "new"), exitFailed, "there is no view new: there are default")
		if out := s.ok("rebuild", "--shadow", "new", "--row-format", "2", "--dry-run", "--json"); !strings.Contains(out, `"conversations":2`) {
			t.Errorf("the dry run says %s", out)
		}
		s.ok("rebuild", "--shadow", "new", "--row-format", "2", "--wait=false")
		says(s.run("rebuild", "switch", "new"), exitFailed, "`postroom --data "+s.path("postroom.db")+" rebuild --shadow new` goes on")
		says(s.run("verify", "--shadow", "new"), exitDiffers, "not_in_view")
		says(s.run("status"), exitDone, "new, rows of format 2: filling")
		says(s.run("rebuild", "--shadow", "new"), exitDone, "filling view new, done")
		says(s.run("verify", "--shadow", "new"), exitDone, "4 group items: 0 differences")
		says(s.run("rebuild", "--shadow", "new"), exitDone, "is filled")
		says(s.run("rebuild", "--shadow", "new", "--row-format", "1"), exitFailed, "row format 2")
		wantRows(false)
		says(s.run("rebuild", "switch", "new"), exitDone, "`postroom --data "+s.path("postroom.db")+" rebuild switch default` goes back")
		wantRows(true)
		says(s.run("rebuild", "--shadow", "new", "--json"), exitDone, `{"view":"new","row_format":2,"state":"ready","live":true}`)
		s.ok("post", "--from", bob, "--to", ada, "--message", "Hello again")
		s.pipeline()
		wantRows(true)
		says(s.run("rebuild", "switch", "default", "--json"), exitDone, `{"view":"default","row_format":1,"state":"ready","live":true}`)
		wantRows(false)
		says(s.run("rebuild", "switch", "default"), exitDone, "already")
		says(s.run("rebuild", "drop", "default"), exitFailed, "switch them to another one first")
		s.ok("rebuild", "switch", "new")
		says(s.run("rebuild", "drop", "default"), exitDone, "dropping view default, done")
		for _, r := range s.rebuilds() {
			if r.Drop && r.Read != r.Expected { // filling also meets rows that it has written
				t.Errorf("%s: %d items were read, expected were %d", r.scope(), r.Read, r.Expected)
			}
		}
		wantRows(true)
		says(s.run("verify"), exitDone, "4 group items: 0 differences")
		says(s.run("status"), exitDone, "new, rows of format 2: live")
		says(s.run("rebuild", "drop", "default"), exitFailed, "there is no view default: there are new")
		says(s.run("verify", "--shadow", "default"), exitFailed, "there is no view default")
	})
}

// TestRepairOfViews: if the item that names the views is damaged nothing is read or moved by
// it, status says so, and repair makes it anew.
func TestRepairOfViews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShell(t)
		s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
		s.pipeline()
		s.ok("rebuild", "--shadow", "new", "--row-format", "2")
		s.ok("rebuild", "switch", "new")
		s.damageTable(func(it backend.Item) []backend.Write {
			if backend.KeyOf(it) != views.Key() {
				return nil
			}
			it["live"] = item.Int(7)
			return []backend.Write{{Put: it}}
		})
		if r := s.run("inbox", ada); r.code != exitFailed || !strings.Contains(r.stderr, "attribute live: it is not a string") {
			t.Errorf("%+v", r)
		}
		if r := s.run("status"); r.code != exitDone || !strings.Contains(r.stdout, `DAMAGED`) || !strings.Contains(r.stdout, `"VIEWS"`) {
			t.Errorf("%+v", r)
		}
		if out := s.ok("repair"); !strings.Contains(out, "the views that can be read are kept") || !strings.HasSuffix(out, "\n1 damaged items repaired.\n") {
			t.Errorf("repair printed %s", out)
		}
		if out := s.ok("inbox", "--json", ada); !strings.Contains(out, `"last_message":"Hello"`) {
			t.Errorf("the inbox is %s", out)
		}
		s.ok("rebuild", "--all")
		s.ok("verify")
	})
}
