package projector

import (
	"slices"
	"sync"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/projector/replay"
)

// state is how far a message has come. Projecting it and notifying its recipients
// go on side by side:
//
//	             enqueue              last recipient notified
//	arrived ──────┬──────► enqueued ───────────────────────────► notified
//	   │          │           │                                     │
//	   │ hold     │           │ leave                               │ leave
//	   ▼          │           ▼       last recipient notified       ▼
//	waiting ──────┘       projected ───────────────────────────► finished ──► acknowledged
//
// With nobody to notify, enqueue leads to notified at once. A message that cannot
// be processed is quarantined, in any state, and leaves: from arrived and waiting
// to finished. A finished message is acknowledged once every message that was
// requeued on its account is, and its copies in quarantine are removed.
type state int

const (
	arrived      state = iota // in its lane; nothing is done yet
	waiting                   // in its lane; quarantined until somebody names the members
	enqueued                  // in its lane; its notifications are enqueued
	notified                  // in its lane; everybody is notified
	projected                 // out of its lane, since projected or quarantined; notifications are pending
	finished                  // nothing is left to do for the message itself
	acknowledged              // it will not come again
)

// message is one message on its way through the projector.
type message struct {
	postroom.Message

	record quarantine.Record // as it was read; of one that was requeued from quarantine only Silent
	since  time.Time         // when it arrived
	ack    func(*message)
	// retries is the record for whose sake m is tried again; nil: m is not tried again.
	retries *quarantine.Kept

	// Written by its lane alone, as is record.Silent: nobody is owed a notification. That
	// changes only before its notifications are enqueued.
	fresh  bool           // it was found not to be projected
	replay *replay.Notify // the replay whose notifications are sent of a silent message; nil: none are

	spans *spans // nil: its trace is not recorded

	mu          sync.Mutex // of what follows: lanes and senders work side by side
	state       state
	quarantined bool     // it cannot be processed, and stays in quarantine
	recipients  int      // who are notified
	pending     int      // of them, who are not yet
	requeued    int      // messages that were, on its account, and are not acknowledged
	copies      []copied // of it, in quarantine
}

// copied is a message that is in quarantine, and is processed.
type copied struct {
	*quarantine.Kept

	// remove takes it out of quarantine, once it is processed. It fails only at a stop; then the message
	// is not acknowledged.
	remove func() error
}

func newMessage(m postroom.Message, r quarantine.Record, ack func(*message)) *message {
	return &message{Message: m, record: r, since: time.Now(), ack: ack}
}

// live reports whether m is not of the log: then it goes first.
func (m *message) live() bool { return m.record.Origin != quarantine.Log }

// posted is when m was posted: its own time, unless that is more than a minute from
// the time at which the stream says that its record was made. Then m was imported, or
// the clock of its producer is wrong, and the stream's time counts. Zero: m does not
// come from the stream, and has been waiting for something else than the projector.
func (m *message) posted() time.Time {
	recorded := m.record.CreatedAt
	if m.record.Origin != quarantine.Stream || recorded.IsZero() {
		return time.Time{}
	}
	if m.CreatedAt.Sub(recorded).Abs() > postroom.MaxClockSkew {
		return recorded
	}
	return m.CreatedAt
}

// in reports whether m is in one of some states.
func (m *message) in(states ...state) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(states, m.state)
}

// hold notes that m is quarantined until somebody names the members. Where they
// were known before, its notifications go on.
func (m *message) hold() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == arrived {
		m.state = waiting
	}
}

// enqueue begins the notifications of m, of all recipients unless it is silent,
// and returns whom to notify.
func (m *message) enqueue(members []postroom.Member) (recipients []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.record.Silent || m.replay != nil {
		recipients = postroom.Recipients(members, m.UserUUID)
	}
	if m.replay != nil && len(m.replay.Users) > 0 {
		recipients = slices.DeleteFunc(recipients, func(user string) bool { return !slices.Contains(m.replay.Users, user) })
	}
	m.pending = len(recipients)
	m.recipients = m.pending
	if m.state = enqueued; m.pending == 0 {
		m.state = notified
	}
	m.spans.enqueued(m, m.pending)
	return recipients
}

// notify ends the notification of one recipient.
func (m *message) notify() {
	m.mu.Lock()
	m.pending--
	if m.pending == 0 {
		m.spans.notified()
	}
	switch {
	case m.pending > 0:
	case m.state == enqueued:
		m.state = notified
	default:
		m.state = finished
	}
	m.mu.Unlock()
	m.acknowledge()
}

// leave ends what the lane has to do for m, which is projected or quarantined.
func (m *message) leave() {
	m.mu.Lock()
	if m.state == enqueued {
		m.state = projected
	} else {
		m.state = finished
	}
	m.spans.left(m.quarantined)
	m.mu.Unlock()
	m.acknowledge()
}

// acknowledge acknowledges m if nothing is left to do.
func (m *message) acknowledge() {
	m.mu.Lock()
	done := m.state == finished && m.requeued == 0
	if done {
		m.state = acknowledged
	}
	copies := m.copies
	if m.quarantined {
		copies = nil
	}
	m.mu.Unlock()
	if !done {
		return
	}
	for _, c := range copies {
		if c.remove() != nil {
			m.mu.Lock()
			m.state = finished
			m.mu.Unlock()
			return
		}
	}
	m.ack(m)
}

// setQuarantined notes that m cannot be processed.
func (m *message) setQuarantined() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quarantined = true
}

// inQuarantine returns the copies of m in quarantine.
func (m *message) inQuarantine() []copied {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.copies
}

// adopt reports whether m stands for a message that waits in quarantine. Then m
// removes it there in the end, and its recipients are notified if they are owed it
// by either. Once a silent message is enqueued, it does not stand for one that is
// owed to somebody. Of a record that m stands for already, what was read last counts.
func (m *message) adopt(w copied) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch begun := m.state > waiting; {
	case m.Position() != w.Message.Position():
		return false
	case begun && m.record.Silent && !w.Silent:
		return false
	case !begun && !w.Silent:
		m.record.Silent, m.replay = false, nil // what is owed comes first
	}
	i := slices.IndexFunc(m.copies, func(c copied) bool { return c.ID() == w.ID() })
	switch {
	case i < 0:
		m.copies = append(m.copies, w)
	case m.copies[i].Silent || !w.Silent: // another has not processed it and put it anew
		m.copies = slices.Clone(m.copies) // somebody may look at the others
		m.copies[i] = w
	}
	return true
}

// kept reports whether m is in quarantine as it is: by a record that owes a notification
// to somebody, if m does.
func (m *message) kept() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.copies, func(c copied) bool { return m.record.Silent || !c.Silent })
}

// requeue makes a message of one that waited in quarantine. m is not acknowledged
// before it is: after a crash m leads to it again.
func (m *message) requeue(w copied) *message {
	m.mu.Lock()
	m.requeued++
	m.mu.Unlock()
	r := newMessage(w.Message, quarantine.Record{Silent: w.Silent}, func(*message) {
		m.mu.Lock()
		m.requeued--
		m.mu.Unlock()
		m.acknowledge()
	})
	r.copies = []copied{w}
	return r
}

// newest is the fold: of all messages of a conversation only the last one by
// time and uuid decides where its rows are to be. There must be one.
func newest(messages []*message) postroom.Message {
	return slices.MaxFunc(messages, byPosition).Message
}

func byPosition(a, b *message) int { return a.Position().Compare(b.Position()) }
