package projector

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// TestP12LargeConversationsBesideOthers: twelve conversations of a thousand, more
// than there are movers, come at once, and each transaction takes ten
// milliseconds. Those of two that come meanwhile are moved as if they were alone,
// since the large ones hold half of the movers at most.
func TestP12LargeConversationsBesideOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const large, others, step, transaction = 12, 60, 5 * time.Millisecond, 10 * time.Millisecond
		r.tuned(tuning{Movers: 8})
		var mu sync.Mutex
		atWork, most := 0, 0
		begun := map[string]time.Time{}
		var latencies []time.Duration
		r.table.onTransact = func(actions []backend.Action) error {
			group := actions[0].Check.PK
			if put := actions[0].Put; put != nil {
				group = backend.KeyOf(put).PK
			}
			mu.Lock()
			at, small := begun[group]
			if !small {
				atWork++
				most = max(most, atWork)
			}
			mu.Unlock()
			time.Sleep(transaction)
			mu.Lock()
			defer mu.Unlock()
			if small {
				latencies = append(latencies, time.Since(at))
			} else {
				atWork--
			}
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for range r.p.tuning.Movers {
			workers.Go(func() { r.p.processLanes(ctx) })
		}
		arrive := func(n, members int) {
			m := conversationOf(n, members, 1)[0]
			r.post(m)
			r.p.lanes.add([]*message{newMessage(m, r.record(m), func(*message) {})})
		}
		for n := range large {
			arrive(n, 1000)
		}
		for n := range others {
			mu.Lock()
			begun[id(1000+n)] = time.Now()
			mu.Unlock()
			arrive(1000+n, 2)
			time.Sleep(step)
		}
		time.Sleep(time.Minute)
		stop()
		r.p.lanes.close()
		workers.Wait()
		for n := range large {
			r.wantLast(conversationOf(n, 1000, 1)[0], 1000)
		}
		if most > r.p.tuning.Movers/2 || most < r.p.tuning.Movers/4 {
			t.Errorf("%d large conversations were worked on at once by %d movers", most, r.p.tuning.Movers)
		}
		if len(latencies) != others {
			t.Fatalf("%d of the others were moved, want %d", len(latencies), others)
		}
		slices.Sort(latencies)
		t.Logf("the others were moved after %v in the median, %v at most", latencies[others/2], latencies[others-1])
		if worst := latencies[others-1]; worst > 3*transaction {
			t.Errorf("the others were moved after up to %v", worst)
		}
	})
}

// TestP12LargeSlots are handed on in the order in which they were
// asked for, and none is lost.
func TestP12LargeSlots(t *testing.T) {
	t.Parallel()
	ls := newLanes(1)
	var all []*lane
	for n := range 3 {
		ls.add([]*message{unread(conversationOf(n, 2, 1)[0])})
		l := ls.ready.pop(1)[0]
		if !ls.take(l) {
			t.Fatal("one that is not known to be large waits for a slot")
		}
		all = append(all, l)
	}
	if !ls.enlarge(all[0]) || ls.enlarge(all[1]) || ls.enlarge(all[2]) {
		t.Fatal("one slot is given to several, or to none")
	}
	for _, l := range all[1:] { // their processing ends, and they are ready again
		ls.rest(l, 0, true)
		if ls.take(ls.ready.pop(1)[0]) {
			t.Fatal("taken without a slot")
		}
	}
	for i, l := range all {
		l.held = nil
		ls.rest(l, 0, true)
		if i == 2 {
			break
		}
		if next := ls.ready.pop(1)[0]; next != all[i+1] || !ls.take(next) {
			t.Fatal("the slot went to another")
		}
	}
	if ls.slots != 1 || len(ls.byGroup) != 0 {
		t.Errorf("%d slots and %d lanes are left, want 1 and none", ls.slots, len(ls.byGroup))
	}
	// One that rests with something left to do has given its slot back.
	ls.add([]*message{unread(conversationOf(3, 2, 1)[0])})
	l := ls.ready.pop(1)[0]
	if !ls.take(l) || !ls.enlarge(l) {
		t.Fatal("there is no slot")
	}
	for range 2 {
		ls.rest(l, 0, true)
		if ls.slots != 1 {
			t.Fatalf("%d slots are free while nothing is processed, want 1", ls.slots)
		}
		if !ls.take(ls.ready.pop(1)[0]) || ls.slots != 0 {
			t.Fatalf("%d slots are free while it is processed, want none", ls.slots)
		}
	}
}

// TestP12WaitingForASlot: the members of a large conversation that is open are told at
// once, and its rows wait for a slot.
func TestP12WaitingForASlot(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 201, 2)
		r.project(ms[0])
		r.post(ms[1])
		told, slots := r.p.notifier.pending, r.p.lanes.slots
		r.p.lanes.slots = 0
		l := &lane{group: ms[0].GroupUUID, held: []*message{unread(ms[1])}}
		for range 2 {
			if _, err := r.p.advance(t.Context(), l); err != nil || len(l.held) != 1 || r.p.notifier.pending != told+200 {
				t.Fatalf("%v: %d messages are left, %d more notifications wait", err, len(l.held), r.p.notifier.pending-told)
			}
			r.wantLast(ms[0], 201)
		}
		r.p.lanes.slots = slots
		if _, err := r.p.advance(t.Context(), l); err != nil || len(l.held) != 0 {
			t.Fatalf("%v: %d messages are left", err, len(l.held))
		}
		r.wantLast(ms[1], 201)
	})
}

// TestFailuresInARow: a conversation pauses longer with each failure in a row. While the
// message that is to blame is looked for, a success does not end the row.
func TestFailuresInARow(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for suspects, want := range map[int]int{0: 0, 1: 3, 2: 3} {
			l := &lane{failures: 3, suspects: suspects}
			if _, early := r.p.process(t.Context(), l); !early || l.failures != want {
				t.Errorf("%d failures in a row after a success with %d suspects, want %d", l.failures, suspects, want)
			}
		}
	})
}

// TestOvertakenInARow: a conversation that another worker has moved is loaded again at
// once, twice. Where that goes on it pauses, and after the tenth time the log says so.
func TestOvertakenInARow(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 1)
		r.post(ms...)
		r.table.onTransact = func([]backend.Action) error { return failure(backend.KindConditionFailed) }
		l := &lane{group: ms[0].GroupUUID, held: []*message{unread(ms[0])}}
		for n := 1; n <= 10; n++ {
			wait, early := r.p.process(t.Context(), l)
			if (wait == 0) != (n < 3) || early {
				t.Errorf("after %d times it pauses for %v, ended early by a message: %t", n, wait, early)
			}
			if said := strings.Contains(r.log.String(), "projecting fails"); said != (n == 10) {
				t.Errorf("after %d times the log says so: %t", n, said)
			}
		}
	})
}
