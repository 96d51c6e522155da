package views

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	next    = postroom.View{Name: "next", Format: postroom.RowsWithUUID}
	another = postroom.View{Name: "another", Format: postroom.PlainRows}
)

// mustRead reads the views without what is stored.
func mustRead(t *testing.T, table backend.Table) Set {
	t.Helper()
	set, err := Read(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, why string) {
	t.Helper()
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), why) {
		t.Errorf("%v, want a refusal that says %q", err, why)
	}
}

// TestChanges is the life of a view, and what is refused in it.
func TestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, ctx := sim.NewStore(1).Table("t"), t.Context()
		if set := mustRead(t, table); set.Generation != 0 || set.LiveView().View != (postroom.View{Name: "default", Format: 1}) {
			t.Errorf("a table without the item: %+v", set)
		}
		v, err := Add(ctx, table, next, time.Now())
		must(t, err)
		if again, err := Add(ctx, table, next, time.Now().Add(time.Hour)); err != nil || again != v {
			t.Errorf("added again: %+v, %v", again, err)
		}
		_, err = Add(ctx, table, postroom.View{Name: "next", Format: 1}, time.Now())
		refused(t, err, "row format 2")
		_, err = Switch(ctx, table, "next")
		refused(t, err, "not filled yet")
		_, err = Switch(ctx, table, "nowhere")
		refused(t, err, "there are default, next")
		refused(t, Filled(ctx, table, "next", v.Since-1), "was dropped while")
		must(t, Filled(ctx, table, "next", v.Since))
		before, err := Switch(ctx, table, "next")
		if err != nil || before != "default" || mustRead(t, table).Live != "next" {
			t.Errorf("switched from %q, %v", before, err)
		}
		_, err = Drop(ctx, table, "next", time.Now)
		refused(t, err, "the one that readers read")
		generation := mustRead(t, table).Generation
		dropped, err := Drop(ctx, table, "default", time.Now)
		must(t, err)
		set := mustRead(t, table)
		if v, _ := set.View("default"); set.Generation <= generation || set.Generation != dropped || v.State != Dropping || !cmp.Equal(set.Written(), []postroom.View{next}) {
			t.Errorf("%+v after default was dropped by %d", set, dropped)
		}
		first := postroom.View{Name: "default", Format: 1}
		_, err = Add(ctx, table, first, time.Now())
		refused(t, err, "being dropped")
		_, err = Switch(ctx, table, "default")
		refused(t, err, "being dropped")
		refused(t, set.CheckKept("default"), "being dropped")
		must(t, Remove(ctx, table, "default", dropped))
		must(t, Remove(ctx, table, "default", dropped))
		_, err = Add(ctx, table, first, time.Now())
		refused(t, err, "take another name")
		if set := mustRead(t, table); len(set.Views) != 1 || set.Generation != dropped {
			t.Errorf("%+v", set)
		}
		_, err = Add(ctx, table, another, time.Now())
		must(t, err)
		for _, name := range []string{"third", "fourth"} {
			_, err = Add(ctx, table, postroom.View{Name: name, Format: 1}, time.Now())
			must(t, err)
		}
		_, err = Add(ctx, table, postroom.View{Name: "fifth", Format: 1}, time.Now())
		refused(t, err, "drop one")
	})
}

// racing is a table in which something happens before each put.
type racing struct {
	backend.Table

	before func()
	lost   bool // the first answer is
}

func (r *racing) Put(ctx context.Context, it backend.Item, c backend.Condition) (backend.Units, error) {
	if before := r.before; before != nil {
		r.before = nil
		before()
	}
	units, err := r.Table.Put(ctx, it, c)
	if r.lost && err == nil {
		r.lost = false
		return units, &backend.Error{Op: "put", Kind: backend.KindUnavailable}
	}
	return units, err
}

// TestChangeRacesWithAnother: of two changes at one time each sees the other.
func TestChangeRacesWithAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, ctx := sim.NewStore(1).Table("t"), t.Context()
		v, err := Add(ctx, table, next, time.Now())
		must(t, err)
		must(t, Filled(ctx, table, v.Name, v.Since))
		r := &racing{Table: table, before: func() {
			_, err := Switch(ctx, table, "next")
			must(t, err)
		}}
		_, err = Drop(ctx, r, "next", time.Now)
		refused(t, err, "the one that readers read")
		if set := mustRead(t, table); set.Live != "next" || set.LiveView().State != Ready {
			t.Errorf("%+v", set)
		}
	})
}

// TestChangeWhoseAnswerIsLost is made once.
func TestChangeWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, ctx := sim.NewStore(1).Table("t"), t.Context()
		v, err := Add(ctx, &racing{Table: table, lost: true}, next, time.Now())
		must(t, err)
		must(t, Filled(ctx, &racing{Table: table, lost: true}, v.Name, v.Since))
		if before, err := Switch(ctx, &racing{Table: table, lost: true}, "next"); err != nil || before != "default" {
			t.Errorf("switched from %q, %v", before, err)
		}
		if _, err := Drop(ctx, &racing{Table: table, lost: true}, "default", time.Now); err != nil {
			t.Error(err)
		}
	})
}

