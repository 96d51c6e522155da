package backendtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

func queueDeadLetterTests() []test {
	return []test{
		{"Q7: at the receive after MaxReceiveCount a message moves to the dead-letter queue, and its group goes on", testDeadLetter},
		{"a message of a standard queue moves to its dead-letter queue", func(t *testing.T, h Harness) {
			live, dead, ok := newDeadLetterPair(t, h, func(*backend.QueueSpec) {}, 1)
			if !ok {
				return
			}
			send(t, live, plain("m"))
			change(t, live, 0, takeOne(t, live, "m", hidden))
			takeNone(t, live)
			takeOne(t, dead, "m", hidden)
		}},
		{"messages of a group keep their order in the dead-letter queue", func(t *testing.T, h Harness) {
			live, dead, ok := newDeadLetterPair(t, h, fifo, 1)
			if !ok {
				return
			}
			send(t, live, numbered("g", "m", 3)...)
			for i := range 3 {
				d := takeOne(t, live, fmt.Sprintf("m-%02d", i), hidden)
				change(t, live, 0, d)
				if i == 2 {
					takeNone(t, live)
				}
			}
			for i := range 3 {
				remove(t, dead, takeOne(t, dead, fmt.Sprintf("m-%02d", i), hidden))
			}
			wantDepth(t, h, live, backend.Depth{})
			wantDepth(t, h, dead, backend.Depth{})
		}},
	}
}

// newDeadLetterPair creates a queue and its dead-letter queue.
func newDeadLetterPair(t *testing.T, h Harness, kind func(*backend.QueueSpec), maxReceives int) (live, dead backend.Queue, ok bool) {
	t.Helper()
	if lacks(t, h.Capabilities.DeadLetters, "DeadLetters") {
		return nil, nil, false
	}
	deadSpec := newQueueSpec(kind)
	dead = createQueue(t, h, deadSpec)
	live = newQueue(t, h, kind, func(s *backend.QueueSpec) {
		s.DeadLetterQueue, s.MaxReceiveCount = deadSpec.Name, maxReceives
	})
	return live, dead, true
}

func testDeadLetter(t *testing.T, h Harness) {
	const maxReceives = 2
	live, dead, ok := newDeadLetterPair(t, h, fifo, maxReceives)
	if !ok {
		return
	}
	bad := backend.SendEntry{Body: "bad", GroupID: "g", DeduplicationID: "id"}
	send(t, live, bad, entry("g", "next"))
	for i := range maxReceives {
		d := takeOne(t, live, "bad", hidden)
		wantEqual(t, d.ReceiveCount, i+1)
		takeNone(t, dead)
		change(t, live, 0, d)
	}
	remove(t, live, takeOne(t, live, "next", hidden))
	takeNone(t, live)

	d := takeOne(t, dead, "bad", hidden)
	wantEqual(t, backend.SendEntry{Body: d.Body, GroupID: d.GroupID, DeduplicationID: d.DeduplicationID}, bad)
	remove(t, dead, d)
	takeNone(t, dead)
}

func queueDepthTests() []test {
	return []test{
		{"Depth counts what can be received and what is in flight", func(t *testing.T, h Harness) {
			for _, kind := range queueKinds() {
				q := newQueue(t, h, kind.with)
				wantDepth(t, h, q, backend.Depth{})
				for i := range 5 {
					send(t, q, kind.entry(fmt.Sprint(i)))
				}
				wantDepth(t, h, q, backend.Depth{Visible: 5})
				d := take(t, q, 1, hidden)[0]
				wantDepth(t, h, q, backend.Depth{Visible: 4, InFlight: 1})
				remove(t, q, d)
				wantDepth(t, h, q, backend.Depth{Visible: 4})
			}
		}},
		{"Depth counts a message as in flight until its visibility timeout has ended", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			take(t, q, 1, hidden)
			if !h.advance(t, hidden-time.Second) {
				return
			}
			wantDepth(t, h, q, backend.Depth{InFlight: 1})
			h.Advance(time.Second)
			wantDepth(t, h, q, backend.Depth{Visible: 1})
		}},
	}
}

// wantDepth fails the test unless a queue holds so many messages, now or soon.
func wantDepth(t *testing.T, h Harness, q backend.Queue, want backend.Depth) {
	t.Helper()
	if h.Capabilities.ExactDepth {
		got, err := q.Depth(t.Context())
		must(t, err)
		got.Oldest = time.Time{}
		wantEqual(t, got, want)
		return
	}
	settled := func() bool {
		got, err := q.Depth(t.Context())
		must(t, err)
		got.Oldest = time.Time{}
		return got == want
	}
	if h.Advance == nil {
		h.eventually(t, fmt.Sprintf("a depth of %+v", want), settled)
	} else if !settled() {
		t.Logf("left out: this backend does not show ExactDepth")
	}
}
