//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend/local"
)

// reading are the commands that only read.
var reading = map[string]string{
	"inbox " + ada: "How are you?",
	"inbox --all":  "How are you?",
	"messages " + postroom.PairUUID(ada, bob): "How are you?",
	"status": "postroom-notifications.fifo",
	"verify": ": 0 differences",
}

// newPublicShell returns a shell whose folder others reach, also where the one for
// temporary files is closed to them.
func newPublicShell(t *testing.T) *shell {
	t.Helper()
	s := newShell(t)
	folder, err := os.MkdirTemp("/tmp", "postroom-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	s.folder = folder
	return s
}

// asGuest runs a command line in a process that owns nothing.
func (s *shell) asGuest(line string) (code int, output string) {
	s.t.Helper()
	child := exec.CommandContext(s.t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childArgs+"="+line+" --data "+s.path("postroom.db"))
	if os.Getuid() == 0 { // root may write everything
		const nobody = 65534
		child.Path = "/proc/self/exe" // its folder may be closed to others
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := child.CombinedOutput()
	if child.ProcessState == nil {
		s.t.Fatal(err)
	}
	return child.ProcessState.ExitCode(), string(out)
}

// readOnly leaves everybody the permission to read the shell's folder, and nothing else.
func (s *shell) readOnly() {
	s.t.Helper()
	s.t.Cleanup(func() { s.mode(s.folder, 0o700) })
	files, err := filepath.Glob(s.path("*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		s.mode(file, 0o444)
	}
	s.mode(s.folder, 0o555)
}

func (s *shell) wantReading(when string) {
	s.t.Helper()
	for line, want := range reading {
		if code, out := s.asGuest(line); code != exitDone || !strings.Contains(out, want) {
			s.t.Errorf("%s: %s: exit code %d, want 0 and %q:\n%s", when, line, code, want, out)
		}
	}
}

// A copy that nobody can write, in a folder that nobody can write, can be read; and so
// can a file whose owner writes to it all the time.
func TestF8ReadingNeedsNoPermissionToWrite(t *testing.T) {
	t.Parallel()
	s := newPublicShell(t)
	s.ok("post", "--file", s.file("m.jsonl", message(t, nil)))
	s.pipeline()
	s.readOnly()
	before, err := os.ReadDir(s.folder)
	if err != nil {
		t.Fatal(err)
	}
	s.wantReading("a copy")
	if after, err := os.ReadDir(s.folder); err != nil || len(after) != len(before) {
		t.Errorf("the folder holds %v, %v; before it held %v", after, err, before)
	}
	if code, out := s.asGuest("post --from " + ada + " --to " + bob + " --message Hello"); code != exitFailed || !strings.Contains(out, "no permission to write") {
		t.Errorf("post: exit code %d: %s", code, out)
	}

	s.mode(s.folder, 0o755)
	s.mode(s.path("postroom.db"), 0o644)
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.SetDeletionProtection(t.Context(), "postroom", true); err != nil { // a write
		t.Fatal(err)
	}
	s.wantReading("beside a writer")
}

// What is in the WAL alone cannot be read without permission to write. That is said,
// with what to do, and nothing older is shown instead.
func TestF8CopyWithAWALAlone(t *testing.T) {
	t.Parallel()
	s := newPublicShell(t)
	s.ok("post", "--file", s.file("m.jsonl", message(t, nil)))
	if err := os.WriteFile(s.path("postroom.db-wal"), []byte("frames"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.readOnly()
	code, out := s.asGuest("status")
	if code != exitFailed || !strings.Contains(out, s.path("postroom.db-wal")) || !strings.Contains(out, "copy both to another folder") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
