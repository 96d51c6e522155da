package projector

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/backfill"
)

// TestS5TwoLeaders: one that was frozen and still thinks that it leads, and its
// successor, both backfill. Each notices the other's writing and looks again, and
// together they come to the same end.
func TestS5TwoLeaders(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 40 {
			r.post(conversationOf(1+n, 2, 10)...)
		}
		later()
		var writers sync.Map
		r.control.set(func() {
			r.control.onPut = func(item backend.Item) error {
				if writer := backend.Text(item, "writer"); writer != "" && backend.KeyOf(item).PK == "backfill" {
					writers.Store(writer, true)
				}
				return nil
			}
		})
		r.lose(backfill.Options{Units: 10})
		first := r.p
		r.lose(backfill.Options{Units: 10})
		var both sync.WaitGroup
		ctx, stop := context.WithCancel(context.Background())
		for _, p := range []*Projector{first, r.p} {
			both.Go(func() { p.Run(ctx) })
			both.Go(func() { p.backfill.Lead(ctx) }) // whether or not it does
		}
		time.Sleep(5 * time.Second)
		r.loses(loss(-time.Hour, time.Hour))
		r.settled()
		stop()
		both.Wait()
		for n := range 40 {
			ms := conversationOf(1+n, 2, 10)
			r.wantLast(ms[9], 2)
			if got := r.notificationsOf(ms[0].GroupUUID); got != 10 {
				t.Errorf("%d notifications of conversation %d, want 10", got, n)
			}
		}
		r.wantBackfilled(1)
		n := 0
		writers.Range(func(_, _ any) bool { n++; return true })
		if n != 2 {
			t.Errorf("%d leaders wrote progress: the test shows nothing", n)
		}
	})
}
