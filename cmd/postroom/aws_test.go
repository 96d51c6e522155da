package main

import (
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/cmd/postroom/sample"
)

// sampleMessages are the first n lines of the sample.
func sampleMessages(t *testing.T, n int) string {
	t.Helper()
	z, err := gzip.NewReader(sample.Open())
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.SplitAfterN(string(all), "\n", n+1)[:n], "")
}

// replaysAll replays everything through the log, by a scan and by queries, and has the
// recipients of one conversation notified again.
func (s *shell) replaysAll(with func(...string) []string, told []postroom.Notification) {
	s.t.Helper()
	const everything = "2000-01-01T00:00:00Z"
	group, again := told[0].Data.GroupUUID, 0
	for _, n := range told {
		if n.Data.GroupUUID == group {
			again++
		}
	}
	one := lines[replayJSON](s.t, s.ok(with("replay", "--from", everything, "--rate", "10000", "--json", "--name", "all")...))[0]
	if one.State != "done" || one.Replayed != int64(len(told)) || one.Projected != 0 {
		s.t.Errorf("%v: replayed %+v", with(), one)
	}
	s.ok(with("replay", "--from", everything, "--group", group, "--notify", "--name", "one")...)
	got := lines[postroom.Notification](s.t, s.ok(with("consume", "--until-idle", "--idle-after", "500ms")...))
	if len(got) != again || got[0].Replay != "one" || got[0].Data.GroupUUID != group {
		s.t.Errorf("%v: notified again %d times, want %d", with(), len(got), again)
	}
}

// What goes through the servers of AWS's protocols ends as it does on the local
// backend.
func TestAWSAgreesWithLocal(t *testing.T) {
	emulators.Start(t)
	const messages = 500
	s := newShell(t)
	file := s.file("messages.jsonl", sampleMessages(t, messages))
	inboxes := func(on ...string) []string {
		t.Helper()
		with := func(args ...string) []string { return append(args, on...) }
		s.ok(with("provision", "--deletion-protection=false")...)
		s.ok(with("provision", "--deletion-protection=false")...)
		s.ok(with("post", "--file", file)...)
		s.ok(with("project", "--until-idle", "--idle-after", "500ms")...)
		told := lines[postroom.Notification](t, s.ok(with("consume", "--until-idle", "--idle-after", "500ms")...))
		if len(told) != messages {
			t.Errorf("%v: %d notifications, want %d", on, len(told), messages)
		}
		if out := s.ok(with("verify")...); !strings.HasSuffix(out, ": 0 differences\n") {
			t.Errorf("%v: verify printed %s", on, out)
		}
		s.ok(with("status")...)
		s.replaysAll(with, told)
		rows := slices.Sorted(strings.Lines(s.ok(with("inbox", "--all", "--json")...)))
		s.ok(with("destroy")...)
		return rows
	}
	if diff := cmp.Diff(inboxes(), inboxes("--backend", "aws")); diff != "" {
		t.Errorf("inboxes (-local +aws):\n%s", diff)
	}
	s.failed("postroom provision", "project", "--backend", "aws")
	s.failed("postroom provision", "consume", "--backend", "aws")
	s.failed("postroom provision", "post", "--backend", "aws", "--from", ada, "--to", bob, "--message", "x")
	s.failed("postroom provision", "inbox", ada, "--backend", "aws")
}
