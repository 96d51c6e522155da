package projector

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/replay"
)

// replay creates a replay of all messages, unless it is changed, and carries it out.
func (r *rig) replay(name string, change func(*replay.Definition)) replay.Replay {
	r.t.Helper()
	d := replay.Definition{
		Name: name, Begin: start.Add(-time.Hour), End: start.Add(time.Hour), Rate: 1000, Queue: "q.fifo",
	}
	if change != nil {
		change(&d)
	}
	one, err := replay.New(d, replay.Log, 0, time.Now())
	if err == nil {
		_, err = replay.Create(r.t.Context(), r.store.Table("control"), one)
	}
	if err == nil {
		err = newTuned(r.config(), r.options, tuning{}).RunReplay(r.t.Context(), name, func(now replay.Replay) { one = now })
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return one
}

// told is how often each notification was sent, by its deduplication id, after the first n.
func (r *rig) told(n int) map[string]int {
	told := map[string]int{}
	for _, e := range r.store.Sent("q.fifo")[n:] {
		told[e.DeduplicationID]++
		event, err := postroom.DecodeNotification(e.Body)
		if err != nil || event.DeduplicationID() != e.DeduplicationID {
			r.t.Errorf("sent %s as %s, %v", e.Body, e.DeduplicationID, err)
		}
	}
	return told
}

func notify(d *replay.Definition) { d.Notify = true }

// TestReplayNotifiesAgain with the ids of the first time and the name of the replay, all
// recipients or some, and silently nobody. A live projector beside it notices nothing.
func TestReplayNotifiesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 3, 30)
		r.post(ms...)
		r.settled()
		sent := r.sent()
		if one := r.replay("silent", nil); r.sent() != sent || one.Counts != (replay.Counts{Replayed: 30}) {
			t.Errorf("%d notifications are sent, %+v", r.sent()-sent, one)
		}
		if one := r.replay("all", notify); one.Counts != (replay.Counts{Replayed: 30, Notified: 60}) {
			t.Errorf("%+v", one)
		}
		told := r.told(sent)
		for _, m := range ms {
			for _, user := range postroom.Recipients(ms[0].Members, m.UserUUID) {
				if id := "replay-all-" + postroom.NotificationID(m, user); told[id] != 1 {
					t.Errorf("%s is told %d times", user, told[id])
				}
			}
		}
		if len(told) != 60 {
			t.Errorf("%d notifications", len(told))
		}
		sent = r.sent()
		one := r.replay("some", func(d *replay.Definition) { d.Notify, d.Users = true, []string{id(1000), id(1002)} })
		if one.Counts.Notified != 30 || len(r.told(sent)) != 30 {
			t.Errorf("%+v, %d notifications", one, len(r.told(sent)))
		}
		r.wantLast(ms[29], 3)
	})
}

// TestReplayFindsWhatIsOwed: a message that waits in quarantine, and comes back because of
// a replay, is notified as itself, once, and to everybody.
func TestReplayFindsWhatIsOwed(t *testing.T) {
	for name, change := range map[string]func(*replay.Definition){
		"silent": nil, "notify": notify, "some": func(d *replay.Definition) { d.Notify, d.Users = true, []string{id(1001)} },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.run()
				ms := conversationOf(1, 3, 2)
				r.post(ms[1])
				r.settled()
				r.wantQuarantined(1, "")
				r.end()
				r.post(ms[0]) // names the members; no projector runs
				if change != nil && name == "some" {
					r.put(backend.Item{backend.AttrPK: text(postroom.InboxKey(id(1001))), backend.AttrSK: text(postroom.RowKey(start, id(1)))})
				}
				one := r.replay("one", change)
				told := r.told(0)
				for _, user := range []string{id(1001), id(1002)} {
					if n := told[postroom.NotificationID(ms[1], user)]; n != 1 {
						t.Errorf("%s is told %d times what is owed: %v", user, n, told)
					}
				}
				want := map[string]int64{"silent": 0, "notify": 2, "some": 1}[name]
				if one.Counts.Notified != want || len(told) != 2+int(want) {
					t.Errorf("%+v, %v", one, told)
				}
				r.wantQuarantined(0, "")
			})
		})
	}
}

// TestReplayQuarantinesSilently: nobody is owed a notification of what a replay could not
// process, also if it is tried again.
func TestReplayQuarantinesSilently(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 3, 3)
		r.post(ms...)
		r.settled()
		broken := ms[2].Item()
		delete(broken, "message")
		r.put(broken)
		sent := r.sent()
		if one := r.replay("one", notify); one.Counts != (replay.Counts{Replayed: 3, Notified: 4, Quarantined: 1}) {
			t.Errorf("%+v", one)
		}
		r.wantQuarantined(1, "message")
		r.put(ms[2].Item())
		r.retry()
		r.settled()
		r.wantQuarantined(0, "")
		if told := r.told(sent); len(told) != 4 {
			t.Errorf("%v", told)
		}
	})
}

// TestReplayToAnotherQueue is refused, whatever the projectors send to.
func TestReplayToAnotherQueue(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		r.settled()
		r.end()
		r.replay("one", nil)
		for want, change := range map[string]func(*Config){
			"the projectors of the table send to queue q.fifo": func(c *Config) { c.QueueName = "other.fifo" },
			"there is no replay named":                         func(*Config) {},
		} {
			c := r.config()
			change(&c)
			err := New(c, Options{}).RunReplay(t.Context(), "two", nil)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	})
}

// TestReplayDoesNotHoldUpTheLiveOnes: while the queue takes nothing of a replay, what is
// posted is projected and notified.
func TestReplayDoesNotHoldUpTheLiveOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		r.post(conversationOf(1, 2, 500)...)
		r.settled()
		r.queue.set(func(entries []backend.SendEntry) (failed []backend.EntryError, err error) {
			for i, e := range entries {
				if strings.HasPrefix(e.DeduplicationID, "replay-") {
					failed = append(failed, backend.EntryError{Index: i})
				}
			}
			return failed, nil
		})
		one, err := replay.New(replay.Definition{
			Name: "one", Begin: start.Add(-time.Hour), End: start.Add(time.Hour), Rate: 1000, Queue: "q.fifo", Notify: true,
		}, replay.Log, 500, time.Now())
		if err == nil {
			_, err = replay.Create(t.Context(), r.store.Table("control"), one)
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- newTuned(r.config(), r.options, tuning{}).RunReplay(ctx, "one", nil) }()
		time.Sleep(3 * time.Second)
		sent := r.sent()
		live := conversationOf(2, 2, 5)
		r.post(live...)
		r.settled()
		r.wantLast(live[4], 2)
		ordinary := 0
		for id := range r.told(sent) {
			if !strings.HasPrefix(id, "replay-") {
				ordinary++
			}
		}
		if ordinary != 5 {
			t.Errorf("%d notifications of what was posted", ordinary)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
