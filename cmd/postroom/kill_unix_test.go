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
