package projector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/quarantine"
)

// TestP12Pacing: with the index a conversation of 1,000 rests four seconds
// between moves. What arrives meanwhile is announced at once and folded into
// the next move, and other conversations are not held up.
func TestP12Pacing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var moved []time.Time
		ms := conversationOf(1, 1000, 6)
		r.table.onTransact = func(actions []backend.Action) error {
			if put := actions[0].Put; put != nil && backend.KeyOf(put).PK == ms[0].GroupUUID {
				moved = append(moved, time.Now())
			}
			return nil
		}
		r.run()
		defer r.end()
		r.post(ms[0], ms[1])
		time.Sleep(1200 * time.Millisecond)
		for _, m := range ms[2:5] {
			r.post(m)
			time.Sleep(300 * time.Millisecond)
		}
		other := conversationOf(2, 2, 1)
		r.post(other...)
		time.Sleep(1100 * time.Millisecond) // a poll
		r.wantLast(other[0], 2)
		r.wantLast(ms[1], 1000)
		if got, want := r.sent(), 5*999+1; got != want {
			t.Errorf("%d notifications are sent while the conversation rests, want %d", got, want)
		}
		r.settled()
		r.wantLast(ms[4], 1000)
		if len(moved) != 2 || moved[1].Sub(moved[0]) < 4*time.Second || moved[1].Sub(moved[0]) > 5*time.Second {
			t.Errorf("it was moved at %v", moved)
		}
	})
}

// TestP12PacingOfALateArrival: a message that comes too late has the conversation
// looked at again, and does not end its rest.
func TestP12PacingOfALateArrival(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var moved []time.Time
		looks := 0
		ms := conversationOf(1, 1000, 6)
		r.table.onTransact = func(actions []backend.Action) error {
			if put := actions[0].Put; put != nil && backend.KeyOf(put).PK == ms[0].GroupUUID {
				moved = append(moved, time.Now())
			}
			return nil
		}
		r.run()
		defer r.end()
		r.post(ms[0], ms[2])
		time.Sleep(1200 * time.Millisecond)
		r.table.set(func() {
			r.table.afterQuery = func(q backend.Query) {
				if q.PK == ms[0].GroupUUID && q.Limit == 2 {
					looks++
				}
			}
		})
		for _, m := range []postroom.Message{ms[1], ms[3], ms[4], ms[5]} {
			r.post(m)
			time.Sleep(300 * time.Millisecond)
		}
		r.settled()
		r.wantLast(ms[5], 1000)
		if len(moved) != 2 || moved[1].Sub(moved[0]) < 4*time.Second || moved[1].Sub(moved[0]) > 5*time.Second {
			t.Errorf("it was moved at %v", moved)
		}
		if looks != 1 {
			t.Errorf("it was looked at %d times for one late arrival", looks)
		}
	})
}

// TestP13HotConversation: hundreds of messages that arrive together are few
// moves, and each is projected and its recipients are notified.
func TestP13HotConversation(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 300)
		r.post(ms...)
		r.run()
		defer r.end()
		r.settled()
		r.wantLast(ms[299], 2)
		if s := r.p.Stats(); s.Projected != 300 || s.NotificationsSent != 300 || s.Moves > 60 {
			t.Errorf("%+v", s)
		}
	})
}

// TestP7P14ExternalEditsAndOwnRecords: what somebody changes in the log is counted
// and moves nothing; the projector's own records are skipped undecoded.
func TestP7P14ExternalEditsAndOwnRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 2, 2)
		r.post(ms...)
		r.settled()
		calls := r.table.calls
		changed := ms[0]
		changed.Text = "something else"
		r.post(changed)
		r.remove(backend.Key{PK: ms[0].GroupUUID, SK: ms[1].Key()})
		r.settled()
		if r.table.calls != calls {
			t.Errorf("%d calls followed from external edits", r.table.calls-calls)
		}
		if s := r.p.Stats(); s.ExternalEdits != 2 || s.Projected != 2 || s.Quarantined != 0 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(r.log.String(), "changed or removed"); n != 2 {
			t.Errorf("%d lines in the log:\n%s", n, r.log.String())
		}
		r.wantLast(ms[1], 2)
	})
}

