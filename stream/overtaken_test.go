package stream

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// A leader that was frozen before it wrote the group's history wakes up when another has
// written it, and undoes nothing of that.
func TestFrozenLeaderUndoesNothingOfTheHistory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after time.Duration // its start the first leader freezes
		until time.Duration // after that the group ends
		start Start
	}{
		"that the group is done":  {2 * time.Second, 5 * time.Minute, Start{}},
		"where the group begins":  {0, time.Hour, Start{Latest: true}},
		"when it was listed last": {2 * time.Second, time.Hour, Start{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, table := hourly(3, openShard("a", "")), newTable()
				s.tells = true
				o := config{Group: "g", Until: time.Now().Add(c.until), Start: c.start}
				history := func() backend.Item {
					it, _, err := table.Get(t.Context(), lineage.HistoryKey(lease.GroupID{ARN: s.arn, Name: "g"}))
					if err != nil || it == nil {
						t.Fatalf("the history is %v (%v)", it, err)
					}
					return it
				}
				first, gate := &worker{}, newGate()
				t.Cleanup(gate.thaw)
				start := func() {
					first.start(t, newReader(gatedStream{s, gate}, gatedTable{table, gate, "first"}, first.handle, o))
				}
				if c.after > 0 {
					start()
					pass(c.after)
				}
				gate.shutAt("Put GROUP#")
				if c.after == 0 {
					start()
				}
				pass(2 * time.Minute)
				if !gate.isShut() {
					t.Fatal("the first leader does not write the history")
				}
				second := work(t, s, table, o, nil)
				pass(7 * time.Minute)
				want := history()
				gate.thawUntil("answer to Put GROUP#")
				pass(time.Second)
				if !gate.isShut() {
					t.Error("the first leader does not wake up in its write")
				}
				if got := history(); !backend.EqualItems(got, want) {
					t.Errorf("the history is\n%v, and was\n%v", got, want)
				}
				gate.thaw()
				for _, w := range []*worker{first, second} {
					if err := w.ended(t); err != nil {
						t.Error(err)
					}
				}
				if h, err := lineage.DecodeHistory(history()); err != nil || h.DoneAt.Before(o.Until) {
					t.Errorf("in the end the history is %+v (%v)", h, err)
				}
			})
		})
	}
}
