package projector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/projection"
)

// TestP19QueueDown: projecting goes on while the queue is down, until as many
// notifications wait as may; nothing is lost, and the log says it once.
func TestP19QueueDown(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.queue.set(func([]backend.SendEntry) ([]backend.EntryError, error) {
			return nil, failure(backend.KindUnavailable)
		})
		r.run()
		defer r.end()
		first := conversationOf(1, 201, 330) // 200 recipients each: 66,000 wait
		r.post(first...)
		time.Sleep(10 * time.Second)
		r.wantLast(first[329], 201)
		late := conversationOf(2, 2, 1)
		r.post(late...)
		time.Sleep(10 * time.Second)
		if n := len(r.rows(late[0].GroupUUID)); n > 0 {
			t.Errorf("%d rows of a message that was to be held back", n)
		}
		r.queue.set(nil)
		r.settled()
		r.wantLast(late[0], 2)
		if got, want := r.sent(), 330*200+1; got != want {
			t.Errorf("%d notifications, want %d", got, want)
		}
		r.wantOneIncident("sending notifications")
	})
}

// TestP19StopWhileTheQueueIsDown ends in time, and acknowledges nothing of which
// somebody is not notified.
func TestP19StopWhileTheQueueIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.queue.set(func([]backend.SendEntry) ([]backend.EntryError, error) {
			return nil, failure(backend.KindUnavailable)
		})
		r.post(conversationOf(1, 201, 400)...)
		r.run()
		time.Sleep(10 * time.Second)
		begin := time.Now()
		r.end()
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("stopping took %v", took)
		}
		r.queue.set(nil)
		r.tuned(tuning{}) // and the next one notifies everybody
		r.run()
		defer r.end()
		r.settled()
		if got, want := r.sent(), 400*200; got != want {
			t.Errorf("%d notifications, want %d", got, want)
		}
	})
}

// TestP19TableDown: while the table refuses writes, everybody is notified in
// conversations whose members are certain: those of pairs, and those that are open.
// Of another one, whoever names its members first may yet turn out to be somebody else.
func TestP19TableDown(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms, pair, unopened := conversationOf(1, 3, 2), conversationOf(2, 2, 2), conversationOf(3, 3, 2)
		for i := range pair {
			pair[i].GroupUUID = postroom.PairUUID(pair[0].Members[0].UserUUID, pair[0].Members[1].UserUUID)
		}
		r.post(ms[0])
		r.settled()
		r.table.set(func() {
			r.table.onTransact = func([]backend.Action) error { return failure(backend.KindThrottled) }
		})
		r.post(ms[1])
		r.post(pair...)
		r.post(unopened...)
		time.Sleep(5 * time.Second)
		if n := r.sent(); n != 4+2 {
			t.Errorf("%d notifications while the table is down, want 6", n)
		}
		r.table.set(func() { r.table.onTransact = nil })
		r.settled()
		r.wantLast(ms[1], 3)
		r.wantLast(pair[1], 2)
		r.wantLast(unopened[1], 3)
		if n := r.sent(); n != 4+2+4 {
			t.Errorf("%d notifications, want 10", n)
		}
		// The queue drops what is sent twice, but only for five minutes.
		r.p.notifier.mu.Lock()
		defer r.p.notifier.mu.Unlock()
		if n := r.p.notifier.sent.Load(); n != 10 || r.p.notifier.pending != 0 {
			t.Errorf("%d notifications were sent, %d are pending; want 10, 0", n, r.p.notifier.pending)
		}
	})
}

// TestP19LogIsNotReadOn while as many notifications wait as may.
func TestP19LogIsNotReadOn(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.p.notifier.pending = maxPending
		ctx, stop := context.WithCancel(t.Context())
		submitted := make(chan error)
		go func() { submitted <- r.p.submit(ctx, []backfill.Item{{Message: conversationOf(1, 2, 1)[0]}}) }()
		synctest.Wait()
		stop()
		if err := <-submitted; !errors.Is(err, context.Canceled) || len(r.p.lanes.byGroup) != 0 {
			t.Errorf("%v, and %d lanes have messages, want none", err, len(r.p.lanes.byGroup))
		}
	})
}