// A canary removes its own old messages. Whoever changes them is somebody else, and what
// canaries take is not what messages of people take.
func TestCanaryEdits(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 2, 3)
		for i := range ms {
			ms[i].GroupUUID = postroom.CanaryGroup("canary")
		}
		r.post(ms...)
		r.settled()
		changed := ms[0]
		changed.Text = "something else"
		r.remove(backend.Key{PK: ms[0].GroupUUID, SK: ms[1].Key()})
		r.settled()
		if s := r.p.Stats(); s.ExternalEdits != 0 || s.Projected != 3 || strings.Contains(r.log.String(), "removed") {
			t.Errorf("%+v, logged: %s", s, r.log.String())
		}
		r.post(changed)
		r.settled()
		if s := r.p.Stats(); s.ExternalEdits != 1 {
			t.Errorf("%+v", s)
		}
		if h := r.p.visible.Histogram(); h.Count != 0 {
			t.Errorf("%d canaries are counted as messages of people", h.Count)
		}
	})
}

// TestF19EditsAreLoggedNowAndThen: somebody who changes thousands of messages does not
// fill the disk with lines; the count says how many they are.
func TestF19EditsAreLoggedNowAndThen(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 2, 1000)
		r.post(ms...)
		r.settled()
		for i := range ms {
			ms[i].Text += ", changed"
		}
		r.post(ms...)
		r.settled()
		if s := r.p.Stats(); s.ExternalEdits != 1000 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(r.log.String(), "changed or removed"); n != 10 {
			t.Errorf("%d lines in the log, want the first ten", n)
		}
	})
}

// TestP2MessagesWaitForTheOpening: half a minute in the lane, then quarantined,
// then brought back when the members become known.
func TestP2MessagesWaitForTheOpening(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 2, 3)
		other := conversationOf(2, 2, 1)
		nonMember := ms[2]
		nonMember.UserUUID = id(7)
		r.post(ms[1], nonMember)
		r.post(other...)
		time.Sleep(29 * time.Second)
		r.wantLast(other[0], 2)
		r.wantQuarantined(0, "")
		time.Sleep(3 * time.Second)
		r.wantQuarantined(2, projection.ErrNoMembers.Error())
		if s := r.p.Stats(); s.Quarantined != 2 {
			t.Errorf("%+v", s)
		}
		r.settled()
		r.post(ms[0])
		r.settled()
		r.wantLast(ms[1], 2)
		r.wantQuarantined(1, errNonMember.Error()) // with the reason why it stays
		if r.sent() != 3 {
			t.Errorf("%d notifications, want 3", r.sent())
		}
		found, err := r.p.quarantine.WaitingOf(t.Context(), ms[0].GroupUUID)
		if len(found) > 0 || err != nil {
			t.Errorf("%d records wait still (%v)", len(found), err)
		}
	})
}

// TestP2MembersGo: when the message that names the members goes, those that were
// not moved yet are quarantined like those that came before it.
func TestP2MembersGo(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 3)
		r.table.onTransact = func([]backend.Action) error { return failure(backend.KindUnavailable) }
		r.run()
		defer r.end()
		r.post(ms...)
		time.Sleep(5 * time.Second)
		r.remove(backend.KeyOf(ms[0].Item()))
		time.Sleep(time.Minute)
		r.wantQuarantined(3, projection.ErrNoMembers.Error())
		r.table.set(func() { r.table.onTransact = nil })
		r.post(ms[0])
		r.settled()
		r.wantQuarantined(0, "")
		r.wantLast(ms[2], 2)
	})
}

