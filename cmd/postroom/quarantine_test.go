package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/projector/quarantine"
)

// quarantineSome has three records quarantined: two of somebody who is no member, one
// with a hostile name, and one that claims the conversation for others.
func (s *shell) quarantineSome() {
	s.t.Helper()
	pair := postroom.PairUUID(ada, bob)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("post", "--from", chloe, "--group", pair, "--message", "one")
	s.ok("post", "--from", chloe, "--name", "\u202ekcattA", "--group", pair, "--message", "two")
	s.onTable(defaultTable, func(ctx context.Context, table backend.Table) error {
		m := postroom.Message{
			GroupUUID: pair, MessageUUID: chloe, UserUUID: ada, DisplayName: "Ada", Handle: "@ada", Text: "a claim", CreatedAt: time.Now().UTC(),
			Members: []postroom.Member{{UserUUID: ada, DisplayName: "Ada", Handle: "@ada"}, {UserUUID: chloe, DisplayName: "Chloe", Handle: "@chloe"}},
		}
		_, err := table.Put(ctx, m.Item(), backend.Condition{})
		return err
	})
	s.run("project", "--until-idle", "--idle-after", "50ms")
}

// records are the records that list prints.
func (s *shell) records(args ...string) []recordJSON {
	s.t.Helper()
	return lines[recordJSON](s.t, s.ok(append([]string{"quarantine", "list", "--json"}, args...)...))
}

// onTable does something with the table of the shell's file.
func (s *shell) onTable(name string, do func(context.Context, backend.Table) error) {
	s.t.Helper()
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	if err := do(s.t.Context(), b.Table(name)); err != nil {
		s.t.Fatal(err)
	}
}

func TestQuarantineListAndShow(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("provision")
	if r := s.run("quarantine", "list"); r.code != exitDone || r.stdout != "" || !strings.Contains(r.stderr, "No records") {
		t.Errorf("of nothing: %+v", r)
	}
	s.quarantineSome()
	all := s.records()
	if len(all) != 3 {
		t.Fatalf("listed %+v", all)
	}
	for _, r := range all {
		if r.QuarantinedAt == "" || r.Origin != "stream" || r.Shard == "" || r.Attempts != 1 || r.Waiting {
			t.Errorf("listed %+v", r)
		}
	}
	var paged []string
	for cursor := ""; len(paged) < 4; {
		args := []string{"quarantine", "list", "--json", "--limit", "1"}
		if cursor != "" {
			args = append(args, "--cursor", cursor)
		}
		page := lines[struct {
			ID     string
			Cursor string `json:"next_cursor"`
		}](t, s.ok(args...))
		paged = append(paged, page[0].ID)
		if len(page) == 1 {
			break
		}
		cursor = page[1].Cursor
	}
	if diff := cmp.Diff([]string{all[0].ID, all[1].ID, all[2].ID}, paged); diff != "" {
		t.Errorf("pages (-whole +paged):\n%s", diff)
	}

	reasons := lines[reasonJSON](t, s.ok("quarantine", "list", "--reasons", "--json"))
	if len(reasons) != 2 || reasons[0].Records != 2 || !strings.Contains(reasons[0].Reason, "not a member") || reasons[1].Records != 1 {
		t.Errorf("reasons %+v", reasons)
	}
	if out := s.ok("quarantine", "list", "--reasons"); !strings.Contains(out, "not a member") || !strings.HasSuffix(out, "\n3 records in quarantine\n") {
		t.Errorf("reasons: %s", out)
	}
	for filter, want := range map[string]int{
		"reason=member of": 2, "message_group_uuid=" + postroom.PairUUID(ada, bob): 3, "message_group_uuid=" + ada: 0, "id=" + all[1].ID: 1,
		"since=2026-01-01T00:00:00Z": 3, "before=2026-01-01T00:00:00Z": 0,
	} {
		if got := s.records("--filter", filter); len(got) != want {
			t.Errorf("--filter %s: %d records, want %d", filter, len(got), want)
		}
	}
	hostile := all[1]
	for _, args := range [][]string{{"quarantine", "show", hostile.ID}, {"quarantine", "show", "--json", hostile.ID}} {
		out := s.ok(args...)
		if !strings.Contains(out, "two") || !strings.Contains(out, `\u202ekcattA`) || strings.Contains(out, "\u202e") || !strings.Contains(out, "not a member") {
			t.Errorf("%v printed %s", args, out)
		}
	}
	s.failed("retried or dropped", "quarantine", "show", strings.Replace(hostile.ID, "Z/", "Z/x", 1))
}