// TestBatchAfterBatch: after a batch that the queue has taken the next one is sent at
// once.
func TestBatchAfterBatch(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var mu sync.Mutex
		var times []time.Time
		r.queue.set(func([]backend.SendEntry) ([]backend.EntryError, error) {
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Now())
			return nil, nil
		})
		r.post(conversationOf(1, 41, 20)...)
		r.run()
		defer r.end()
		r.settled()
		if n := len(times); n < 80 {
			t.Fatalf("%d batches for 800 notifications, want at least 80", n)
		}
		if took := times[len(times)-1].Sub(times[0]); took > 0 {
			t.Errorf("sending took %v of a clock that stands still while the projector works", took)
		}
	})
}

// TestQ1EntriesOfABatch: each has its own fate. One that fails is sent again
// before its successor to the same recipient, and never beside it.
func TestQ1EntriesOfABatch(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 4, 5)
		failures := 0
		r.queue.set(func(entries []backend.SendEntry) ([]backend.EntryError, error) {
			groups := map[string]bool{}
			var failed []backend.EntryError
			for i, e := range entries {
				if groups[e.GroupID] {
					t.Errorf("two entries of group %s in a batch", e.GroupID)
				}
				groups[e.GroupID] = true
				if failures < 7 && e.GroupID == id(1002) {
					failures++
					failed = append(failed, backend.EntryError{Index: i, Code: "InternalError"})
				}
			}
			return failed, nil
		})
		r.post(ms...)
		r.run()
		defer r.end()
		r.settled()
		next := map[string]int{}
		for _, e := range r.store.Sent("q.fifo") {
			if want := fmt.Sprintf("message %d of 1", next[e.GroupID]); !strings.Contains(e.Body, want) {
				t.Errorf("%s is sent %s, want %s", e.GroupID, e.Body, want)
			}
			next[e.GroupID]++
		}
		if len(next) != 3 || r.sent() != 15 {
			t.Errorf("%v", next)
		}
		r.wantOneIncident("sending notifications")
	})
}

// TestQ1SenderFault: what the queue refuses for good is quarantined with its
// message; the message is projected, the others are notified.
func TestQ1SenderFault(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.queue.set(refuse(id(1002)))
		ms := conversationOf(1, 4, 1)
		r.post(ms...)
		r.run()
		defer r.end()
		r.settled()
		r.wantLast(ms[0], 4)
		r.wantQuarantined(1, "InvalidMessageContents")
		for _, item := range r.store.Items("control") {
			if n := backend.Number(item, "attempts"); n != "" && n != "1" {
				t.Errorf("it was sent once, and the record says %s attempts", n)
			}
		}
		if r.sent() != 2 {
			t.Errorf("%d notifications, want 2", r.sent())
		}
	})
}

// TestQ1SenderFaultOfOneThatCameBack: it was quarantined before, and must not be
// taken away as one that got through.
func TestQ1SenderFaultOfOneThatCameBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 4, 2)
		r.run()
		defer r.end()
		r.post(ms[1])
		r.settled()
		r.wantQuarantined(1, projection.ErrNoMembers.Error())
		r.queue.set(refuse(id(1002)))
		r.post(ms[0])
		r.settled()
		r.wantLast(ms[1], 4)
		r.wantQuarantined(2, "InvalidMessageContents")
	})
}

// TestS11BreakerAndRefusedNotifications: where the queue refuses every notification, it
// is not the messages that are broken, though all of them are projected.
func TestS11BreakerAndRefusedNotifications(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.queue.set(refuse(id(1001)))
		r.run()
		for n := range 2 * breakerLeast {
			r.post(conversationOf(n, 2, 1)...)
		}
		if tripped := r.trips(); tripped.Quarantined != breakerLeast {
			t.Errorf("Run: %v", tripped)
		}
		r.wantQuarantined(breakerLeast, "InvalidMessageContents")
	})
}

func refuse(user string) func([]backend.SendEntry) ([]backend.EntryError, error) {
	return func(entries []backend.SendEntry) ([]backend.EntryError, error) {
		for i, e := range entries {
			if e.GroupID == user {
				return []backend.EntryError{{Index: i, Code: "InvalidMessageContents", SenderFault: true}}, nil
			}
		}
		return nil, nil
	}
}