// TestP15P20Quarantine: messages of non-members and damaged ones are quarantined with
// the reason, whole, also when the reason quotes something huge; the others of the page proceed.
func TestP15P20Quarantine(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(item backend.Item)
		reason string
	}{
		"non-member":      {func(item backend.Item) { item["user_uuid"] = text(id(7)) }, errNonMember.Error()},
		"no text":         {func(item backend.Item) { delete(item, "message") }, "message is missing"},
		"a number":        {func(item backend.Item) { item["message"] = &types.AttributeValueMemberN{Value: "1"} }, "not a string"},
		"not UTF-8":       {func(item backend.Item) { item["message"] = text("\xff") }, "UTF-8"},
		"no uuid":         {func(item backend.Item) { item["user_uuid"] = text("A") }, "canonical"},
		"a huge uuid":     {func(item backend.Item) { item["user_uuid"] = text(strings.Repeat("\x01", 390<<10)) }, "user_uuid"},
		"with oneself":    {func(item backend.Item) { oneMember(item) }, "members"},
		"at odds":         {func(item backend.Item) { item["message_uuid"] = text(id(9)) }, "the key says"},
		"not about a key": {func(item backend.Item) { item["PK"] = text("no uuid") }, "canonical"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.control.onPut = func(item backend.Item) error {
					if backend.ItemBytes(item) > backend.MaxItemBytes {
						return failure(backend.KindInvalid)
					}
					return nil
				}
				r.run()
				defer r.end()
				ms := conversationOf(1, 2, 3)
				item := ms[1].Item()
				test.damage(item)
				r.post(ms[0])
				r.put(item)
				r.post(ms[2])
				r.settled()
				r.wantLast(ms[2], 2)
				r.wantQuarantined(1, test.reason)
			})
		})
	}
}

func oneMember(item backend.Item) {
	m := conversationOf(1, 1, 1)[0].Item()
	item["members"] = m["members"]
}

// TestS11Bisect: a batch that is refused as a whole is taken message by
// message, and only those that are refused alone are quarantined.
func TestS11Bisect(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 5)
		r.table.onTransact = func(actions []backend.Action) error {
			for _, a := range actions {
				if last := backend.Text(a.Put, "last_message"); last == ms[4].Text || last == ms[2].Text {
					return failure(backend.KindInvalid)
				}
			}
			return nil
		}
		r.post(ms...)
		r.run()
		defer r.end()
		r.settled()
		r.wantLast(ms[3], 2)
		r.wantQuarantined(2, "invalid request")
		if s := r.p.Stats(); s.Projected != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// TestS11HalvesFindTheOne: of 256 messages with one that fails, whichever it is,
// at most nine parts fail, it alone is quarantined, and the others go through in
// their order.
func TestS11HalvesFindTheOne(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const n = 256
		ms := conversationOf(1, 2, n)
		for bad := range n {
			for i := range n {
				r.p.quarantine.Processed(backend.Key{PK: fmt.Sprint(bad), SK: fmt.Sprint(i)})
			}
			l := &lane{group: ms[0].GroupUUID}
			for _, i := range rand.Perm(n) {
				l.held = append(l.held, newMessage(ms[i], r.record(ms[i]), func(*message) {}))
			}
			var through []postroom.Message
			tries, failures := 0, 0
			for ; len(l.held) > 0; tries++ {
				part := l.held[:l.batch()]
				if slices.ContainsFunc(part, func(m *message) bool { return m.MessageUUID == ms[bad].MessageUUID }) {
					failures++
					if err := r.p.bisect(t.Context(), l, errBroken); err != nil {
						t.Fatal(err)
					}
					continue
				}
				slices.SortFunc(part, byPosition)
				for _, m := range part {
					through = append(through, m.Message)
				}
				l.passed(len(part))
			}
			if failures > 9 || tries > 2*9 {
				t.Errorf("message %d: %d tries, %d of which failed", bad, tries, failures)
			}
			if diff := cmp.Diff(slices.Delete(slices.Clone(ms), bad, bad+1), through); diff != "" {
				t.Fatalf("message %d: what got through (-want +got):\n%s", bad, diff)
			}
		}
		r.wantQuarantined(n, errBroken.Error())
	})
}

// record is a message as it comes from the stream.
func (r *rig) record(m postroom.Message) quarantine.Record {
	return quarantine.Record{
		Origin: quarantine.Stream, Key: backend.KeyOf(m.Item()), CreatedAt: m.CreatedAt,
		EventID: m.MessageUUID, Shard: "shard-0", Sequence: "1",
		Image: func() (backend.Item, error) { return m.Item(), nil },
	}
}

