//go:build unix

package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/cmd/postroom/sample"
)

// TestDevKilledAndStartedAgain kills dev at random moments of its work. What it
// ends in is what it ends in when nobody kills it.
func TestDevKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for range 4 {
		after := rand.N(700 * time.Millisecond)
		killDev(t, s, after)
		t.Logf("killed %v after it began to read", after)
	}
	var end devJSON
	out := s.ok("dev", "--until-idle", "--idle-after", "100ms", "--json", "--addr", "127.0.0.1:0")
	if err := json.Unmarshal([]byte(out), &end); err != nil {
		t.Fatal(err)
	}
	if end.Messages != sample.Messages || end.Conversations != 692 || end.GroupItems != 2*692 || end.Quarantined != 0 {
		t.Errorf("the store holds %+v", end)
	}
	if out := s.ok("verify"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
	unpacked, err := gzip.NewReader(sample.Open())
	if err != nil {
		t.Fatal(err)
	}
	s.agreesWith(unpacked)
}

// killDev starts dev in a process of its own and kills it some time after it
// has begun to read the stream.
func killDev(t *testing.T, s *shell, after time.Duration) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childArgs+"=dev --addr 127.0.0.1:0 --data "+s.path("postroom.db"))
	stderr, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	reading := false
	for log := bufio.NewScanner(stderr); !reading && log.Scan(); {
		reading = strings.Contains(log.Text(), "acquired shards")
	}
	if !reading {
		t.Error("dev ended before it had shards to read")
	}
	time.AfterFunc(after, func() { _ = child.Process.Kill() })
	_ = child.Wait() // killed
}

// TestCanaryKilled kills a canary on its way, again and again. The status shows each until
// it expires, and the next one arrives all the same.
func TestCanaryKilled(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	_, stop := s.daemon("project")
	defer stop()
	const kills = 3
	for range kills {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childArgs+"=canary --every 1s --timeout 5m --until visible --data "+s.path("postroom.db"))
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		arrived := 0
		for lines := bufio.NewScanner(stdout); arrived < 2 && lines.Scan(); { // the state of the first is written
			if strings.Contains(lines.Text(), "visible after") {
				arrived++
			}
		}
		time.AfterFunc(rand.N(50*time.Millisecond), func() { _ = child.Process.Kill() })
		_ = child.Wait() // killed
		if arrived != 2 {
			t.Errorf("%d canaries arrived", arrived)
		}
	}
	var out statusJSON
	if err := json.Unmarshal([]byte(s.ok("status", "--json")), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Canaries) != kills || len(out.Damaged) != 0 {
		t.Errorf("%+v, damaged: %v", out.Canaries, out.Damaged)
	}
	if got := s.ok("canary", "--once", "--until", "visible", "--timeout", "3m"); !strings.Contains(got, "visible after") {
		t.Error(got)
	}
	if out := s.ok("verify"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
}
