package inbox_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/inbox"
)

// Whatever moves while a list is read, in halves or wholly: each conversation is
// yielded at most once, and one that did not move exactly once, in its order.
func TestP18NothingIsSkippedButWhatMovedUp(t *testing.T) {
	t.Parallel()
	store, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	rapid.Check(t, func(rt *rapid.T) {
		const name = "postroom"
		if err := store.CreateTable(t.Context(), backend.TableSpec{Name: name, PartitionKey: "PK", SortKey: "SK"}); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := store.DeleteTable(t.Context(), name); err != nil {
				t.Error(err)
			}
		}()
		table := store.Table(name)
		total := rapid.IntRange(1, 12).Draw(rt, "conversations")
		at := map[int]int{} // the minute of each conversation's row
		for group := 1; group <= total; group++ {
			put(t, table, row(group, group))
			at[group] = group
		}
		clock, moved := 100, map[string]bool{}
		disturb := func() {
			group := rapid.IntRange(1, total).Draw(rt, "moves")
			clock++
			move(t, table, group, at[group], clock, rapid.Bool().Draw(rt, "in flight"))
			at[group], moved[id(group)] = clock, true
		}
		for range rapid.IntRange(0, 2).Draw(rt, "moves before") {
			disturb()
		}
		clear(moved)

		var got []postroom.Group
		opts := inbox.PageOptions{Limit: rapid.IntRange(1, 4).Draw(rt, "limit"), Consistent: true}
		for g, err := range inbox.New(table).AllConversations(t.Context(), ann, opts) {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, g)
			if rapid.IntRange(0, 2).Draw(rt, "disturb") == 0 {
				disturb()
			}
		}
		seen := map[string]int{}
		for i, g := range got {
			seen[g.GroupUUID]++
			if i > 0 && !g.LastReplyAt.Before(got[i-1].LastReplyAt) {
				rt.Fatalf("%s comes after %s", g.LastReplyAt, got[i-1].LastReplyAt)
			}
		}
		for group := 1; group <= total; group++ {
			switch n := seen[id(group)]; {
			case n > 1:
				rt.Fatalf("conversation %d was yielded %d times", group, n)
			case n == 0 && !moved[id(group)]:
				rt.Fatalf("conversation %d did not move and was skipped", group)
			}
		}
	})
}
