//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
)

// manyConversations are conversations of ada with n others, of three messages.
func manyConversations(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range 3 * n {
		b.WriteString(message(t, func(m *postroom.Message) {
			other := fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", i/3)
			m.GroupUUID, m.Members[1].UserUUID = postroom.PairUUID(ada, other), other
			m.MessageUUID = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i)
			if m.CreatedAt = m.CreatedAt.Add(time.Duration(i) * time.Second); i%3 > 0 {
				m.Members = nil
			}
		}))
	}
	return b.String()
}

// TestRebuildKilledAndStartedAgain: a rebuild of everything from nothing is killed in the
// midst of it, again and again. What it ends in is what the log says, each conversation
// was counted once, and nobody was notified.
func TestRebuildKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	const conversations, kills = 300, 3
	file := manyConversations(t, conversations)
	s.ok("post", "--file", s.file("messages.jsonl", file))
	for n := range kills {
		s.killRebuild(int64((n + 1) * conversations / 10))
	}
	out := s.ok("rebuild", "--all", "--rate", "100000")
	all := s.rebuilds()
	if len(all) != 1 || all[0].Conversations != conversations || all[0].Failed != 0 || all[0].State != "done" {
		t.Errorf("rebuild printed %s, and there are %+v", out, all)
	}
	s.agreesWith(strings.NewReader(file))
	s.ok("verify")
	if out := s.ok("consume", "--until-idle", "--idle-after", "50ms"); out != "" {
		t.Errorf("notified: %s", out)
	}
}

// killRebuild rebuilds in a process of its own, and kills it once so many conversations
// are done. It is so slow that a busy machine sees that before all are.
func (s *shell) killRebuild(done int64) {
	s.t.Helper()
	child := exec.CommandContext(s.t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childArgs+"=rebuild --all --rate 600 --data "+s.path("postroom.db"))
	if err := child.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		if all := s.rebuilds(); len(all) > 0 && all[0].Conversations >= done {
			break
		}
		select {
		case err := <-ended:
			s.t.Errorf("it ended before %d conversations were done: %v", done, err)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	_ = child.Process.Kill()
	<-ended
}
