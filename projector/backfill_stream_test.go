package projector

import (
	"errors"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/verify"
	"github.com/postroom/postroom/stream"
)

// now are messages as they are posted now.
func now(ms []postroom.Message) []postroom.Message { return shifted(ms, time.Since(start)) }

// TestS6TrimmedIsBackfilled: who comes back after more than a day finds in the
// log what the stream lost, notifies everybody, and reads on.
func TestS6TrimmedIsBackfilled(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		before := now(conversationOf(1, 2, 3))
		r.post(before...)
		r.run()
		r.settled()
		r.end()
		lost := now(conversationOf(2, 3, 20))
		r.post(lost...)
		time.Sleep(30 * time.Hour)
		kept := now(conversationOf(3, 2, 3))
		r.post(kept...)
		sent := r.sent()
		r.tuned(tuning{})
		r.run()
		defer r.end()
		r.settled()
		r.wantLast(lost[19], 3)
		r.wantLast(kept[2], 2)
		r.wantBackfilled(1)
		if n := r.notificationsOf(lost[0].GroupUUID); n != 40 {
			t.Errorf("%d notifications of what was lost, want 40", n)
		}
		if n := r.sent() - sent; n != 40+3+3 && n != 40+3 { // the last before the gap may be notified again
			t.Errorf("%d notifications", n)
		}
	})
}

// TestS24GapOfANewStream: what was posted while the table had no stream is in
// none, and comes from the log.
func TestS24GapOfANewStream(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		imported := shifted(conversationOf(1, 2, 3), -999*time.Hour)
		r.post(now(conversationOf(2, 2, 3))...)
		r.run()
		r.settled()
		r.end()
		r.store.SwitchOff("t")
		time.Sleep(time.Hour)
		between := now(conversationOf(3, 3, 20))
		r.post(between...)
		r.post(imported...)
		time.Sleep(time.Hour)
		r.store.SwitchOn("t")
		after := now(conversationOf(4, 2, 3))
		r.post(after...)
		r.tuned(tuning{})
		r.run()
		defer r.end()
		r.settled()
		r.wantLast(between[19], 3)
		r.wantLast(after[2], 2)
		r.wantLast(imported[2], 2)
		c := r.wantBackfilled(1)
		if of, older := r.notificationsOf(between[0].GroupUUID), r.notificationsOf(imported[0].GroupUUID); of != 40 || older != 0 || c.Unnotified != 3 {
			t.Errorf("%d notifications of what was between, %d of what is older; %+v", of, older, c)
		}
	})
}

// TestS21FirstStartOnAnOldTable: everything is projected beside the stream, and
// nobody is notified of what the stream does not hold. It is idle only then.
func TestS21FirstStartOnAnOldTable(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		config := r.config()
		config.Table, config.Control = r.store.Table("old"), r.store.Table("old-control")
		config.Stream = r.store.Stream("old")
		put := func(ms []postroom.Message) {
			for _, m := range ms {
				if _, err := config.Table.Put(t.Context(), m.Item(), backend.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := range 50 {
			put(now(conversationOf(n, 2, 10)))
		}
		time.Sleep(100 * time.Hour)
		live := now(conversationOf(99, 2, 10))
		put(live)
		r.p = newTuned(config, r.options, tuning{Backfill: backfill.Options{Units: 20, Window: 40}})
		r.run()
		defer r.end()
		begin := time.Now()
		r.settled()
		state, err := backfill.ReadStatus(t.Context(), config.Control)
		if err != nil || len(state.Finished) != 1 || !state.Finished[0].Silent || state.Finished[0].Counts.Projected < 500 {
			t.Fatalf("%+v, %v", state, err)
		}
		if took := state.Finished[0].FinishedAt.Sub(begin); took < 3*time.Second {
			t.Errorf("it took %v: the test shows nothing", took)
		}
		if r.sent() != 10 || r.notificationsOf(live[0].GroupUUID) != 10 {
			t.Errorf("%d notifications, want those of the stream alone", r.sent())
		}
		report, err := verify.Run(t.Context(), config.Table, verify.Options{})
		if err != nil || report.Differences > 0 || report.Conversations != 51 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

// TestS6Halt: who wants it so stops at a loss, and starts only when it is told
// to backfill.
func TestS6Halt(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.post(now(conversationOf(1, 2, 3))...)
		r.run()
		r.settled()
		r.end()
		lost := now(conversationOf(2, 3, 20))
		r.post(lost...)
		time.Sleep(30 * time.Hour)
		r.post(now(conversationOf(3, 2, 3))...)
		for range 2 {
			r.p = New(r.config(), Options{OnDataLoss: Halt, Logger: r.options.Logger})
			r.run()
			var lost *stream.DataLossError
			if err := <-r.ended; !errors.As(err, &lost) {
				t.Fatalf("Run: %v", err)
			}
		}
		if n := len(r.rows(lost[0].GroupUUID)); n > 0 {
			t.Errorf("%d rows", n)
		}
		r.tuned(tuning{})
		r.run()
		defer r.end()
		r.settled()
		r.wantLast(lost[19], 3)
		r.wantBackfilled(1)
		if n := r.notificationsOf(lost[0].GroupUUID); n != 40 {
			t.Errorf("%d notifications of what was lost, want 40", n)
		}
	})
}
