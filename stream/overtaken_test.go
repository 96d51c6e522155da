package stream

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
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

// Somebody damages or deletes the history while a worker leads: it is made anew, and the
// stream is not taken for one that is read for the first time.
func TestHistoryMeddledWithUnderItsLeader(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meddle   func(c *fakeTable, key backend.Key)
		replaced int
	}{
		"when it was listed last": {func(c *fakeTable, key backend.Key) { c.damage(key, "listed_at", item.Bool(true)) }, 1},
		"when it was read first":  {func(c *fakeTable, key backend.Key) { c.damage(key, "first_read_at", item.Int(1)) }, 1},
		"all of it":               {func(c *fakeTable, key backend.Key) { c.set(func() { delete(c.items, key) }) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, table, log := newStream(openShard("a", "", "1")), newTable(), &logs{}
				losses := 0
				w := work(t, s, table, config{Logger: logger(log), OnDataLoss: func(_ context.Context, l *DataLossError) error {
					if losses++; !l.FirstStart {
						t.Error(l)
					}
					return nil
				}}, nil)
				pass(5 * time.Minute)
				key := lineage.HistoryKey(daemons(s.arn))
				c.meddle(table, key)
				pass(5 * time.Minute)
				if h, err := lineage.DecodeHistory(table.items[key]); err != nil || time.Since(h.ListedAt) > 2*time.Minute || h.MaybeFirst {
					t.Errorf("the history is %+v (%v)", h, err)
				}
				if n := log.count("fails, trying again"); n > 0 {
					t.Errorf("%d operations fail", n)
				}
				if n := log.count("was damaged, and was replaced"); losses != 1 || n != c.replaced {
					t.Errorf("%d losses, and %d times replaced", losses, n)
				}
				wantStop(t, w)
			})
		})
	}
}
