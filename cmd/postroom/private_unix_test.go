//go:build unix

package main

import (
	"io/fs"
	"os"
	"strings"
	"testing"
)

// mode gives a file a mode and returns its path.
func (s *shell) mode(name string, mode fs.FileMode) string {
	s.t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		s.t.Fatal(err)
	}
	return name
}

func TestF17DataFileThatOthersCanRead(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	data := s.path("postroom.db")
	warnings := func() (int, string) {
		r := s.run("status")
		if r.code != exitDone {
			t.Fatalf("status: %+v", r)
		}
		return strings.Count(r.stderr, "level=WARN"), r.stderr
	}
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello!")
	if info, err := os.Stat(data); err != nil || info.Mode() != 0o600 {
		t.Errorf("the new file: %v, %v; want mode 0600", info.Mode(), err)
	}
	if n, text := warnings(); n != 0 {
		t.Errorf("of a file of ours: %s", text)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o666} {
		s.mode(data, mode)
		if n, text := warnings(); n != 1 || !strings.Contains(text, "chmod go= "+data) {
			t.Errorf("mode %v: want one warning with the command, not: %s", mode, text)
		}
	}
	s.mode(data, 0o400)
	if n, text := warnings(); n != 0 {
		t.Errorf("of a file that is private again: %s", text)
	}
}

func TestF17SecretThatOthersCanRead(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	secret := s.file("the secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n")
	consume := func() result {
		return s.run("consume", "--sink", "webhook", "--webhook-url", "http://127.0.0.1:9/", "--webhook-allow-private",
			"--webhook-secret-file", secret, "--until-idle", "--idle-after", "20ms")
	}
	wantRefused := func(mode fs.FileMode) {
		t.Helper()
		s.mode(secret, mode)
		if r := consume(); r.code != exitUsage || !strings.Contains(r.stderr, "chmod go= '"+secret+"'") || strings.Contains(r.stderr, "whsec_") {
			t.Errorf("mode %v: %+v; want wrong usage with the remedy", mode, r)
		}
	}
	wantTaken := func(mode fs.FileMode) {
		t.Helper()
		s.mode(secret, mode)
		if r := consume(); r.code != exitDone {
			t.Errorf("mode %v: %+v", mode, r)
		}
	}
	for _, mode := range []fs.FileMode{0o644, 0o604, 0o602, 0o620, 0o666} {
		wantRefused(mode)
	}
	wantTaken(0o600)
	wantTaken(0o400)
	if os.Getuid() != 0 {
		wantRefused(0o640)
		return
	}
	wantTaken(0o640) // root's: this is how a container gets its secrets
	const nobody = 65534
	if err := os.Chown(secret, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	wantRefused(0o640)
}
