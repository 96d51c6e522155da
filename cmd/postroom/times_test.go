package main

import (
	"strings"
	"testing"
)

// A time is RFC 3339 or refused, and what is given is never replaced.
func TestF6Times(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	post := []string{"post", "--json", "--from", ada, "--to", bob, "--message", "x"}
	for in, want := range map[string]string{
		"2026-05-21t12:30:00.1234567+02:00": "2026-05-21T10:30:00.123456Z",
		"2016-12-31T23:59:60Z":              "2017-01-01T00:00:00.000000Z",
	} {
		if out := s.ok(append(post, "--created-at", in)...); !strings.Contains(out, `"created_at":"`+want+`"`) {
			t.Errorf("%s: %s, want %s", in, out, want)
		}
	}
	for in, want := range map[string]string{
		"":                          "--created-at: time \"\" is not RFC 3339",
		"0001-01-01T00:00:00Z":      "--created-at: time \"0001-01-01T00:00:00Z\" stands for a time that is missing",
		"2026-05-21T10:30:00+24:00": "--created-at: time \"2026-05-21T10:30:00+24:00\" is not RFC 3339",
	} {
		r := s.run(append(post, "--created-at", in)...)
		if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %+v, want %s", in, r, want)
		}
	}
	if r := s.run(append(post, "--message-uuid", "")...); r.code != exitUsage || !strings.Contains(r.stderr, "--message-uuid is empty") {
		t.Errorf("an empty uuid: %+v", r)
	}
	for _, filter := range []string{"since=2026-05-21T0:30:00Z", "before=2026-05-21T10:30:00,5Z", "since=0001-01-01T00:00:00Z"} {
		if r := s.run("redrive", "--filter", filter); r.code != exitUsage || !strings.Contains(r.stderr, "--filter "+filter[:5]) {
			t.Errorf("%s: %+v", filter, r)
		}
	}

	line := message(t, nil)
	for in, want := range map[string]string{
		`"0001-01-01T00:00:00Z"`: "stands for a time that is missing",
		`""`:                     "is missing or empty",
		`null`:                   "is missing or empty",
	} {
		file := s.file("times.jsonl", strings.Replace(line, `"2026-05-21T10:30:00.000000Z"`, in, 1))
		r := s.run("post", "--file", file)
		if r.code != exitFailed || !strings.Contains(r.stderr, "line 1: created_at") || !strings.Contains(r.stderr, want) {
			t.Errorf("created_at %s: %+v, want %q", in, r, want)
		}
	}
}
