package projector

import (
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/projection"
)

// TestS6QuarantinedOnce: what is damaged in the log, from a nonMember or without
// members is quarantined once, whoever finds it first and however often; it stops
// nothing, and what waits for its members comes back.
func TestS6QuarantinedOnce(t *testing.T) {
	for name, live := range map[string]bool{"found in the log alone": false, "found in both": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				again := func() { r.lose(backfill.Options{}) }
				if live {
					again = func() { r.tuned(tuning{}) }
				}
				good, nonMember, unopened := conversationOf(1, 2, 3), conversationOf(2, 2, 2), conversationOf(3, 2, 3)
				nonMember[1].UserUUID = id(7)
				broken := conversationOf(4, 2, 2)[1].Item()
				delete(broken, "message")
				r.put(broken)
				for _, ms := range [][]postroom.Message{good, nonMember, unopened[1:]} {
					r.post(ms...)
				}
				later()
				for _, after := range []string{"1", "2"} { // the second time nothing is new
					again()
					l := loss(-time.Hour, time.Hour)
					l.After = after
					r.loses(l)
					r.run()
					r.settled()
					r.end()
					r.wantLast(good[2], 2)
					r.wantQuarantined(4, "")
				}
				again()
				r.run()
				defer r.end()
				r.post(unopened[0])
				r.settled()
				r.wantQuarantined(2, "")
				r.wantLast(unopened[2], 2)
				if n := r.notificationsOf(unopened[0].GroupUUID); n != 3 {
					t.Errorf("%d notifications of what waited for its members, want 3", n)
				}
			})
		})
	}
}

// TestS21QuarantinedSilently: what a bootstrap quarantines for want of members comes
// back without notifying anybody, unless the stream brought it too.
func TestS21QuarantinedSilently(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.lose(backfill.Options{})
		ms := conversationOf(1, 2, 4)
		r.post(ms[1], ms[2])
		later()
		first := loss(0, time.Hour)
		first.FirstStart = true
		r.loses(first)
		r.run()
		defer r.end()
		r.post(ms[3]) // also in the stream
		r.settled()
		r.wantQuarantined(3, projection.ErrNoMembers.Error())
		r.post(ms[0])
		r.settled()
		r.wantQuarantined(0, "")
		r.wantLast(ms[3], 2)
		if n := r.notificationsOf(ms[0].GroupUUID); n != 2 {
			t.Errorf("%d notifications, want 2: the opening and the one that came with the stream", n)
		}
	})
}

// TestS6OwedNotificationIsNotLost: a message that was quarantined from the stream for want
// of members is owed to its recipients, also where a backfill finds it together
// with the one that names them and would notify of neither.
func TestS6OwedNotificationIsNotLost(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		r.post(ms[1])
		r.run()
		r.settled()
		r.end()
		r.wantQuarantined(1, projection.ErrNoMembers.Error())
		r.lose(backfill.Options{})
		r.post(ms[0]) // lost to the stream
		later()
		r.loses(loss(40*time.Minute, 50*time.Minute)) // not of these messages
		r.run()
		defer r.end()
		r.settled()
		r.wantQuarantined(0, "")
		r.wantLast(ms[1], 2)
		if n := r.notificationsOf(ms[0].GroupUUID); n != 1 {
			t.Errorf("%d notifications, want 1", n)
		}
	})
}