// TestDropWaitsForReaders: a view that was live a moment ago is not dropped while a reader
// may go by that, and the wait begins anew if it is live meanwhile.
func TestDropWaitsForReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, ctx := sim.NewStore(1).Table("t"), t.Context()
		v, err := Add(ctx, table, next, time.Now())
		must(t, err)
		must(t, Filled(ctx, table, v.Name, v.Since))
		reader := NewKnown(table)
		_, err = reader.Within(ctx, MaxAge)
		must(t, err)
		_, err = Switch(ctx, table, "next")
		must(t, err)
		go func() {
			time.Sleep(Settle / 2)
			for _, name := range []string{"default", "next"} {
				_, _ = Switch(ctx, table, name)
			}
		}()
		start := time.Now()
		_, err = Drop(ctx, table, "default", time.Now)
		must(t, err)
		if set, old := reader.Last(); set.Live != "default" || old < MaxAge {
			t.Errorf("the reader that knew %s last read it %s ago", set.Live, old)
		}
		if took := time.Since(start); took < Settle {
			t.Errorf("it took %s", took)
		}
	})
}

// TestKnownIsReadAnew once it is too old, and not before.
func TestKnownIsReadAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, ctx := sim.NewStore(1).Table("t"), t.Context()
		k := NewKnown(table)
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{0, 0}, {MaxAge - 1, 0}, {1, 1}} {
			time.Sleep(step.after)
			set, err := k.Within(ctx, MaxAge)
			if err != nil || min(set.Generation, 1) != step.want {
				t.Errorf("%s later: %+v, %v", step.after, set, err)
			}
			_, err = Add(ctx, table, next, time.Now())
			must(t, err)
		}
	})
}

// FuzzViews: an item is refused, or it is views that are stored as that item again.
func FuzzViews(f *testing.F) {
	set := none()
	set.Generation = 7
	set.Views = append(set.Views, View{next, Filling, 7}, View{another, Dropping, 3})
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		if backend.KeyOf(it) != Key() {
			return it, nil
		}
		if m, err := Repair(it, time.Now()); err == nil && m != nil {
			if _, err := Decode(m.Put); err != nil {
				f.Errorf("repaired to what is damaged: %v", err)
			}
		}
		s, err := Decode(it)
		return s.Encode(), err
	}, set.Encode())
}

// TestRepair keeps what can be read, and readers where they were.
func TestRepair(t *testing.T) {
	t.Parallel()
	good := none()
	good.Generation, good.Live = 7, "next"
	good.Views = append(good.Views, View{next, Ready, 3}, View{another, Dropping, 5})
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	if m, err := Repair(good.Encode(), now); m != nil || err != nil {
		t.Errorf("a good one: %+v, %v", m, err)
	}
	for name, test := range map[string]struct {
		damage func(*Set)
		live   string
		states map[string]State
	}{
		"live is gone":    {func(s *Set) { s.Live = "x" }, "default", map[string]State{"default": Ready, "next": Ready, "another": Dropping}},
		"a state":         {func(s *Set) { s.Views[0].State = "?" }, "next", map[string]State{"default": Filling, "next": Ready, "another": Dropping}},
		"the live state":  {func(s *Set) { s.Views[1].State = "?" }, "next", map[string]State{"default": Ready, "next": Ready, "another": Dropping}},
		"the live name":   {func(s *Set) { s.Views[1].Name = "?" }, "default", map[string]State{"default": Ready, "another": Dropping}},
		"nothing is left": {func(s *Set) { s.Views, s.Live = nil, "" }, "default", map[string]State{"default": Ready}},
		"one of four": {func(s *Set) {
			s.Live, s.Views = "x", append(s.Views, View{postroom.View{Name: "fourth", Format: 1}, Filling, 6})
		}, "default", map[string]State{"default": Ready, "next": Ready, "another": Dropping, "fourth": Filling}},
		"four, and none is ready": {func(s *Set) {
			s.Live, s.Views = "x", []View{{next, Filling, 1}, {another, Filling, 2}}
			for _, name := range []string{"third", "fourth"} {
				s.Views = append(s.Views, View{postroom.View{Name: name, Format: 1}, Filling, 6})
			}
		}, "default", map[string]State{"default": Ready, "next": Filling, "another": Filling, "third": Filling}},
		"the only one": {func(s *Set) { s.Views, s.Live = s.Views[1:2], "?" }, "next", map[string]State{"next": Ready}},
	} {
		s := good
		s.Views = slices.Clone(good.Views)
		test.damage(&s)
		m, err := Repair(s.Encode(), now)
		if err != nil || m == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		repaired, err := Decode(m.Put)
		states := map[string]State{}
		for _, v := range repaired.Views {
			states[v.Name] = v.State
		}
		if err != nil || repaired.Live != test.live || !cmp.Equal(states, test.states) || repaired.Generation != now.UnixMicro() {
			t.Errorf("%s: %+v, %v", name, repaired, err)
		}
	}
}

// TestDecodeIsStrict names what is wrong.
func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	good := none()
	good.Generation = 7
	for name, test := range map[string]struct {
		change func(*Set)
		want   string
	}{
		"newer rows":   {func(s *Set) { s.Views = append(s.Views, View{postroom.View{Name: "x", Format: 9}, Ready, 1}) }, "use a newer program"},
		"no live view": {func(s *Set) { s.Live = "x" }, "attribute live: no view"},
		"twice":        {func(s *Set) { s.Views = append(s.Views, s.Views[0]) }, "another view has it"},
		"a state":      {func(s *Set) { s.Views = append(s.Views, View{next, "gone", 1}) }, "none of the states"},
		"a name":       {func(s *Set) { s.Views = append(s.Views, View{postroom.View{Name: "a#b", Format: 1}, Ready, 1}) }, "1 to 10 lower-case"},
		"the future":   {func(s *Set) { s.Views = append(s.Views, View{next, Ready, 8}) }, "past the generation"},
	} {
		s := good
		test.change(&s)
		if _, err := Decode(s.Encode()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if s, err := Decode(good.Encode()); err != nil || !cmp.Equal(s, good, cmpopts.IgnoreUnexported(Set{})) {
		t.Errorf("%+v, %v", s, err)
	}
}
