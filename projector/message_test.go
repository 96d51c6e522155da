package projector

import (
	"log/slog"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/quarantine"
)

// TestMessageStates goes through every way that a message can take.
func TestMessageStates(t *testing.T) {
	t.Parallel()
	members := people(3) // of whom the first one sends
	hold := (*message).hold
	enqueue := func(m *message) { m.enqueue(members) }
	notify := (*message).notify
	leave := (*message).leave
	silence := func(m *message) { m.record.Silent = true }
	waits := func(m *message) { m.requeued++ }
	requeued := func(m *message) { m.requeued--; m.acknowledge() }
	type step struct {
		do   func(*message)
		want state
	}
	for name, steps := range map[string][]step{
		"projected first":  {{enqueue, enqueued}, {leave, projected}, {notify, projected}, {notify, acknowledged}},
		"notified first":   {{enqueue, enqueued}, {notify, enqueued}, {notify, notified}, {leave, acknowledged}},
		"in between":       {{enqueue, enqueued}, {notify, enqueued}, {leave, projected}, {notify, acknowledged}},
		"silent":           {{silence, arrived}, {enqueue, notified}, {leave, acknowledged}},
		"quarantined":      {{leave, acknowledged}},
		"given up":         {{hold, waiting}, {leave, acknowledged}},
		"members gone":     {{enqueue, enqueued}, {hold, enqueued}, {leave, projected}, {notify, projected}, {notify, acknowledged}},
		"members named":    {{hold, waiting}, {enqueue, enqueued}, {leave, projected}, {notify, projected}, {notify, acknowledged}},
		"waits for others": {{waits, arrived}, {leave, finished}, {requeued, acknowledged}},
		"others are first": {{waits, arrived}, {enqueue, enqueued}, {requeued, enqueued}, {leave, projected}, {notify, projected}, {notify, acknowledged}},
	} {
		acks := 0
		m := newMessage(conversationOf(1, 3, 1)[0], quarantine.Record{}, func(*message) { acks++ })
		for i, s := range steps {
			s.do(m)
			if m.state != s.want || acks != max(0, int(m.state-finished)) {
				t.Errorf("%s: state %d after step %d, acknowledged %d times, want state %d", name, m.state, i, acks, s.want)
			}
		}
		if acks != 1 {
			t.Errorf("%s: acknowledged %d times", name, acks)
		}
	}
}

// TestMessageAdopts the copies of it in quarantine: before its notifications are
// enqueued it is notified if any copy is, and afterwards it does not stand for one
// that is owed to somebody when it is silent itself.
func TestMessageAdopts(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 3, 2)
	waiting := func(m postroom.Message, silent bool) copied {
		return copied{&quarantine.Kept{Message: m, Silent: silent}, func() error { return nil }}
	}
	for name, c := range map[string]struct {
		silent, enqueued bool
		copy             copied
		adopts, silently bool
	}{
		"another message":               {false, false, waiting(ms[1], false), false, false},
		"owed by both":                  {false, false, waiting(ms[0], false), true, false},
		"owed by the copy":              {true, false, waiting(ms[0], false), true, false},
		"owed by the message":           {false, false, waiting(ms[0], true), true, false},
		"owed by neither":               {true, false, waiting(ms[0], true), true, true},
		"enqueued, owed by the copy":    {true, true, waiting(ms[0], false), false, true},
		"enqueued, owed by the message": {false, true, waiting(ms[0], true), true, false},
		"enqueued, owed by neither":     {true, true, waiting(ms[0], true), true, true},
	} {
		m := newMessage(ms[0], quarantine.Record{Silent: c.silent}, func(*message) {})
		if c.enqueued {
			m.enqueue(ms[0].Members)
		}
		if got := m.adopt(c.copy); got != c.adopts || m.record.Silent != c.silently {
			t.Errorf("%s: adopts %t, silent %t", name, got, m.record.Silent)
		}
	}
}

