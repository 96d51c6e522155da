package projector

import (
	"slices"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// pairOf makes messages of the conversation that is derived from its two members.
func pairOf(messages int) []postroom.Message {
	ms := conversationOf(1, 2, messages)
	for i := range ms {
		ms[i].GroupUUID = postroom.PairUUID(id(1000), id(1001))
	}
	return ms
}

// stranger is in no conversation.
func stranger() postroom.Member {
	return postroom.Member{UserUUID: id(2000), DisplayName: "stranger", Handle: "@stranger"}
}

// claim is a message of a stranger that opens the conversation of m for some of its
// members and himself, so much earlier.
func claim(m postroom.Message, earlier time.Duration, members ...postroom.Member) postroom.Message {
	m.MessageUUID, m.UserUUID, m.Text = id(777), stranger().UserUUID, "a claim"
	m.CreatedAt = m.CreatedAt.Add(-earlier)
	m.Members = append(slices.Clone(members), stranger())
	return m
}

// wantUntold checks that a stranger has no row and no notification.
func (r *rig) wantUntold() {
	r.t.Helper()
	for _, item := range r.store.Items("t") {
		if backend.KeyOf(item).PK == postroom.InboxKey(stranger().UserUUID) {
			r.t.Errorf("the stranger has a row: %v", backend.KeyOf(item))
		}
	}
	for _, sent := range r.store.Sent("q.fifo") {
		if n, err := postroom.DecodeNotification(sent.Body); err != nil || n.Subject == stranger().UserUUID {
			r.t.Errorf("the stranger is told %s (%v)", sent.Body, err)
		}
	}
}

// TestF14AClaimToAPairIsQuarantined: somebody who may write to the log opens the
// conversation of two people before they do. He is shown nothing, and they are not
// disturbed. That verify says so is shown by its own test.
func TestF14AClaimToAPairIsQuarantined(t *testing.T) {
	for name, with := range map[string][]postroom.Member{"both": people(2), "one of them": people(1), "two strangers": {people(3)[2]}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.run()
				defer r.end()
				ms := pairOf(3)
				r.post(claim(ms[0], time.Hour, with...))
				time.Sleep(5 * time.Second)
				r.wantQuarantined(1, "message_group_uuid: "+ms[0].GroupUUID)
				r.post(ms...)
				r.settled()
				r.wantLast(ms[2], 2)
				r.wantQuarantined(1, "message_group_uuid: "+ms[0].GroupUUID)
				r.wantUntold()
				if n := r.sent(); n != 3 {
					t.Errorf("%d notifications, want 3", n)
				}
			})
		})
	}
}

func inBubbleNamed(t *testing.T, name string, test func(t *testing.T, r *rig)) {
	t.Run(name, func(t *testing.T) { inBubble(t, test) })
}

// wantReasons checks why records are quarantined, one for each reason.
func (r *rig) wantReasons(reasons ...string) {
	r.t.Helper()
	r.wantQuarantined(len(reasons), "")
	for _, item := range r.store.Items("control") {
		if reason := backend.Text(item, "reason"); reason != "" && !slices.Contains(reasons, reason) {
			r.t.Errorf("quarantined for %q, want one of %q", reason, reasons)
		}
	}
}

// TestF14MembersAreNeverReplaced: an opening that comes later, whatever its time is and
// whoever sends it, changes nothing and is quarantined, also after a restart.
func TestF14MembersAreNeverReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		change func(m *postroom.Message)
		reason string
	}{
		"after the newest":        {func(m *postroom.Message) { m.CreatedAt = m.CreatedAt.Add(2 * time.Hour) }, errNonMember.Error()},
		"before the opening":      {func(*postroom.Message) {}, errNonMember.Error()},
		"by a member":             {func(m *postroom.Message) { m.UserUUID = id(1000) }, errOtherMembers.Error()},
		"by a member, with fewer": {func(m *postroom.Message) { m.UserUUID, m.Members = id(1000), people(2) }, errOtherMembers.Error()},
	} {
		inBubbleNamed(t, name, func(t *testing.T, r *rig) {
			ms := conversationOf(1, 3, 3)
			r.run()
			r.post(ms[0])
			r.settled()
			c := claim(ms[0], time.Hour, people(3)...)
			test.change(&c)
			r.post(c)
			r.settled()
			r.wantReasons(test.reason)
			r.end()
			r.tuned(tuning{})
			r.run()
			defer r.end()
			r.post(ms[1:]...)
			r.settled()
			r.wantReasons(test.reason)
			r.wantLast(ms[2], 3)
			r.wantUntold()
			if n := r.sent(); n != 3*2 {
				t.Errorf("%d notifications, want 6", n)
			}
		})
	}
}

