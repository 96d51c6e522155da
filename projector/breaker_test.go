package projector

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/quarantine"
)

var errBroken = errors.New("broken")

// breakerLeast is how many records may be quarantined before the breaker trips.
const breakerLeast = 50

// broken makes moves fail of every so many-th conversation, as a fault in the
// program would.
func (r *rig) broken(kind backend.Kind, every int) {
	r.table.set(func() {
		r.table.onTransact = func(actions []backend.Action) error {
			var n int
			if _, err := fmt.Sscanf(backend.KeyOf(actions[0].Put).PK, id(0)[:24]+"%d", &n); err != nil {
				return err
			}
			if n%every == 0 {
				return failure(kind)
			}
			return nil
		}
	})
}

// trips waits for the projector to end since its breaker tripped.
func (r *rig) trips() *quarantine.BreakerError {
	r.t.Helper()
	var tripped *quarantine.BreakerError
	select {
	case err := <-r.ended:
		if !errors.As(err, &tripped) {
			r.t.Fatalf("Run: %v", err)
		}
	case <-time.After(10 * time.Minute):
		r.end()
		r.t.Fatal("the breaker does not trip")
	}
	return tripped
}

// TestS11BreakerTrips: when everything would be quarantined it is not the records
// that are broken. The projector stops with an error that says so, and once the
// fault is fixed the next one projects all but the few that were quarantined.
func TestS11BreakerTrips(t *testing.T) {
	const kind = backend.KindInvalid
	inBubble(t, func(t *testing.T, r *rig) {
		const conversations = 200
		r.broken(kind, 1)
		for n := range conversations {
			r.post(conversationOf(n, 2, 3)...)
		}
		r.run()
		if tripped := r.trips(); tripped.Quarantined != breakerLeast || backend.KindOf(tripped.Last) != kind {
			t.Errorf("Run: %v", tripped)
		}
		r.wantQuarantined(breakerLeast, kind.String())
		if log := r.log.String(); strings.Count(log, "the projector stops") != 1 || !strings.Contains(log, "level=ERROR") {
			t.Errorf("the log:\n%s", log)
		}
		if s := r.p.Stats(); s.Projected != 0 || s.QuarantinedShare != 1 {
			t.Errorf("%+v", s)
		}
		r.table.set(func() { r.table.onTransact = nil })
		r.tuned(tuning{})
		r.run()
		defer r.end()
		r.settled()
		r.wantQuarantined(breakerLeast, kind.String())
		quarantined := r.quarantinedKeys()
		for n := range conversations {
			var last []postroom.Message
			for _, m := range conversationOf(n, 2, 3) {
				if !quarantined[backend.Key{PK: m.GroupUUID, SK: m.Key()}] {
					last = append(last, m)
				}
			}
			if len(last) > 0 {
				r.wantLast(last[len(last)-1], 2)
			}
		}
		if got, want := r.notificationsSent(), conversations*3; got < want-breakerLeast || got > want {
			t.Errorf("%d notifications, want one for each message that is not in quarantine, of %d", got, want)
		}
	})
}

// quarantinedKeys are the keys of the messages that are quarantined.
func (r *rig) quarantinedKeys() map[backend.Key]bool {
	keys := map[backend.Key]bool{}
	for _, item := range r.store.Items("control") {
		if strings.HasPrefix(backend.KeyOf(item).PK, quarantined) {
			keys[backend.Key{PK: backend.Text(item, "record_pk"), SK: backend.Text(item, "record_sk")}] = true
		}
	}
	return keys
}

// notificationsSent counts notifications, each once however often it was sent.
func (r *rig) notificationsSent() int {
	ids := map[string]bool{}
	for _, e := range r.store.Sent("q.fifo") {
		ids[e.DeduplicationID] = true
	}
	return len(ids)
}

// TestS11BreakerDoesNotTrip while fewer than half cannot be projected.
func TestS11BreakerDoesNotTrip(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.broken(backend.KindInvalid, 3)
		r.run()
		defer r.end()
		for n := range 360 {
			r.post(conversationOf(n, 2, 1)...)
		}
		r.settled()
		r.wantQuarantined(120, "invalid request")
		if s := r.p.Stats(); s.Projected != 240 || s.QuarantinedShare < 0.33 || s.QuarantinedShare > 0.34 {
			t.Errorf("%+v", s)
		}
	})
}

// TestS11BreakerAndDamagedRecords: what does not decode counts, and is not
// acknowledged once the breaker has tripped.
func TestS11BreakerAndDamagedRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 2 * breakerLeast {
			item := conversationOf(n, 2, 1)[0].Item()
			delete(item, "message")
			r.put(item)
		}
		r.run()
		r.trips()
		r.wantQuarantined(breakerLeast, "message is missing")
		r.tuned(tuning{MaxQuarantined: 1}) // the records are what is broken
		r.run()
		defer r.end()
		r.settled()
		r.wantQuarantined(2*breakerLeast, "message is missing")
	})
}

// TestS11BreakerAndMissingMembers: messages that wait for the one that opens
// their conversation come back by themselves and do not count.
func TestS11BreakerAndMissingMembers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		for n := range 2 * breakerLeast {
			r.post(conversationOf(n, 2, 2)[1])
		}
		r.settled()
		r.wantQuarantined(2*breakerLeast, projection.ErrNoMembers.Error())
		if s := r.p.Stats(); s.QuarantinedShare != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestS11QuarantineThatFails keeps the message in its lane, and says what it was about.
func TestS11QuarantineThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		l := &lane{group: ms[0].GroupUUID, held: []*message{unread(ms[0]), unread(ms[1])}}
		r.control.onPut = func(backend.Item) error { return failure(backend.KindDenied) }
		err := r.p.quarantineThose(t.Context(), l, func(*message) bool { return true }, errNonMember)
		if backend.KindOf(err) != backend.KindDenied || !strings.HasPrefix(err.Error(), "quarantining a record: ") || len(l.held) != 2 {
			t.Errorf("%v, %d messages are held", err, len(l.held))
		}
	})
}
