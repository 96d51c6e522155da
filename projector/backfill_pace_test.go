package projector

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/quarantine"
)

// TestS6Pace: a scan takes as many units a second as it may, with one for the
// look at each conversation, by the server's count or, where it reports none,
// by bytes.
func TestS6Pace(t *testing.T) {
	for name, reported := range map[string]float64{"reported by the server": 5, "counted by bytes": 0} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				const perSecond = 20
				table := &scanned{Table: r.table, units: reported}
				r.lose(backfill.Options{Units: perSecond, Window: 80})
				r.p.backfill.Log = table
				for n := range 40 {
					r.post(conversationOf(n, 2, 25)...)
				}
				later()
				r.loses(loss(-2*time.Hour, -time.Hour))
				r.run()
				defer r.end()
				begin := time.Now()
				r.settled()
				took := r.backfillStatus().Finished[0].FinishedAt.Sub(begin)
				r.wantBackfilled(1)
				want := time.Duration(table.paid / perSecond * float64(time.Second))
				if ahead := 4 * table.most / perSecond * float64(time.Second); took > want+2*time.Second || took < want-time.Duration(ahead) {
					t.Errorf("%v units took %v, want about %v", table.paid, took, want)
				}
				if took < 5*time.Second {
					t.Errorf("it took %v: the test shows nothing", took)
				}
			})
		})
	}
}

// scanned adds up what the pages of a table cost.
type scanned struct {
	backend.Table

	units float64 // of a page, as the server reports; 0: it does not

	mu         sync.Mutex
	paid, most float64
	items      int
}

func (t *scanned) Scan(ctx context.Context, s backend.Scan) (backend.Page, error) {
	page, err := t.Table.Scan(ctx, s)
	page.Units.Read = t.units
	conversations, size := map[string]bool{}, 0
	for _, item := range page.Items {
		size += backend.ItemBytes(item)
		if key := backend.KeyOf(item); strings.HasPrefix(key.SK, postroom.MessagePrefix) {
			conversations[key.PK] = true
		}
	}
	paid := t.units
	if paid == 0 {
		paid = float64(max(1, (size+4095)/4096))
	}
	paid += float64(len(conversations))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paid, t.most, t.items = t.paid+paid, max(t.most, paid), t.items+len(page.Items)
	return page, err
}

// TestS6MemoryIsBounded: while nothing can be moved, no more of the log is read
// than fits the window, a large message counting for more than one.
func TestS6MemoryIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ size, most int }{
		"small messages": {10, 40}, "large ones": {200 << 10, 15}, // up to five of a page
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.lose(backfill.Options{Window: 40})
				for n := range 60 {
					ms := conversationOf(n, 2, 3)
					for i := range ms {
						ms[i].Text = strings.Repeat("x", c.size)
					}
					r.post(ms...)
				}
				later()
				r.table.set(func() {
					r.table.onTransact = func([]backend.Action) error { return failure(backend.KindUnavailable) }
				})
				r.loses(loss(-2*time.Hour, -time.Hour))
				r.run()
				defer r.end()
				for range 60 {
					time.Sleep(time.Second)
					if n := r.inHand(); n > c.most {
						t.Fatalf("%d messages in hand", n)
					}
				}
				if n := r.inHand(); n == 0 {
					t.Error("none is in hand: the test shows nothing")
				}
				if _, idle := r.p.IdleSince(); idle {
					t.Error("idle while a gap is open")
				}
				r.table.set(func() { r.table.onTransact = nil })
				r.settled()
				if c := r.wantBackfilled(1); c.Projected != 180 || c.Unnotified != 180 {
					t.Errorf("%+v", c)
				}
			})
		})
	}
}

// inHand is how many messages the lanes hold.
func (r *rig) inHand() int {
	synctest.Wait()
	r.p.lanes.mu.Lock()
	defer r.p.lanes.mu.Unlock()
	n := 0
	for _, l := range r.p.lanes.byGroup {
		n += len(l.arrived) + len(l.held)
	}
	return n
}

// TestS6StreamGoesFirst: a conversation that has nothing but messages of the log
// waits behind those with records of the stream, until it has one itself.
func TestS6StreamGoesFirst(t *testing.T) {
	t.Parallel()
	ls := newLanes(1)
	old := func(n int) *message { return fromLog(conversationOf(n, 2, 1)[0]) }
	live := func(n int) *message { return unread(conversationOf(n, 2, 1)[0]) }
	ls.add([]*message{old(1), old(2), old(3)})
	ls.add([]*message{live(4)})
	ls.add([]*message{live(2), old(4)})
	var order []string
	for range 4 {
		l := ls.ready.pop(1)[0]
		ls.take(l)
		order = append(order, l.group)
	}
	for i, n := range []int{4, 2, 1, 3} {
		if order[i] != id(n) {
			t.Fatalf("the order is %v", order)
		}
	}
}

func fromLog(m postroom.Message) *message {
	return newMessage(m, quarantine.LogRecord(m.Item()), func(*message) {})
}