// TestS11AttemptsToFindTheOne: moves that are made in the end to find one message
// that cannot be projected in a lane of 256.
func TestS11AttemptsToFindTheOne(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 256)
		var passed, failed atomic.Int32
		r.table.onTransact = func(actions []backend.Action) error {
			if backend.Text(actions[1].Put, "last_message") == ms[255].Text {
				failed.Add(1)
				return failure(backend.KindInvalid)
			}
			passed.Add(1)
			return nil
		}
		r.post(ms...)
		r.run()
		defer r.end()
		r.settled()
		r.wantLast(ms[254], 2)
		r.wantQuarantined(1, "invalid request")
		// 128, 64, 32 … 1 get through, and the last one fails alone.
		if p, f := passed.Load(), failed.Load(); p != 8 || f != 2 {
			t.Errorf("%d moves got through and %d failed, want 8 and 2", p, f)
		}
		if s := r.p.Stats(); s.Projected != 255 || s.Quarantined != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestS11QuarantineFails: while the control table refuses, the lane tries
// again with a pause, says so once, and once that it is over.
func TestS11QuarantineFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		var tries atomic.Int32
		r.table.onTransact = func([]backend.Action) error { tries.Add(1); return failure(backend.KindInvalid) }
		r.control.onPut = func(item backend.Item) error {
			if strings.HasPrefix(backend.KeyOf(item).PK, quarantined) {
				return failure(backend.KindDenied)
			}
			return nil
		}
		r.post(ms[0])
		r.run()
		defer r.end()
		time.Sleep(time.Minute)
		if n := tries.Load(); n < 10 || n > 100 {
			t.Errorf("%d attempts in a minute", n)
		}
		r.control.set(func() { r.control.onPut = nil })
		r.settled()
		r.wantQuarantined(1, "invalid request")
		r.wantOneIncident("projecting")
	})
}

// TestP10KindsAreToldApart: no passing failure of a transaction loses a message
// or quarantines one.
func TestP10KindsAreToldApart(t *testing.T) {
	for _, kind := range []backend.Kind{
		backend.KindConditionFailed, backend.KindConflict, backend.KindThrottled,
		backend.KindUnavailable, backend.KindDenied, backend.KindUnknown, backend.KindNotFound,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				failures := 0
				r.table.onTransact = func([]backend.Action) error {
					if failures++; failures > 8 {
						return nil
					}
					return failure(kind)
				}
				ms := conversationOf(1, 2, 3)
				r.post(ms...)
				r.run()
				defer r.end()
				r.settled()
				r.wantLast(ms[2], 2)
				r.wantQuarantined(0, "")
				if fails, again := r.incidents("projecting"); fails != again {
					t.Errorf("the log:\n%s", r.log.String())
				}
			})
		})
	}
}

