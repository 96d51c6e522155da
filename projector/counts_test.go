package projector

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/quarantine"
)

// counted takes over messages without a reader, and counts how often each is
// acknowledged.
type counted struct {
	r *rig

	mu   sync.Mutex
	acks map[string]int // by uuid
}

func (c *counted) add(ms ...postroom.Message) {
	var all []*message
	for _, m := range ms {
		all = append(all, newMessage(m, c.r.record(m), func(*message) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.acks[m.MessageUUID]++
		}))
	}
	c.r.p.lanes.add(all)
}

// TestEachMessageCountsOnce: whatever becomes of a message, and wherever it is when
// that happens, it is acknowledged once, and counts once for the metrics and for the
// breaker.
func TestEachMessageCountsOnce(t *testing.T) {
	reject := func(r *rig, m postroom.Message) {
		r.table.onTransact = func(actions []backend.Action) error {
			if slices.ContainsFunc(actions, func(a backend.Action) bool { return backend.Text(a.Put, "last_message") == m.Text }) {
				return failure(backend.KindInvalid)
			}
			return nil
		}
	}
	pairs := pairOf(2)
	for name, test := range map[string]struct {
		ms   []postroom.Message
		does func(r *rig, c *counted, ms []postroom.Message)
		want Stats
	}{
		"projected": {
			conversationOf(1, 3, 2),
			func(_ *rig, c *counted, ms []postroom.Message) { c.add(ms...) },
			Stats{Projected: 2, Moves: 1, NotificationsSent: 4},
		},
		"of a non-member": {
			conversationOf(1, 3, 2),
			func(r *rig, c *counted, ms []postroom.Message) {
				ms[1].UserUUID = id(7)
				c.add(ms...)
			},
			Stats{Projected: 1, Moves: 1, NotificationsSent: 2, Quarantined: 1, QuarantinedShare: 0.5},
		},
		"names other members": {
			conversationOf(1, 3, 2),
			func(r *rig, c *counted, ms []postroom.Message) {
				ms[1].Members = people(2)
				c.add(ms...)
			},
			Stats{Projected: 1, Moves: 1, NotificationsSent: 2, Quarantined: 1, QuarantinedShare: 0.5},
		},
		"rejected before it is enqueued": {
			conversationOf(1, 3, 2),
			func(r *rig, c *counted, ms []postroom.Message) {
				reject(r, ms[0])
				c.add(ms[0])
			},
			Stats{Quarantined: 1, QuarantinedShare: 1},
		},
		"rejected after it was enqueued": {
			pairs,
			func(r *rig, c *counted, ms []postroom.Message) {
				reject(r, ms[1])
				c.add(ms...)
			},
			Stats{Projected: 1, Moves: 1, NotificationsSent: 2, Quarantined: 1, QuarantinedShare: 0.5},
		},
		"without members": {
			conversationOf(1, 3, 2)[1:],
			func(_ *rig, c *counted, ms []postroom.Message) { c.add(ms...) },
			Stats{Quarantined: 1},
		},
		"whose members are named later": {
			conversationOf(1, 3, 3),
			func(r *rig, c *counted, ms []postroom.Message) {
				r.remove(backend.Key{PK: ms[0].GroupUUID, SK: ms[0].Key()})
				c.add(ms[1:]...)
				time.Sleep(time.Minute)
				r.post(ms[0])
				c.add(ms[0])
			},
			Stats{Projected: 3, Moves: 1, NotificationsSent: 6, Quarantined: 2},
		},
		"requeued, and of a non-member": {
			conversationOf(1, 3, 3),
			func(r *rig, c *counted, ms []postroom.Message) {
				ms[1].UserUUID = id(7)
				r.remove(backend.Key{PK: ms[0].GroupUUID, SK: ms[0].Key()})
				c.add(ms[1:]...)
				time.Sleep(time.Minute)
				r.post(ms[0])
				c.add(ms[0])
			},
			Stats{Projected: 2, Moves: 1, NotificationsSent: 4, Quarantined: 2, QuarantinedShare: 1.0 / 3},
		},
		"one of whose notifications is refused": {
			conversationOf(1, 4, 1),
			func(r *rig, c *counted, ms []postroom.Message) {
				r.queue.set(refuse(id(1002)))
				c.add(ms...)
			},
			Stats{Projected: 1, Moves: 1, NotificationsSent: 2, Quarantined: 1, QuarantinedShare: 1},
		},
	} {
		inBubbleNamed(t, name, func(t *testing.T, r *rig) {
			c := &counted{r: r, acks: map[string]int{}}
			r.post(test.ms...)
			ctx, stop := context.WithCancel(context.Background())
			var workers sync.WaitGroup
			for range 4 {
				workers.Go(func() { r.p.processLanes(ctx) })
				workers.Go(func() { r.p.notifier.run(ctx) })
			}
			test.does(r, c, test.ms)
			time.Sleep(2 * time.Minute)
			stop()
			r.p.lanes.close()
			r.p.notifier.ready.close()
			workers.Wait()
			r.p.incidents.Close()
			for _, m := range test.ms {
				want := 1
				if name == "rejected before it is enqueued" && m.MessageUUID != test.ms[0].MessageUUID {
					want = 0 // it did not come
				}
				if n := c.acks[m.MessageUUID]; n != want {
					t.Errorf("%s is acknowledged %d times, want %d", m.Text, n, want)
				}
			}
			if got := r.p.Stats(); got != test.want {
				t.Errorf("%+v, want %+v; the log:\n%s", got, test.want, r.log.String())
			}
		})
	}
}