func TestQuarantineDrop(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.quarantineSome()
	if out := s.ok("quarantine", "drop", "--dry-run", "--json", "--filter", "reason=member of"); strings.Count(out, "would_drop") != 2 || !strings.HasSuffix(out, `{"dry_run":true,"dropped":2,"left":0}`+"\n") {
		t.Errorf("dry run: %s", out)
	}
	drop := []string{"quarantine", "drop", "--filter", "reason=member of"}
	s.failed("--count 2", drop...)
	s.failed("2 records match, not 3", append(drop, "--count", "3")...)
	s.typed, s.stdin = true, "3\n"
	s.failed("nothing was dropped", drop...)
	s.stdin = ""
	s.failed("nothing was dropped", drop...)
	if n := len(s.records()); n != 3 {
		t.Fatalf("%d records are left", n)
	}
	s.stdin = "1\n"
	r := s.run(append(drop, "--max", "1")...)
	kept := lines[wholeJSON](t, r.stdout)
	if r.code != exitDone || len(kept) != 1 || !strings.Contains(string(kept[0].Image), "one") || !strings.Contains(r.stderr, "Type the number") || !strings.HasSuffix(r.stderr, "1 dropped, 0 left\n") {
		t.Errorf("typed: %+v", r)
	}
	s.typed = false
	if out := s.ok("quarantine", "drop", "--json", "--count", "2"); !strings.HasSuffix(out, `{"dry_run":false,"dropped":2,"left":0}`+"\n") || strings.Count(out, `"image":{`) != 2 {
		t.Errorf("the others: %s", out)
	}
	if out := s.ok("quarantine", "drop", "--json"); out != `{"dry_run":false,"dropped":0,"left":0}`+"\n" {
		t.Errorf("of nothing: %s", out)
	}
	s.onTable(postroom.ControlTable(defaultTable), func(ctx context.Context, control backend.Table) error {
		page, err := control.Scan(ctx, backend.Scan{Consistent: true})
		for _, it := range page.Items {
			if key := backend.KeyOf(it); strings.HasPrefix(key.PK, "QUARANTINE#") {
				t.Errorf("%v is left", key)
			}
		}
		return err
	})
}

// TestQuarantineDropsWhatWasCounted: a record that is quarantined while the number is
// typed stays, and so does one that was tried again.
func TestQuarantineDropsWhatWasCounted(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.quarantineSome()
	all := s.records()
	s.typed = true
	meanwhile := typing(func() string {
		s.changeControl(strings.Join(strings.Split(all[0].ID, "/")[1:], "#"), func(it backend.Item) { it["attempts"] = item.Int(2) })
		s.ok("post", "--from", chloe, "--group", postroom.PairUUID(ada, bob), "--message", "three")
		s.run("project", "--until-idle", "--idle-after", "50ms")
		return "3\n"
	})
	r := s.start(t.Context(), meanwhile, "quarantine", "drop", "--json")
	if r.code != exitDone || !strings.HasSuffix(r.stdout, `{"dry_run":false,"dropped":2,"left":1}`+"\n") {
		t.Errorf("%+v", r)
	}
	left := s.records()
	if len(left) != 2 || left[0].ID != all[0].ID && left[1].ID != all[0].ID {
		t.Errorf("left are %+v", left)
	}
}

// typing is a person who types once something else has happened.
type typing func() string

func (f typing) Read(p []byte) (int, error) { return copy(p, f()), io.EOF }

func TestReasonsAreGrouped(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		`attribute created_at is "2026", the key says "x\"y"`: "attribute created_at is …, the key says …",
		"message " + ada + " at 2026-05-21T10:30:00.000000Z":  "message … at …",
		"has 412 attributes": "has … attributes",
	} {
		if got := varies.ReplaceAllString(reason, "…"); got != want {
			t.Errorf("%s: %s, want %s", reason, got, want)
		}
	}
	var r reasons
	for i := range 3 * maxGroups {
		r.add(&quarantine.Stored{Reason: fmt.Sprint("reason ", strings.Repeat("x", i))})
	}
	if n := len(r.sorted()); n != maxGroups+1 || r.sorted()[0].Records != 2*maxGroups {
		t.Errorf("%d reasons, the first of %d", n, r.sorted()[0].Records)
	}
}
