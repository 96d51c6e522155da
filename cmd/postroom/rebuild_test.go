package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/cmd/postroom/sample"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/projector/rebuild"
)

// rebuilds lists the rebuilds that there are.
func (s *shell) rebuilds() (all []rebuildJSON) {
	s.t.Helper()
	for line := range strings.Lines(s.ok("rebuild", "list", "--json")) {
		var r rebuildJSON
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// talk posts in a few conversations, projects that, and deletes bob's rows.
func (s *shell) talk() {
	s.t.Helper()
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("post", "--from", bob, "--to", chloe, "--message", "Hello")
	s.pipeline()
	s.deleteRows(bob)
}

func (s *shell) deleteRows(user string) {
	s.t.Helper()
	s.damageTable(func(it backend.Item) []backend.Write {
		if key := backend.KeyOf(it); key.PK == postroom.InboxKey(user) {
			return []backend.Write{{Delete: key}}
		}
		return nil
	})
}

// TestRebuild where no projector runs: the command does it, and nobody is notified.
func TestRebuild(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.talk()
	dry := s.run("rebuild", "--all", "--dry-run", "--json")
	if dry.code != exitDone || !strings.HasPrefix(dry.stdout, `{"messages":2,"conversations":2,"group_items":2,"read_units":`) || len(s.rebuilds()) != 0 {
		t.Errorf("dry run: %+v", dry)
	}
	r := s.run("rebuild", "--all", "--json")
	if r.code != exitDone || !strings.Contains(r.stdout, `"conversations":2,"changed":2,"failed":0,`) || !strings.Contains(r.stderr, "so this command does it") {
		t.Errorf("rebuild: %+v", r)
	}
	s.ok("verify")
	if out := s.pipeline(); out != "" {
		t.Errorf("notified: %s", out)
	}
	for _, scope := range [][]string{{"--group", postroom.PairUUID(ada, bob)}, {"--user", bob}} {
		s.deleteRows(bob)
		if out := s.ok(append([]string{"rebuild"}, scope...)...); !strings.Contains(out, " changed, 0 failed") {
			t.Errorf("%v: %s", scope, out)
		}
		if out := s.ok("inbox", bob); !strings.Contains(out, "Hello") {
			t.Errorf("%v: the inbox is %s", scope, out)
		}
	}
	if all := s.rebuilds(); len(all) != 3 || all[1].Groups[0] != postroom.PairUUID(ada, bob) || all[2].Changed != 2 {
		t.Errorf("listed are %+v", all)
	}
}

// TestRebuildSaysWhatItCannot: the exit code and a list do.
func TestRebuildSaysWhatItCannot(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.talk()
	group := "55555555-5555-4555-8555-555555555555"
	s.ok("post", "--from", ada, "--group", group, "--message", "Hello")
	r := s.run("rebuild", "--all")
	if r.code != exitFailed || !strings.Contains(r.stdout, "3 conversations, 2 changed, 1 failed;") ||
		!strings.Contains(r.stdout, "\n  "+group+": ") || !strings.Contains(r.stderr, "1 conversations could not be rebuilt") {
		t.Errorf("%+v", r)
	}
}

// TestRebuildBesideAProjector: it does the work, one after the other, and shows how far it
// is; one that is stopped stays so until it is resumed.
func TestRebuildBesideAProjector(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.talk()
	addr, stop := s.daemon("project")
	defer stop()
	awaitReady(t, addr)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupted := make(chan result, 1)
	go func() { interrupted <- s.runContext(ctx, "rebuild", "--all", "--rate", "1") }()
	for all := s.rebuilds(); len(all) != 1 || all[0].Worker == ""; all = s.rebuilds() {
		time.Sleep(10 * time.Millisecond)
	}
	id := s.rebuilds()[0].ID
	if r := s.run("rebuild", "--all", "--wait=false"); r.code != exitDone || !strings.Contains(r.stderr, "Rebuild "+id+" of the same is under way") || len(s.rebuilds()) != 1 {
		t.Errorf("asked for again: %+v", r)
	}
	if out := s.run("status", "--check"); out.code != exitBackfill || !strings.Contains(out.stdout, id+", everything, by ") {
		t.Errorf("status: %+v", out)
	}
	interrupt()
	if r := <-interrupted; r.code != exitFailed || !strings.Contains(r.stderr, "Rebuild "+id+" goes on where a projector runs") {
		t.Errorf("interrupted: %+v", r)
	}
	s.ok("rebuild", "stop", id)
	if r := s.run("rebuild", "--all", "--dry-run"); !strings.Contains(r.stderr, "Rebuild "+id+" of the same was stopped") {
		t.Errorf("asked for anew: %+v", r)
	}
	if out := s.ok("rebuild", "--group", postroom.PairUUID(bob, chloe)); !strings.Contains(out, "1 conversations, ") {
		t.Errorf("one conversation: %s", out)
	}
	if out := s.ok("rebuild", "resume", id, "--rate", "1000"); !strings.Contains(out, "done at") {
		t.Errorf("resumed: %s", out)
	}
	s.ok("verify")
}

func TestRebuildUsage(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.talk()
	for want, args := range map[string][]string{
		"one of --all, --group, --user and --shadow must be given": {"rebuild"},
		"one of --all, --group, --user and --shadow must":          {"rebuild", "--all", "--user", bob},
		"--rate is 0":                  {"rebuild", "--all", "--rate", "0"},
		"--group: ":                    {"rebuild", "--group", "x"},
		`unknown command "everything"`: {"rebuild", "everything"},
		"ID is missing":                {"rebuild", "stop"},
		"--rate is 200000":             {"rebuild", "resume", "x", "--rate", "200000"},
	} {
		if r := s.run(args...); r.code != exitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("%v: %+v, want %q", args, r, want)
		}
	}
	for _, command := range []string{"stop", "resume"} {
		if r := s.run("rebuild", command, "abc"); r.code != exitFailed || !strings.Contains(r.stderr, "there is no rebuild \"abc\": `postroom --data "+s.path("postroom.db")+" rebuild list`") {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

// TestRepairOfARebuild: one that is damaged is named, and repaired.
func TestRepairOfARebuild(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.talk()
	s.ok("rebuild", "--all", "--wait=false")
	s.changeControl("JOB#", func(it backend.Item) { it["rate"] = item.String("fast") })
	if r := s.run("rebuild", "list"); r.stdout != "" || !strings.Contains(r.stderr, "1 rebuilds are damaged") {
		t.Errorf("list: %+v", r)
	}
	if out := s.ok("status"); !strings.Contains(out, "DAMAGED") || !strings.Contains(out, "JOB#") {
		t.Errorf("status: %s", out)
	}
	if out := s.ok("repair"); !strings.Contains(out, "start it again") {
		t.Errorf("repair: %s", out)
	}
	s.ok("rebuild", "--all")
}

// TestRebuildOnAWS on servers that speak DynamoDB's protocol.
func TestRebuildOnAWS(t *testing.T) {
	emulators.Start(t)
	s := newShell(t)
	s.env["POSTROOM_BACKEND"], s.env["POSTROOM_TABLE"] = "aws", "rebuilt"
	s.ok("provision", "--deletion-protection=false")
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	for _, scope := range [][]string{{"--all"}, {"--user", bob}, {"--group", postroom.PairUUID(ada, bob)}} {
		if out := s.ok(append([]string{"rebuild"}, scope...)...); !strings.Contains(out, ": 1 conversations, ") {
			t.Errorf("%v: %s", scope, out)
		}
	}
	s.ok("verify")
	if all := s.rebuilds(); len(all) != 3 || all[0].Changed != 1 || all[1].Changed != 0 || all[0].State != string(rebuild.Done) {
		t.Errorf("%+v", all)
	}
	s.ok("destroy")
}

// TestViewOnAWS is filled, read and dropped, and nothing of it is left.
func TestViewOnAWS(t *testing.T) {
	t.Parallel()
	emulators.Start(t)
	s := newShell(t)
	s.env["POSTROOM_BACKEND"], s.env["POSTROOM_TABLE"] = "aws", "viewed"
	s.ok("provision", "--deletion-protection=false")
	s.ok("post", "--file", s.file("messages.jsonl", sampleLines(t, 600)))
	s.ok("rebuild", "--all", "--rate", "5000")
	lists := s.ok("inbox", "--all", "--json")
	s.ok("rebuild", "--shadow", "next", "--row-format", "2", "--rate", "5000")
	if out := s.ok("verify", "--shadow", "next"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
	s.ok("rebuild", "switch", "next")
	if out := s.ok("inbox", "--all", "--json"); strings.Count(out, "\n") != strings.Count(lists, "\n") || out == lists {
		t.Errorf("in the view there are\n%s", out)
	}
	s.ok("rebuild", "switch", "default")
	s.ok("rebuild", "drop", "next", "--rate", "5000")
	if out := s.ok("verify"); !strings.HasPrefix(out, "600 messages ") || !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
	if out := s.ok("inbox", "--all", "--json"); out != lists {
		t.Errorf("afterwards there are\n%s", out)
	}
	s.ok("destroy")
}

// sampleLines are the first messages of the sample.
func sampleLines(t *testing.T, n int) string {
	t.Helper()
	unpacked, err := gzip.NewReader(sample.Open())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for lines := bufio.NewScanner(unpacked); n > 0 && lines.Scan(); n-- {
		b.WriteString(lines.Text() + "\n")
	}
	return b.String()
}
