package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The tests that start processes are not parallel: see children.

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

func TestEndsWhenToldTo(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	ready := filepath.Join(t.TempDir(), "ready")
	polite := shell("trap 'echo >" + told + "; exit 7' TERM; echo >" + ready + "; while :; do sleep 0.01; done")
	deaf := shell("trap '' TERM; while :; do sleep 0.01; done")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listener := listen(t)
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, http.NotFoundHandler(), [][]string{polite, deaf}) }()
	await(t, func() bool { _, err := os.Stat(ready); return err == nil })
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(told); err != nil {
		t.Error("the server was not told to end")
	}
	if connection, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		connection.Close()
		t.Error("it still listens")
	}
}

func TestEndsWithAServer(t *testing.T) {
	for script, want := range map[string]string{
		"exit 3":     "/bin/sh has ended: exit code 3",
		"kill -9 $$": "/bin/sh has ended: by signal, killed",
	} {
		err := serve(t.Context(), listen(t), http.NotFoundHandler(), [][]string{shell("exec sleep 60"), shell(script)})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestAllServersStartOrNone(t *testing.T) {
	listener := listen(t)
	defer listener.Close()
	err := serve(t.Context(), listener, http.NotFoundHandler(), [][]string{shell("exec sleep 60"), {"/nowhere"}})
	if err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("%v", err)
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a server is left: %v", err)
	}
}

// A process whose parent ends is handed to the first process of the container.
func TestProcessesWithoutAParentAreReaped(t *testing.T) {
	const setChildSubreaper = 36 // prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
	file := filepath.Join(t.TempDir(), "orphan")
	c, err := start([][]string{shell("(sleep 0.01 & echo $! >" + file + "); exec sleep 60")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	var orphan int
	await(t, func() bool {
		text, _ := os.ReadFile(file)
		orphan, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	await(t, func() bool { return syscall.Kill(orphan, 0) == syscall.ESRCH })
}

// await polls a condition.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not become true")
		}
	}
}

func TestKeepsWhatItIsToldTo(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "state")
	for persistence, want := range map[string]bool{"": false, "0": false, "1": true, "true": true} {
		commands, err := servers("fauxqs", persistence, folder)
		if err != nil {
			t.Fatal(err)
		}
		if dynoxide := slices.Contains(commands[0], filepath.Join(folder, "dynoxide.db")); dynoxide != want {
			t.Errorf("%q: %q", persistence, commands[0])
		}
		if fauxqs := slices.Contains(commands[1], folder); fauxqs != want {
			t.Errorf("%q: %q", persistence, commands[1])
		}
	}
	if _, err := os.Stat(folder); err != nil {
		t.Error(err)
	}
}

// LocalStack's SQS forgets its queues, and then the tables are forgotten, too.
func TestKeepsNothingBesideLocalStack(t *testing.T) {
	t.Setenv("PYTHONPATH", "")
	folder := filepath.Join(t.TempDir(), "state")
	commands, err := servers("localstack", "1", folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if slices.ContainsFunc(c, func(s string) bool { return strings.HasPrefix(s, folder) }) {
			t.Errorf("%q", c)
		}
	}
	if os.Getenv("PYTHONPATH") != localStack {
		t.Error("Python does not find LocalStack")
	}
}

func TestUnknownArgument(t *testing.T) {
	t.Parallel()
	if err := run([]string{"help"}); err == nil {
		t.Error("it runs")
	}
}
