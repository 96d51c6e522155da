//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipe makes a named pipe. If it is given a text, a process stands behind it that
// writes the text once, to whoever opens the pipe first.
func (s *shell) pipe(name, text string) string {
	s.t.Helper()
	path := s.path(name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if text == "" {
		return path
	}
	written := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(text)
			_ = f.Close()
		}
		written <- err
	}()
	s.t.Cleanup(func() {
		if err := <-written; err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
	})
	return path
}

func TestF3EveryInputIsOpenedOnce(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	imported := func(out string) int64 {
		t.Helper()
		var d devJSON
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		return d.Imported
	}
	dev := []string{"dev", "--until-idle", "--idle-after", "50ms", "--json", "--addr", "127.0.0.1:0", "--import"}
	if n := imported(s.ok(append(dev, s.pipe("messages", manyMessages(t, 5)))...)); n != 5 {
		t.Errorf("imported %d messages of a named pipe", n)
	}
	s = newShell(t)
	if out := s.ok("post", "--json", "--file", s.pipe("messages", manyMessages(t, 5))); out != `{"stored":5,"already_there":0,"refused":0}`+"\n" {
		t.Errorf("posted %s of a named pipe", out)
	}
	members := s.pipe("members", fmt.Sprintf(
		`[{"user_uuid":%q,"display_name":"Ada","handle":"@ada"},{"user_uuid":%q,"display_name":"Bob","handle":"@bob"}]`, ada, bob))
	s.ok("post", "--from", ada, "--members", members, "--message", "Hello")

	for _, file := range []string{"/dev/stdin", "/dev/fd/0", "-"} {
		s := newShell(t)
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childArgs+"="+strings.Join(dev, " ")+" "+file+" --data "+s.path("postroom.db"))
		child.Stdin = io.MultiReader(strings.NewReader(manyMessages(t, 5))) // not a file: becomes a pipe
		out, err := child.Output()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if n := imported(string(out)); n != 5 {
			t.Errorf("imported %d messages of %s", n, file)
		}
	}
}

// An input that blocks holds up nobody who stops the command: neither a pipe that
// nobody opens for writing, nor one whose writer is silent, nor a standard input that
// never ends.
func TestF7BlockedInput(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"post --file":    {"post", "--file"},
		"post --members": {"post", "--from", ada, "--message", "x", "--members"},
		"dev --import":   {"dev", "--addr", "127.0.0.1:0", "--import"},
		"a secret":       {"consume", "--sink", "webhook", "--webhook-url", "https://example.com", "--webhook-secret-file"},
	} {
		for _, input := range []string{"without a writer", "with a silent writer", "-"} {
			if name == "a secret" && input == "-" {
				continue // it is a file
			}
			t.Run(name+" "+input, func(t *testing.T) {
				t.Parallel()
				s := newShell(t)
				opened := make(chan struct{})
				file, stdin := "-", io.Reader(&announcing{opened: opened, release: t.Context().Done()})
				if input != "-" {
					file = s.pipe("input", "")
					go func() { // the command has a moment to get to the pipe
						time.Sleep(50 * time.Millisecond)
						close(opened)
					}()
				}
				if input == "with a silent writer" {
					writer, err := os.OpenFile(file, os.O_RDWR, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer writer.Close()
				}
				ctx, cancel := context.WithCancel(t.Context())
				go func() { <-opened; cancel() }()
				var stderr strings.Builder
				code := run(ctx, append(args, file, "--data", s.path("postroom.db")), process{
					stdin: stdin, stdout: io.Discard, stderr: &stderr,
					getenv: func(string) string { return "" }, command: "postroom",
				})
				if code != exitFailed || !strings.Contains(stderr.String(), "postroom: interrupted") {
					t.Errorf("exit code %d: %s", code, stderr.String())
				}
				if input != "-" { // lets go of who waits for a writer
					writer, err := os.OpenFile(file, os.O_RDWR, 0)
					if err != nil {
						t.Fatal(err)
					}
					_ = writer.Close()
				}
			})
		}
	}
}

// announcing is a standard input on which nothing comes. It says when it is read,
// and ends with its test.
type announcing struct {
	opened  chan struct{}
	release <-chan struct{}
}

func (a *announcing) Read([]byte) (int, error) {
	close(a.opened)
	<-a.release
	return 0, io.EOF
}