// TestS12AdoptsWhatWasReadLast of one record: also whether somebody is owed a notification,
// and whether it is kept by its copies.
func TestS12AdoptsWhatWasReadLast(t *testing.T) {
	t.Parallel()
	m := conversationOf(1, 3, 1)[0]
	q := quarantine.New(sim.NewStore(1).Table("control"), 1, slog.New(slog.DiscardHandler))
	read := func(silent bool) copied {
		r := quarantine.LogRecord(m.Item())
		r.Silent = silent
		if err := q.PutWaiting(t.Context(), r, projection.ErrNoMembers); err != nil {
			t.Fatal(err)
		}
		w, err := q.WaitingOf(t.Context(), m.GroupUUID)
		if err != nil || len(w) != 1 || w[0].Silent != silent {
			t.Fatalf("%+v, %v", w, err)
		}
		return copied{w[0], func() error { return nil }}
	}
	silent, owed := read(true), read(false)
	for name, c := range map[string]struct {
		silent, enqueued       bool
		copies                 []copied
		adopts, silently, kept bool
	}{
		"silent, then owed":           {true, false, []copied{silent, owed}, true, false, true},
		"silent, enqueued, then owed": {true, true, []copied{silent, owed}, false, true, true},
		"owed, then put silently":     {true, false, []copied{owed, silent}, true, false, true},
		"owed itself, silent copy":    {false, false, []copied{silent, silent}, true, false, false},
		"owed itself, silent, owed":   {false, true, []copied{silent, owed}, true, false, true},
		"silent, without any":         {true, false, nil, false, true, false},
	} {
		msg, adopts := newMessage(m, quarantine.Record{Silent: c.silent}, func(*message) {}), false
		for i, w := range c.copies {
			if c.enqueued && i == len(c.copies)-1 {
				msg.enqueue(m.Members)
			}
			adopts = msg.adopt(w)
		}
		if adopts != c.adopts || msg.record.Silent != c.silently || msg.kept() != c.kept || len(msg.copies) > 1 {
			t.Errorf("%s: adopts %t, silent %t, kept %t, by %d copies", name, adopts, msg.record.Silent, msg.kept(), len(msg.copies))
		}
	}
}

// TestS11CleanupFails: a message that came back is not acknowledged before its
// copy is gone from quarantine, or it would stay there for ever. The copy of one
// that cannot be processed stays.
func TestS11CleanupFails(t *testing.T) {
	t.Parallel()
	acks, removed, failing := 0, 0, true
	requeued := func() *message {
		m := newMessage(postroom.Message{}, quarantine.Record{}, func(*message) { acks++ })
		m.copies = []copied{{&quarantine.Kept{}, func() error {
			if failing {
				return failure(backend.KindUnavailable)
			}
			removed++
			return nil
		}}}
		return m
	}
	m := requeued()
	if m.leave(); acks != 0 || m.state != finished {
		t.Error("acknowledged without the clean-up")
	}
	failing = false
	if m.acknowledge(); acks != 1 || removed != 1 {
		t.Errorf("acknowledged %d times, %d copies removed", acks, removed)
	}
	m = requeued()
	m.setQuarantined()
	if m.leave(); acks != 2 || removed != 1 {
		t.Errorf("acknowledged %d times, %d copies removed", acks, removed)
	}
}

// TestP6FoldTakesTheNewest in whatever order messages arrived; of one time the
// uuid decides.
func TestP6FoldTakesTheNewest(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 2, 4)
	ms[3].CreatedAt = ms[2].CreatedAt // its uuid is the greater one
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}} {
		var messages []*message
		for _, i := range order {
			messages = append(messages, unread(ms[i]))
		}
		if got := newest(messages).MessageUUID; got != ms[3].MessageUUID {
			t.Errorf("order %v: the newest is %s", order, got)
		}
	}
}

// TestP4TieIsProjected: of two messages of one microsecond the second replaces the
// rows of the first.
func TestP4TieIsProjected(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		ms[1].CreatedAt = ms[0].CreatedAt
		r.run()
		defer r.end()
		r.post(ms[0])
		r.settled()
		r.post(ms[1])
		r.settled()
		r.wantLast(ms[1], 2)
	})
}
