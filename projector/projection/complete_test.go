package projection

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
)

// TestCompletePutsBeforeItDeletes stops a move of two transactions after the
// first, and then its completion wherever that puts: every member has a row all
// the while, the new one or the one that was left.
func TestCompletePutsBeforeItDeletes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ms := conversationOf(1, 150, 2)
		store := sim.NewStore(1)
		through := -1 // how many more transactions are let through; negative: all
		table := backend.Intercept(store.Table("t"), func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
			if call.Op == "Transact" && through >= 0 {
				if through--; through < 0 {
					through = 0
					return &backend.Error{Op: "test", Kind: backend.KindDenied}
				}
			}
			return next(ctx)
		})
		for _, m := range ms {
			if _, err := table.Put(t.Context(), m.Item(), backend.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, p := t.Context(), New(table)
		wantRows := func(when string) {
			t.Helper()
			users := map[string]bool{}
			for _, item := range store.Items("t") {
				if g, err := postroom.GroupFromItem(item); err == nil {
					users[g.UserUUID] = true
				}
			}
			if len(users) != 150 {
				t.Errorf("%s, %d of 150 members have a row", when, len(users))
			}
		}
		load := func() *Conversation {
			t.Helper()
			c, err := p.Load(ctx, ms[0].GroupUUID)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if err := p.Move(ctx, load(), ms[0], start); err != nil {
			t.Fatal(err)
		}
		c := load()
		if err := p.Complete(ctx, c); err != nil {
			t.Fatal(err)
		}
		through = 1
		if err := p.Move(ctx, c, ms[1], start); backend.KindOf(err) != backend.KindDenied {
			t.Fatalf("the move ended with %v", err)
		}
		wantRows("after half a move")
		through = -1 // without the message nobody knows what the rows say
		if _, _, err := table.BatchWrite(ctx, []backend.Write{{Delete: backend.KeyOf(ms[1].Item())}}); err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		if err := p.Complete(ctx, load()); !errors.As(err, &damaged) {
			t.Errorf("without the last message completing ended with %v", err)
		}
		wantRows("without the last message")
		if _, err := table.Put(ctx, ms[1].Item(), backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		for n := range 2 { // two chunks are put again
			through = n
			if err := p.Complete(ctx, load()); backend.KindOf(err) != backend.KindDenied {
				t.Fatalf("completing ended with %v after %d transactions", err, n)
			}
			wantRows("after completing was stopped")
		}
		through = -1
		if err := p.Complete(ctx, load()); err != nil {
			t.Fatal(err)
		}
		wantRows("in the end")
		for _, it := range store.Items("t") {
			if g, err := postroom.GroupFromItem(it); err == nil && g.LastMessage != ms[1].Text {
				t.Errorf("row %+v, want the last message %q", g, ms[1].Text)
			}
		}
	})
}
