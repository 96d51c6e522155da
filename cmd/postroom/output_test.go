package main

import (
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/terminal"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 80253: "80,253", 1_000_007: "1,000,007"} {
		if got := count(n); got != want {
			t.Errorf("%d became %s, want %s", n, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "''", "postroom.db": "postroom.db", "/a/b-c_d.db": "/a/b-c_d.db", "my data.db": "'my data.db'",
		"it's": `'it'\''s'`, "$HOME": "'$HOME'", "@{k}lubby": "'@{k}lubby'", "Grüße": "Grüße",
	} {
		if got := quote(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
	if got := quoteName(" --name ", "bell\a"); got != "" {
		t.Errorf("a name with a control character became %q", got)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	a := app{process: process{command: "go run ./cmd/postroom"}, global: &global{
		backend: "local", data: defaultData, table: defaultTable, queue: defaultQueue,
	}}
	if got := a.commandLine(); got != "go run ./cmd/postroom" {
		t.Errorf("with the defaults: %s", got)
	}
	a.data, a.global.table = "my data.db", "mail"
	if got := a.commandLine(); got != "go run ./cmd/postroom --data 'my data.db' --table mail" {
		t.Errorf("with settings: %s", got)
	}
	a.global.backend, a.data, a.region = "aws", defaultData, "eu-west-1"
	if got := a.commandLine(); got != "go run ./cmd/postroom --backend aws --region eu-west-1 --table mail" {
		t.Errorf("on AWS: %s", got)
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"[::]:80": "localhost:80", "0.0.0.0:81": "localhost:81", "127.0.0.1:82": "127.0.0.1:82",
		":83": "localhost:83", "[::1]:84": "[::1]:84", "mail:85": "mail:85",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func TestSuggestedExampleIsValid(t *testing.T) {
	t.Parallel()
	for _, id := range []string{exampleFrom, exampleTo} {
		if err := postroom.CheckUUID(id); err != nil {
			t.Error(err)
		}
	}
}

// No command hands on to a terminal what strangers wrote to steer it, in whatever form
// it prints: a table, lines, JSON, the log, or an error.
func TestF12F20TextOfStrangers(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	const hostile = "名前\u009b31m\u202e\x1b]0;x\x07\x7f"
	text := message(t, func(m *postroom.Message) {
		m.Members = []postroom.Member{
			{UserUUID: ada, DisplayName: hostile, Handle: hostile}, {UserUUID: bob, DisplayName: "👩‍👧", Handle: hostile},
		}
		m.Text, m.DisplayName = "a\u3000b\u00a0c "+hostile, hostile
	})
	group := postroom.PairUUID(ada, bob)
	printed := s.ok("dev", "--until-idle", "--idle-after", "50ms", "--addr", "127.0.0.1:0", "--import", s.file("hostile.jsonl", text))
	s.ok("post", "--from", ada, "--name", "Ada", "--group", group, "--message", hostile)
	printed += s.ok("post", "--from", bob, "--name", hostile, "--group", group, "--message", hostile)
	for _, args := range [][]string{
		{"inbox", bob}, {"inbox", ada}, {"inbox", "--all"}, {"messages", group}, {"status"}, {"consume", "--until-idle", "--idle-after", "50ms"},
		{"inbox", bob, "--json"}, {"inbox", "--all", "--json"}, {"messages", group, "--json"},
	} {
		if args[0] == "consume" {
			s.ok("project", "--worker", hostile, "--until-idle", "--idle-after", "50ms")
		}
		printed += s.ok(args...)
	}
	for _, args := range [][]string{
		{"post", "--file", s.file("broken.jsonl", `{"`+hostile+`":1}`+"\n")}, {"inbox", hostile}, {"post", "--file", hostile},
		{"status", "--table", hostile}, {"inbox", bob, "--queue", hostile, "--cursor", hostile},
	} {
		r := s.run(args...)
		printed += r.stdout + r.stderr
	}
	for line := range strings.Lines(printed) {
		if clean := terminal.Text(line); clean != line {
			t.Errorf("printed %q", line)
		}
	}
	for _, want := range []string{"a b c 名前", "👩‍👧", `"message":"名前\u009b31m\u202e\u001b]0;x\u0007\u007f"`} {
		if !strings.Contains(printed, want) {
			t.Errorf("did not print %q", want)
		}
	}
	// Columns align where names are wide, joined or replaced.
	rows := strings.Split(strings.TrimSpace(s.ok("messages", group)), "\n")
	for _, row := range rows {
		from := uniseg.StringWidth(row[:len("2026-05-21 10:30:00")+2])
		name := terminal.Line(row, from+uniseg.StringWidth(terminal.Line(hostile, nameWidth))+2)
		if from != 21 || !strings.HasSuffix(strings.TrimSuffix(name, "…"), " ") {
			t.Errorf("columns are not aligned:\n%s", strings.Join(rows, "\n"))
		}
	}
}
