//go:build unix

package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

const (
	// childArgs is the variable that makes of the test's program a postroom.
	childArgs = "POSTROOM_TEST_ARGS"
	// childFull is the one that bounds the size of its files, if it is set.
	childFull     = "POSTROOM_TEST_FULL"
	childFileSize = 400 << 10
)

func runChild(args []string) int {
	if os.Getenv(childFull) != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: childFileSize, Max: childFileSize}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			panic(err)
		}
	}
	return run(context.Background(), args, process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, command: "postroom",
	})
}

// A file that must not grow stands for a full disk, which a test cannot have
// everywhere: to the program both are a write that fails.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := s.file("messages.jsonl", manyMessages(t, 2_000))
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childArgs+"=post --file "+file+" --data "+s.path("postroom.db"), childFull+"=1")
	var stderr strings.Builder
	child.Stderr = &stderr
	err := child.Run()
	if code := child.ProcessState.ExitCode(); code != exitFailed {
		t.Fatalf("exit code %d (%v), stderr %s", code, err, stderr.String())
	}
	if text := stderr.String(); !strings.Contains(text, "stopped with") || strings.Contains(text, "goroutine") {
		t.Errorf("stderr: %s", text)
	}
	// With room again, the same command completes what was begun.
	if out := s.ok("post", "--file", file); strings.HasPrefix(out, "2,000 ") || !strings.Contains(out, " were there already, 0 refused") {
		t.Errorf("post again printed %s", out)
	}
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	if out := s.ok("verify"); !strings.HasPrefix(out, "2,000 messages in 1 conversations, 2 group items: 0 ") {
		t.Errorf("verify printed %s", out)
	}
}
