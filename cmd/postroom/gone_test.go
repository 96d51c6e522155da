package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// Every process that works with a data file ends when that file is no longer at its
// path: with one error that says so, and not as one that was interrupted.
func TestF1CommandsEndWhenTheDataFileIsGone(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"project",
		"consume",
		"dev --addr 127.0.0.1:0 --import -",
		"post --file -",
	} {
		t.Run(strings.Fields(line)[0], func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.ok("post", "--from", ada, "--to", bob, "--message", "Hello!")
			input, endless, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = endless.Close(), input.Close() })
			ended := make(chan result, 1)
			go func() { ended <- s.start(t.Context(), input, strings.Fields(line)...) }()
			waitForFile(t, s.path("postroom.db-shm"))
			if err := os.Rename(s.path("postroom.db"), s.path("renamed.db")); err != nil {
				t.Fatal(err)
			}
			r := <-ended
			if r.code != exitFailed || strings.Count("\n"+r.stderr, "\npostroom: ") != 1 || strings.Contains(r.stderr, "interrupted") ||
				!strings.Contains(r.stderr, "the data file "+s.path("postroom.db")+" was removed, renamed or replaced") {
				t.Errorf("%+v", r)
			}
			// The next one does not begin anew beside what is left of the file.
			if r := s.run("post", "--from", ada, "--to", bob, "--message", "Are you there?"); r.code != exitFailed || !strings.Contains(r.stderr, "move it back") {
				t.Errorf("post: %+v", r)
			}
			if err := os.Rename(s.path("renamed.db"), s.path("postroom.db")); err != nil {
				t.Fatal(err)
			}
			s.pipeline()
			if out := s.ok("verify"); !strings.HasPrefix(out, "1 messages in 1 conversations, 2 group items: 0 ") {
				t.Errorf("verify printed %s", out)
			}
		})
	}
}

// waitForFile returns once a file is there.
func waitForFile(t *testing.T, name string) {
	t.Helper()
	for {
		if _, err := os.Stat(name); err == nil {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("there is no ", name)
		case <-time.After(time.Millisecond):
		}
	}
}