// TestCallsThatFailCountEach: each call that the table throttles, and each that meets
// another transaction, counts once, and a repeated move is one move.
func TestCallsThatFailCountEach(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		kinds := []backend.Kind{backend.KindThrottled, backend.KindConflict, backend.KindThrottled, backend.KindThrottled, backend.KindConflict}
		r.table.onTransact = func([]backend.Action) error {
			if len(kinds) == 0 {
				return nil
			}
			kind := kinds[0]
			kinds = kinds[1:]
			return failure(kind)
		}
		ms := conversationOf(1, 2, 1)
		r.post(ms...)
		r.run()
		r.settled()
		r.end()
		want := Stats{Projected: 1, Moves: 1, NotificationsSent: 1, Throttled: 3, Conflicts: 2}
		if got := r.p.Stats(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// TestRequeuedMessagesHoldTheirLeader until each of them has had its end, whatever end
// that is, and each counts once.
func TestRequeuedMessagesHoldTheirLeader(t *testing.T) {
	t.Parallel()
	ms := conversationOf(1, 3, 3)
	acks, removed := 0, 0
	leader := newMessage(ms[0], quarantine.Record{}, func(*message) { acks++ })
	var requeued []*message
	for _, m := range ms[1:] {
		w := copied{&quarantine.Kept{Message: m}, func() error { removed++; return nil }}
		requeued = append(requeued, leader.requeue(w))
	}
	leader.leave()
	requeued[0].setQuarantined() // before its notifications are enqueued
	requeued[0].leave()
	if acks != 0 || leader.requeued != 1 {
		t.Errorf("acknowledged %d times while %d messages are requeued, want 0 and 1", acks, leader.requeued)
	}
	requeued[1].enqueue(ms[0].Members)
	requeued[1].leave()
	requeued[1].notify()
	if acks != 0 || removed != 0 {
		t.Errorf("acknowledged %d times, %d copies removed before everybody was notified", acks, removed)
	}
	requeued[1].notify()
	if acks != 1 || removed != 1 || leader.requeued != 0 {
		t.Errorf("acknowledged %d times, %d copies removed, %d messages requeued; want 1, 1 and 0", acks, removed, leader.requeued)
	}
}

// TestQuarantinedForNowIsWrittenOnce, however often the conversation cannot be loaded
// after that.
func TestQuarantinedForNowIsWrittenOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		orphan := conversationOf(1, 2, 2)[1]
		r.post(orphan)
		l := &lane{group: orphan.GroupUUID, held: []*message{newMessage(orphan, r.record(orphan), func(*message) {})}}
		time.Sleep(r.p.tuning.MemberWait)
		writes := 0
		r.control.onPut = func(backend.Item) error {
			writes++
			return nil
		}
		r.table.onRead = func(backend.Key) error { return failure(backend.KindUnavailable) }
		for range 3 {
			if err := r.p.quarantineLate(t.Context(), l); backend.KindOf(err) != backend.KindUnavailable || len(l.held) != 1 {
				t.Fatalf("%v, %d messages left", err, len(l.held))
			}
		}
		if writes != 1 {
			t.Errorf("%d writes of its record, want 1", writes)
		}
		r.table.set(func() { r.table.onRead = nil })
		if err := r.p.quarantineLate(t.Context(), l); err != nil || len(l.held) != 0 {
			t.Fatalf("%v, %d messages left", err, len(l.held))
		}
		r.wantQuarantined(1, "member")
	})
}

// TestNotAcknowledgedWhileACopyIsLeft: a projector that is stopped before it has removed
// a message from quarantine acknowledges neither that nor the one that requeued it.
func TestNotAcknowledgedWhileACopyIsLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		r.post(ms...)
		if err := r.p.quarantine.PutWaiting(t.Context(), r.record(ms[1]), projection.ErrNoMembers); err != nil {
			t.Fatal(err)
		}
		acks := 0
		l := &lane{group: ms[0].GroupUUID, held: []*message{newMessage(ms[0], r.record(ms[0]), func(*message) { acks++ })}}
		ctx, stop := context.WithCancel(t.Context())
		if err := r.p.requeueWaiting(ctx, l); err != nil || len(l.held) != 2 {
			t.Fatalf("%v: %d messages in the lane, want 2", err, len(l.held))
		}
		r.control.onBatch = func([]backend.Write) error {
			stop()
			return failure(backend.KindUnavailable)
		}
		for _, m := range l.held {
			m.enqueue(nil)
			m.leave()
		}
		if acks != 0 {
			t.Errorf("%d messages were acknowledged", acks)
		}
		r.wantQuarantined(1, projection.ErrNoMembers.Error())
	})
}
