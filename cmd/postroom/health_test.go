package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// daemon starts a command that serves health and returns its address, and what
// stops it and expects exit code 0.
func (s *shell) daemon(args ...string) (addr string, stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	args = append(args, "--addr", "127.0.0.1:0")
	if !slices.Contains(args, "aws") {
		args = append(args, "--data", s.path("postroom.db"))
	}
	go func() {
		code <- run(ctx, args, process{
			stdin: strings.NewReader(""), stdout: io.Discard, stderr: in,
			getenv: func(string) string { return "" }, command: "postroom", callTimeout: callTimeout,
		})
		_ = in.Close()
	}()
	stop = func() {
		s.t.Helper()
		cancel()
		if got := <-code; got != exitDone {
			s.t.Errorf("%v: exit code %d", args, got)
		}
	}
	log := bufio.NewScanner(out)
	for addr == "" && log.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(log.Bytes(), &line) == nil && line.Msg == "serving health" {
			addr = line.Addr
		}
	}
	go io.Copy(io.Discard, out)
	if addr == "" {
		s.t.Fatalf("%v ended without serving health: exit code %d", args, <-code)
	}
	return addr, stop
}

// awaitReady asks until a daemon is ready.
func awaitReady(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); get(t, "http://"+addr+"/readyz") != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatal("not ready in a minute")
		}
		time.Sleep(5 * time.Millisecond) // between two questions
	}
}

// awaitMetric asks until a daemon shows a line among its metrics.
func awaitMetric(t *testing.T, addr, line string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		status, text := getText(t, "http://"+addr+"/metrics")
		if status != http.StatusOK {
			t.Fatalf("/metrics answers %d: %s", status, text)
		}
		if strings.Contains(text, "\n"+line+"\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %q in a minute:\n%s", line, text)
		}
		time.Sleep(5 * time.Millisecond) // between two questions
	}
}

func TestHealthOfProject(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	first, stopFirst := s.daemon("project")
	awaitReady(t, first)
	// Another one shares the work. Both live, and both are ready.
	second, stopSecond := s.daemon("project", "--worker", "the other one")
	awaitReady(t, second)
	awaitMetric(t, first, "postroom_stream_workers 2")
	awaitMetric(t, second, "postroom_stream_workers 2")
	if code := get(t, "http://"+first+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz of a projector that shares answers %d", code)
	}
	if out := s.ok("status"); !strings.Contains(out, "the other one") {
		t.Errorf("status printed %s", out)
	}
	for _, addr := range []string{first, second} {
		if out := s.ok("health", "--addr", addr); out != "ok\n" {
			t.Errorf("health printed %s", out)
		}
	}
	stopSecond()
	if out := s.ok("health", "--json", "--addr", first); out != `{"health":"ok"}`+"\n" {
		t.Errorf("health --json printed %s", out)
	}
	s.env["POSTROOM_ADDR"] = ":" + first[strings.LastIndexByte(first, ':')+1:]
	s.ok("health")
	stopFirst()
}

func TestHealthOfConsume(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	addr, stop := s.daemon("consume")
	awaitReady(t, addr)
	awaitMetric(t, addr, "postroom_consumer_delivered_total 1")
	s.ok("health", "--addr", addr)
	stop()
}

func TestHealthOfSomethingElse(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	ill := serve(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusInternalServerError, "ill\x1b") })
	s.failed("/healthz answers 500 Internal Server Error: ill\uFFFD\n", "health", "--addr", ill)
	mute := serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.failed("deadline exceeded", "health", "--addr", mute)
	s.failed("connection refused", "health", "--addr", "127.0.0.1:1")
}
