package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// cancelAfter cancels a command that has printed so many lines.
type cancelAfter struct {
	bytes.Buffer

	lines  int
	cancel func()
}

func (w *cancelAfter) Write(b []byte) (int, error) {
	if w.lines -= bytes.Count(b, []byte("\n")); w.lines <= 0 {
		w.cancel()
	}
	return w.Buffer.Write(b)
}

// watch runs status --watch until it has printed so many lines.
func (s *shell) watch(lines int, screen bool, args ...string) (code int, stdout string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	out := &cancelAfter{lines: lines, cancel: cancel}
	code = run(ctx, append([]string{"status", "--watch", "--every", "100ms", "--data", s.path("postroom.db")}, args...), process{
		stdin: strings.NewReader(""), stdout: out, stderr: &bytes.Buffer{},
		getenv: func(string) string { return "" }, screen: screen, command: "postroom",
	})
	return code, out.String()
}

func TestStatusWatch(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.pipeline()
	code, out := s.watch(3, false, "--json")
	looks := lines[statusJSON](t, out)
	if code != exitDone || len(looks) != 3 {
		t.Fatalf("exit code %d, and %d looks:\n%s", code, len(looks), out)
	}
	if code, out := s.watch(1, true); code != exitDone || !strings.HasPrefix(out, "\x1b[H\x1b[J20") {
		t.Errorf("on a terminal: exit code %d, %q", code, out)
	}
	if code, out := s.watch(1, false); code != exitDone || strings.Contains(out, "\x1b") {
		t.Errorf("elsewhere: exit code %d, %q", code, out)
	}
}

func TestStatusWatchIsChecked(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, args := range [][]string{{"--watch", "--check"}, {"--watch", "--every", "1ms"}} {
		if r := s.run(append([]string{"status"}, args...)...); r.code != exitUsage {
			t.Errorf("%v: exit code %d", args, r.code)
		}
	}
}

// TestStatusRate: a shard that is an hour behind, and gains nine seconds in a second,
// has caught up in 400.
func TestStatusRate(t *testing.T) {
	t.Parallel()
	shard := func(done time.Duration) statusJSON {
		hour := int64(3600)
		at := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC).Add(done)
		return statusJSON{Shards: []shardJSON{{Shard: "s", CheckpointTime: formatTime(at), Lag: &hour}, {Shard: "new"}}}
	}
	s := shard(20 * time.Second)
	s.rates(shard(0), 2*time.Second)
	if got := s.Shards[0]; got.rate() != "10.0x, 6m40s left" {
		t.Errorf("the rate is %q", got.rate())
	}
	if s.Shards[1].Rate != nil {
		t.Error("a shard that was not there before has a rate")
	}
	s = shard(0)
	s.rates(shard(0), time.Second)
	if got := s.Shards[0].rate(); got != "0.0x" {
		t.Errorf("the rate of a shard that does not move is %q", got)
	}
	none := int64(0)
	s = shard(time.Hour) // the time of the checkpoint moves on by itself
	s.Shards[0].Lag = &none
	s.rates(shard(0), time.Second)
	if got := s.Shards[0].rate(); got != "" {
		t.Errorf("the rate of a shard in which nothing is unread is %q", got)
	}
	if b, err := json.Marshal(shard(0).Shards[1]); err != nil || bytes.Contains(b, []byte("rate")) {
		t.Errorf("an unknown rate is %s (%v)", b, err)
	}
}
