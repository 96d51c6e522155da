package projector

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

// TestP12LargeConversationsBesideOthers: twelve conversations of a thousand, more
// than there are movers, come at once, and each transaction takes ten
// milliseconds. Those of two that come meanwhile are moved as if they were alone,
// since the large ones hold half of the movers at most.
func TestP12LargeConversationsBesideOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const large, others, step, transaction = 12, 60, 5 * time.Millisecond, 10 * time.Millisecond
		r.p = New(r.config(), Options{Movers: 8})
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
		for range r.p.opts.Movers {
			workers.Go(func() { r.p.takeTurns(ctx) })
		}
		arrive := func(n, members int) {
			m := conversationOf(n, members, 1)[0]
			r.post(m)
			r.p.lanes.add([]*entry{newEntry(m, r.record(m), func() {})})
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
		if most > r.p.opts.Movers/2 || most < r.p.opts.Movers/4 {
			t.Errorf("%d large conversations were worked on at once by %d movers", most, r.p.opts.Movers)
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

// TestP12PlacesOfLargeConversations are handed on in the order in which they were
// asked for, and none is lost.
func TestP12PlacesOfLargeConversations(t *testing.T) {
	t.Parallel()
	ls := newLanes(1)
	var all []*lane
	for n := range 3 {
		ls.add([]*entry{newEntry(conversationOf(n, 2, 1)[0], &stream.Record{}, nil)})
		l := ls.ready.pop(1)[0]
		if !ls.take(l) {
			t.Fatal("one that is not known to be large waits for a place")
		}
		all = append(all, l)
	}
	if !ls.enlarge(all[0]) || ls.enlarge(all[1]) || ls.enlarge(all[2]) {
		t.Fatal("one place is given to several, or to none")
	}
	for _, l := range all[1:] { // their turns end, and they are ready again
		ls.rest(l, 0, true)
		if ls.take(ls.ready.pop(1)[0]) {
			t.Fatal("taken without a place")
		}
	}
	for i, l := range all {
		l.held = nil
		ls.rest(l, 0, true)
		if i == 2 {
			break
		}
		if next := ls.ready.pop(1)[0]; next != all[i+1] || !ls.take(next) {
			t.Fatal("the place went to another")
		}
	}
	if ls.places != 1 || len(ls.byGroup) != 0 {
		t.Errorf("%d places and %d lanes are left, want 1 and none", ls.places, len(ls.byGroup))
	}
}
