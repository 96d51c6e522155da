package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
)

// TestF2ProjectorsOfOneTableSendToOneQueue: one with another queue is refused while
// a projector runs, with both named, and takes over once none does.
func TestF2ProjectorsOfOneTableSendToOneQueue(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan result, 1)
	go func() { ended <- s.runContext(ctx, "project") }()
	for !strings.Contains(s.ok("status"), "queue "+defaultQueue+", as table") {
		time.Sleep(10 * time.Millisecond)
	}
	for _, command := range []string{"project", "dev"} {
		r := s.run(command, "--queue", "other.fifo", "--until-idle", "--addr", "127.0.0.1:0")
		if r.code != exitUsage || !strings.Contains(r.stderr, "other.fifo") || !strings.Contains(r.stderr, defaultQueue) {
			t.Errorf("%s: exit code %d: %s", command, r.code, r.stderr)
		}
	}
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	stop()
	if r := <-ended; r.code != exitDone {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	s.ok("post", "--from", bob, "--to", ada, "--message", "Hi")
	s.ok("project", "--queue", "other.fifo", "--until-idle", "--idle-after", "50ms")
	told := lines[postroom.Notification](t, s.ok("consume", "--queue", "other.fifo", "--until-idle", "--idle-after", "50ms"))
	if len(told) != 1 || told[0].Subject != ada {
		t.Errorf("the other queue holds %+v", told)
	}
	if status := s.ok("status"); !strings.Contains(status, "queue other.fifo, as table") {
		t.Errorf("status printed %s", status)
	}
}