// TestF14ARepeatedOpeningOfTheSameMembers is a message like any other, also under new
// names.
func TestF14ARepeatedOpeningOfTheSameMembers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 3, 3)
		ms[2].Members = slices.Clone(ms[0].Members)
		slices.Reverse(ms[2].Members)
		ms[2].Members[0].DisplayName = "renamed"
		r.post(ms...)
		r.settled()
		r.wantLast(ms[2], 3)
		r.wantQuarantined(0, "")
		for _, g := range r.rows(ms[0].GroupUUID) {
			if g.OtherUserDisplayName == "renamed" {
				t.Errorf("%+v", g)
			}
		}
	})
}

// TestF14NobodyIsToldBeforeTheMembersAreDecided: while the first move fails, another
// message turns out to be the one that names the members. Those of the first one are
// told nothing, and no message is quarantined on their account.
func TestF14NobodyIsToldBeforeTheMembersAreDecided(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.table.onTransact = func([]backend.Action) error { return failure(backend.KindUnavailable) }
		r.run()
		defer r.end()
		ms := conversationOf(1, 3, 3)
		c := claim(ms[0], -time.Millisecond, people(1)...)
		r.post(c, ms[2]) // by a member of both
		time.Sleep(5 * time.Second)
		if n := r.sent(); n != 0 {
			t.Errorf("%d notifications before there is a head", n)
		}
		r.wantQuarantined(0, "")
		r.post(ms[0], ms[1])
		time.Sleep(5 * time.Second)
		r.table.set(func() { r.table.onTransact = nil })
		r.settled()
		r.wantLast(ms[2], 3)
		r.wantUntold()
		r.wantReasons(errNonMember.Error())
	})
}

// TestF14OpenedByAMessageThatIsNotInTheLane: where nothing in the lane is for the
// members, the head is made at the message that names them, and only then is anything
// quarantined.
func TestF14OpenedByAMessageThatIsNotInTheLane(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 3, 2)
		foreign := ms[1]
		foreign.UserUUID = stranger().UserUUID
		r.post(ms[0], foreign)
		l := &lane{group: ms[0].GroupUUID, held: []*message{unread(foreign)}}
		if _, err := r.p.advance(t.Context(), l); err != nil || len(l.held) > 0 {
			t.Fatalf("%v, %d messages left", err, len(l.held))
		}
		r.wantLast(ms[0], 3)
		r.wantReasons(errNonMember.Error())
	})
}

// TestF14NobodyIsToldWhileALargeConversationWaits for a slot to be opened: its members
// are not certain before that.
func TestF14NobodyIsToldWhileALargeConversationWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 201, 2)
		other := ms[1]
		other.UserUUID = stranger().UserUUID
		r.post(ms[0], other)
		r.p.config.Index = false // no pace
		slots := r.p.lanes.slots
		r.p.lanes.slots = 0
		l := &lane{group: ms[0].GroupUUID, held: []*message{unread(ms[0]), unread(other)}}
		if _, err := r.p.advance(t.Context(), l); err != nil || len(l.held) != 2 || r.p.notifier.pending != 0 {
			t.Fatalf("%v: %d messages of 2 are left, %d notifications wait", err, len(l.held), r.p.notifier.pending)
		}
		r.wantQuarantined(0, "")
		r.p.lanes.slots = slots
		if _, err := r.p.advance(t.Context(), l); err != nil || len(l.held) != 0 || r.p.notifier.pending != 200 {
			t.Fatalf("%v: %d messages are left, %d notifications wait, want 0 and 200", err, len(l.held), r.p.notifier.pending)
		}
		r.wantQuarantined(1, "member")
	})
}
