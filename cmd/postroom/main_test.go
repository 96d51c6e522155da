package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/emulator"
)

// asMain is the variable that makes of the test's program what main makes.
const asMain = "POSTROOM_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	if args := os.Getenv(childArgs); args != "" {
		os.Exit(runChild(strings.Fields(args)))
	}
	goleak.VerifyTestMain(emulators.Main(m))
}

var emulators emulator.Set

// Two people and what they have in common.
const (
	ada   = "11111111-1111-4111-8111-111111111111"
	bob   = "22222222-2222-4222-8222-222222222222"
	chloe = "33333333-3333-4333-8333-333333333333"
	dora  = "44444444-4444-4444-8444-444444444444"
)

// shell runs command lines in a folder of its own.
type shell struct {
	t      *testing.T
	folder string
	env    map[string]string
	stdin  string
	typed  bool // stdin is a terminal
}

func newShell(t *testing.T) *shell {
	t.Helper()
	return &shell{t: t, folder: t.TempDir(), env: map[string]string{}}
}

// path is a file in the shell's folder.
func (s *shell) path(name string) string { return filepath.Join(s.folder, name) }

// file writes a file and returns its path.
func (s *shell) file(name, content string) string {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// callTimeout is for calls to servers on a machine that is busy.
const callTimeout = 2 * time.Minute

// result is what came of a command line.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command line on the shell's data file.
func (s *shell) run(args ...string) result {
	s.t.Helper()
	return s.runContext(s.t.Context(), args...)
}

func (s *shell) runContext(ctx context.Context, args ...string) result {
	s.t.Helper()
	return s.start(ctx, strings.NewReader(s.stdin), args...)
}

// start runs a command line with a standard input of its own.
func (s *shell) start(ctx context.Context, stdin io.Reader, args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // of a machine that is busy
	defer cancel()
	return s.endless(ctx, stdin, args...)
}

// endless runs a command line until ctx is done.
func (s *shell) endless(ctx context.Context, stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, process{
		stdin: stdin, stdout: &stdout, stderr: &stderr,
		getenv: func(name string) string {
			if v, ok := s.env[name]; ok || name != "POSTROOM_DATA" {
				return v
			}
			return s.path("postroom.db")
		},
		command:     "postroom",
		interactive: s.typed,
		callTimeout: callTimeout,
	})
	return result{code, stdout.String(), stderr.String()}
}

// ok runs a command line that has to succeed and returns its output.
func (s *shell) ok(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.code != exitDone {
		s.t.Fatalf("postroom %s: exit code %d\nstdout: %s\nstderr: %s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// pipeline projects and delivers all there is.
func (s *shell) pipeline() (notifications string) {
	s.t.Helper()
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	return s.ok("consume", "--until-idle", "--idle-after", "50ms")
}

// lines decodes output of one JSON object a line.
func lines[T any](t *testing.T, output string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(output) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in line %q", err, line)
		}
		all = append(all, v)
	}
	return all
}

// message is a line of JSONL from ada to bob.
func message(t *testing.T, change func(*postroom.Message)) string {
	t.Helper()
	m := postroom.Message{
		GroupUUID:   postroom.PairUUID(ada, bob),
		MessageUUID: "aaaaaaaa-0000-4000-8000-000000000001",
		UserUUID:    ada, DisplayName: "Ada", Handle: "@ada",
		Text:      "How are you?",
		CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
		Members: []postroom.Member{
			{UserUUID: ada, DisplayName: "Ada", Handle: "@ada"},
			{UserUUID: bob, DisplayName: "Bob", Handle: "@bob"},
		},
	}
	if change != nil {
		change(&m)
	}
	line, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(line) + "\n"
}
