package main

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/postroom/postroom"
)

// stuck is an output that nobody reads.
type stuck struct {
	once    sync.Once
	written chan struct{} // closed at the first write
	release chan struct{} // ends the writes
}

func newStuck(t *testing.T) *stuck {
	s := &stuck{written: make(chan struct{}), release: make(chan struct{})}
	t.Cleanup(func() { close(s.release) })
	return s
}

func (s *stuck) Write([]byte) (int, error) {
	s.once.Do(func() { close(s.written) })
	<-s.release
	return 0, io.ErrClosedPipe
}

// Whoever does not read what a command prints does not keep it from ending: neither a
// list, nor a daemon, nor the log of one.
func TestF7BlockedOutput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		stderr bool // blocks, and not stdout
		code   int
	}{
		"inbox":            {[]string{"inbox", "--all"}, false, exitFailed},
		"messages":         {[]string{"messages", "--limit", "20", "--json", postroom.PairUUID(ada, bob)}, false, exitFailed},
		"status":           {[]string{"status"}, false, exitFailed},
		"verify":           {[]string{"verify"}, false, exitFailed},
		"consume":          {[]string{"consume"}, false, exitDone},
		"dev":              {[]string{"dev", "--addr", "127.0.0.1:0", "--json"}, true, exitFailed},
		"log of project":   {[]string{"project"}, true, exitDone},
		"log of consume":   {[]string{"consume", "--addr", "127.0.0.1:0"}, true, exitDone},
		"refused lines":    {[]string{"post", "--file", "-"}, true, exitFailed},
		"wrong usage":      {[]string{"frob"}, true, exitUsage},
		"dev's deliveries": {[]string{"dev", "--addr", "127.0.0.1:0", "--import", "-"}, false, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.ok("post", "--file", s.file("messages.jsonl", manyMessages(t, 20)))
			s.ok("project", "--until-idle", "--idle-after", "50ms")
			out := newStuck(t)
			p := process{
				stdin: strings.NewReader("{\n" + numbered(t, 99, nil)), stdout: out, stderr: io.Discard,
				getenv: func(string) string { return "" }, command: "postroom",
			}
			if c.stderr {
				p.stdout, p.stderr = p.stderr, p.stdout
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-out.written; cancel() }()
			if code := run(ctx, append(c.args, "--data", s.path("postroom.db")), p); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
		})
	}
}
