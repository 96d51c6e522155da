package producer

import (
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/postroom/postroom"
)

// historySize is how many conversations of a batch are remembered. What would be
// said of a conversation that was forgotten is not said.
const historySize = 1 << 14

// history knows what the lines of a batch mean for later lines of their
// conversations.
type history struct {
	mu            sync.Mutex
	conversations *lru.Cache[string, seen]
}

// seen is what was seen of one conversation.
type seen struct {
	last     postroom.Position // of its lines, in the order of the log
	lastLine int
	opened   bool // a line that names the members is in the log
	refused  int  // the first line that would have opened it and was refused
}

func newHistory() *history {
	c, _ := lru.New[string, seen](historySize) // fails only for a size below one
	return &history{conversations: c}
}

// change changes what is known of a conversation.
func (h *history) change(group string, f func(*seen)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, _ := h.conversations.Get(group)
	f(&s)
	h.conversations.Add(group, s)
}

// read notes a line. It returns the number of an earlier line of the same time that
// comes after this one in the log, or 0.
func (h *history) read(m postroom.NumberedMessage) (before int) {
	h.change(m.GroupUUID, func(s *seen) {
		order := m.Position().Compare(s.last)
		switch {
		case order > 0 || s.lastLine == 0:
			s.last, s.lastLine = m.Position(), m.Line
		case order < 0 && m.CreatedAt.Equal(s.last.CreatedAt):
			before = s.lastLine
		}
	})
	return before
}

// refuse notes that a line was refused which would have opened a conversation.
func (h *history) refuse(group string, line int) {
	h.change(group, func(s *seen) {
		if s.refused == 0 {
			s.refused = line
		}
	})
}

// open notes that a line which opens a conversation is in the log.
func (h *history) open(group string) {
	h.change(group, func(s *seen) { s.opened = true })
}

// openingRefused returns the number of a line that would have opened a
// conversation and was refused, 0 if the conversation was opened by another line or
// no line was refused.
func (h *history) openingRefused(group string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, _ := h.conversations.Get(group); !s.opened {
		return s.refused
	}
	return 0
}
