package projection

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/sim"
)

// TestLoadTakesOneQuery: unless clocks differed by more than one message when the
// conversation was opened.
func TestLoadTakesOneQuery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		opener int // its place in the log; -1: none names the members
		moved  bool
		calls  int
	}{
		"new": {0, false, 1}, "new, clocks differed": {1, false, 1}, "new, clocks differed by more": {2, false, 2},
		"moved before": {0, true, 1}, "moved before, clocks differed": {1, true, 2}, "no members": {-1, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, ms := t.Context(), conversationOf(1, 2, 5)
				calls := 0
				table := backend.Intercept(sim.NewStore(1).Table("t"), func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
					calls++
					return next(ctx)
				})
				members := ms[0].Members
				for i, m := range ms {
					if m.Members = nil; i == test.opener {
						m.Members = members
					}
					if _, err := table.Put(ctx, m.Item(), backend.Condition{}); err != nil {
						t.Fatal(err)
					}
				}
				p := New(table)
				load := func() *Conversation {
					c, err := p.Load(ctx, ms[0].GroupUUID)
					if (test.opener < 0) != errors.Is(err, ErrNoMembers) || err == nil && len(c.Members) != 2 {
						t.Fatalf("loaded %+v: %v", c, err)
					}
					return c
				}
				if test.moved {
					if err := p.Move(ctx, load(), ms[4], start); err != nil {
						t.Fatal(err)
					}
				}
				calls = 0
				if load(); calls != test.calls {
					t.Errorf("it takes %d calls, want %d", calls, test.calls)
				}
			})
		})
	}
}

// TestLoadBesideItemsOfOthers: an application may keep items of its own in a conversation's
// partition, before, between and after ours.
func TestLoadBesideItemsOfOthers(t *testing.T) {
	inViews(t, func(t *testing.T, r *restoreRig) {
		for _, sk := range []string{"A-NOTE", "HEAC", "HEADER", "LIKES", "READ#1"} {
			r.put(item.New(backend.Key{PK: r.ms[0].GroupUUID, SK: sk}, 1))
		}
		r.put(r.ms[3].Item())
		r.move(r.ms[3])
		r.wantViews(r.ms[3], defaultView())
		opening := r.ms[0]
		opening.GroupUUID = id(2)
		for _, sk := range []string{"A-NOTE", "HEADER", "LIKES"} {
			r.put(item.New(backend.Key{PK: id(2), SK: sk}, 1))
		}
		r.put(opening.Item())
		r.move(opening)
		if r.get(backend.Key{PK: id(2), SK: postroom.HeadKey}) == nil {
			t.Error("a new conversation was not opened")
		}
	})
}