// TestP10MixedReasons: a refusal has a reason for each action, and several may
// come together. None loses a message, and only what is wrong with a row has one
// quarantined.
func TestP10MixedReasons(t *testing.T) {
	for name, c := range map[string]struct {
		kinds       []backend.Kind
		quarantined int
	}{
		"conflicts":                  {[]backend.Kind{backend.KindConflict, backend.KindConflict}, 0},
		"conflict and throttling":    {[]backend.Kind{backend.KindConflict, backend.KindThrottled}, 0},
		"condition and throttling":   {[]backend.Kind{backend.KindConditionFailed, backend.KindThrottled}, 0},
		"condition and conflict":     {[]backend.Kind{backend.KindConditionFailed, backend.KindConflict}, 0},
		"condition and a wrong row":  {[]backend.Kind{backend.KindConditionFailed, backend.KindInvalid}, 0},
		"throttling and denial":      {[]backend.Kind{backend.KindThrottled, backend.KindDenied}, 0},
		"denial":                     {[]backend.Kind{backend.KindDenied}, 0},
		"conflict and one not known": {[]backend.Kind{backend.KindConflict, backend.KindUnknown}, 0},
		"throttling and a wrong row": {[]backend.Kind{backend.KindThrottled, backend.KindInvalid}, 1},
		"a wrong row":                {[]backend.Kind{backend.KindInvalid}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				ms := conversationOf(1, 2, 3)
				refusals := 0
				r.table.onTransact = func(actions []backend.Action) error {
					if refusals++; refusals > 30 && c.quarantined == 0 || backend.Text(actions[1].Put, "last_message") != ms[2].Text {
						return nil
					}
					reasons := make([]*backend.Reason, len(actions))
					for i, kind := range c.kinds {
						reasons[i] = &backend.Reason{Kind: kind, Code: kind.String()}
					}
					return &backend.Error{Op: "test", Kind: backend.KindOfReasons(reasons), Reasons: reasons}
				}
				r.post(ms...)
				r.run()
				defer r.end()
				r.settled()
				r.wantLast(ms[2-c.quarantined], 2)
				r.wantQuarantined(c.quarantined, "invalid request")
				if s := r.p.Stats(); slices.Contains(c.kinds, backend.KindConflict) != (s.Conflicts > 0) ||
					slices.Contains(c.kinds, backend.KindThrottled) != (s.Throttled > 0) {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestP10WrongRowOfOneThatWasOvertaken: a move is refused since the head went on
// and since a row is wrong. The head went past the message, so nothing is left to
// do for it, and nothing to quarantined.
func TestP10WrongRowOfOneThatWasOvertaken(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 3)
		r.table.onTransact = func(actions []backend.Action) error {
			if backend.Text(actions[1].Put, "last_message") != ms[1].Text {
				return nil
			}
			other := newRig(t)
			other.store, other.table = r.store, &hooked{Table: r.store.Table("t")}
			other.tuned(tuning{})
			other.project(ms[2])
			reasons := []*backend.Reason{{Kind: backend.KindConditionFailed}, {Kind: backend.KindInvalid}}
			return &backend.Error{Op: "test", Kind: backend.KindOfReasons(reasons), Reasons: reasons}
		}
		r.run()
		defer r.end()
		r.post(ms[:2]...)
		r.settled()
		r.wantLast(ms[2], 2)
		r.wantQuarantined(0, "")
	})
}

// TestP9OthersProceed while one conversation fails.
func TestP9OthersProceed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		bad := conversationOf(1, 2, 2)
		r.table.onTransact = func(actions []backend.Action) error {
			if backend.KeyOf(actions[0].Put).PK == bad[0].GroupUUID {
				return failure(backend.KindThrottled)
			}
			return nil
		}
		r.run()
		defer r.end()
		r.post(bad...)
		for n := range 40 { // more than there are movers
			r.post(conversationOf(2+n, 2, 2)...)
		}
		time.Sleep(10 * time.Second)
		for n := range 40 {
			r.wantLast(conversationOf(2+n, 2, 2)[1], 2)
		}
		r.table.set(func() { r.table.onTransact = nil })
		r.settled()
		r.wantLast(bad[1], 2)
	})
}

// TestStopLeavesNoTimer: a lane that is processed when the stop comes does not rest.
func TestStopLeavesNoTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ls := newLanes(1)
		ls.add([]*message{unread(conversationOf(1, 2, 1)[0])})
		l := ls.ready.pop(1)[0]
		ls.take(l)
		ls.close()
		ls.rest(l, time.Hour, false)
		if l.timer != nil {
			t.Error("a timer runs")
		}
	})
}

// TestTableReplacedBeneath empties the table of a projector that remembers its
// conversations, and writes the log again, as one does who restores a backup under
// the same name.
func TestTableReplacedBeneath(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		messages := conversationOf(1, 3, 4)
		r.run()
		defer r.end()
		r.post(messages...)
		r.settled()
		r.wantLast(messages[3], 3)
		for _, item := range r.store.Items("t") {
			r.remove(backend.KeyOf(item))
		}
		r.post(messages[:2]...)
		r.settled()
		r.wantLast(messages[1], 3)
		r.post(messages[2:]...)
		r.settled()
		r.wantLast(messages[3], 3)
	})
}
