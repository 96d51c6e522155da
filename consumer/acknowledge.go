package consumer

import "time"

// acknowledge decides a message's fate, and has the queue told.
func (h *hand) acknowledge(m *held, f fate) {
	m.state, m.fate = acknowledging, f
	h.submit(m)
}

// submit passes a message to those who tell the queue. Once they are gone, at
// the end of a drain, it stays in hand, and comes again.
func (h *hand) submit(m *held) {
	switch v := m.fate.verdict; {
	case v == letter && h.burying:
		h.letters <- m
	case v == letter || !h.telling:
	case v.deletes():
		h.deletes <- m
	default:
		h.changes <- m
	}
}

// outcome is what the queue did about a message's fate.
type outcome int

const (
	undone  outcome = iota // nothing yet: to be tried again
	done                   // what it was asked for
	refused                // it never will; the message comes again
)

// told notes what the queue did, and returns the messages to tell it of again:
// those that it has not settled, and those of which a newer receipt came
// meanwhile.
func (h *hand) told(calls []call, outcomes []outcome) (again []*held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range calls {
		c.calling = false
		if outcomes[i] == undone || c.Receipt != c.receipt {
			again = append(again, c.held)
			continue
		}
		h.settle(c.held, outcomes[i])
	}
	h.lastSettled = time.Now()
	h.room.Broadcast()
	return again
}

// settle takes a message out of hand.
func (h *hand) settle(m *held, o outcome) {
	m.state = settled
	delete(h.messages, m.MessageID)
	h.bytes -= m.sizeBytes()
	if m.barring {
		h.unbar(m.GroupID)
	}
	switch v := m.fate.verdict; {
	case v.deletes() && o == done:
		h.stats.Deleted++
	case v.deletes():
		h.stats.DeleteFailed++
		h.handled.Add(m.MessageID, struct{}{})
	case v == givenBack && o == done:
		h.stats.GivenBack++
	}
}

// unbar counts one message less that bars its group.
func (h *hand) unbar(group string) {
	if h.barred[group]--; h.barred[group] == 0 {
		delete(h.barred, group)
	}
}

// buried notes that a message is in the dead-letter queue and may be deleted.
func (h *hand) buried(m *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.DeadLettered++
	h.acknowledge(m, fate{verdict: handled})
}

// unburied has a message that the dead-letter queue refuses come again.
func (h *hand) unburied(m *held, retryIn time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acknowledge(m, fate{verdict: hidden, hide: retryIn})
}

// hideFor is for how long each message of a call is to be hidden.
func (h *hand) hideFor(calls []call) []time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	hide := make([]time.Duration, len(calls))
	for i, c := range calls {
		hide[i] = min(c.fate.hide, c.visibilityLeft(now))
	}
	return hide
}

// endBurials ends the flow of dead letters.
func (h *hand) endBurials() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.burying = false
	close(h.letters)
}

// end ends the flow of all else. Messages still in hand stay there.
func (h *hand) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.telling = false
	close(h.deletes)
	close(h.changes)
}
