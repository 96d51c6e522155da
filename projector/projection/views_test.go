package projection

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/views"
)

// beside is the view that these tests add.
var beside = postroom.View{Name: "beside", Format: postroom.RowsWithUUID}

// addView adds a view; who had read them before does not know it.
func (r *restoreRig) addView() {
	r.t.Helper()
	if _, err := views.Add(r.t.Context(), r.store.Table("t"), beside, time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *restoreRig) restore(p Projection) {
	r.t.Helper()
	if err := p.Restore(r.t.Context(), r.ms[0].GroupUUID, nil, r.now()); err != nil {
		r.t.Fatal(err)
	}
}

// wantViews checks that the rows after last are in these views, and nowhere else.
func (r *restoreRig) wantViews(last postroom.Message, in ...postroom.View) {
	r.t.Helper()
	want, got := map[backend.Key]backend.Item{}, map[backend.Key]backend.Item{}
	for _, v := range in {
		for _, g := range v.Groups(last, r.ms[0].Members) {
			it := v.Item(g)
			want[backend.KeyOf(it)] = it
		}
	}
	for _, it := range r.store.Items("t") {
		if key := backend.KeyOf(it); isRow(key, last.GroupUUID) {
			got[key] = it
		}
	}
	if diff := cmp.Diff(want, got, items); diff != "" {
		r.t.Errorf("rows (-want +got): %.2000s", diff)
	}
	if h, err := DecodeHead(r.head()); err != nil || h.Last != last.Position() || h.open || !cmp.Equal(h.Views(), in) {
		r.t.Errorf("the head is %+v, %v", h, err)
	}
}

func defaultView() postroom.View {
	return postroom.View{Name: postroom.DefaultView, Format: postroom.PlainRows}
}

// aged makes what everybody knows of the views too old.
func aged() { time.Sleep(views.MaxAge) }

// inViews runs a test with conversations of two, and of so many that a move takes two
// transactions once there are two views.
func inViews(t *testing.T, test func(t *testing.T, r *restoreRig)) {
	t.Parallel()
	for name, members := range map[string]int{"of 2": 2, "of 60": 60, "of 150": 150} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newRestoreRig(t, members)) })
		})
	}
}

// TestViewIsFilledAndKeptUp: Restore puts the rows of a conversation that nobody moves into
// a view that was added, in its format, and the next move moves them there too.
func TestViewIsFilledAndKeptUp(t *testing.T) {
	inViews(t, func(_ *testing.T, r *restoreRig) {
		r.addView()
		aged()
		r.restore(r.p)
		r.wantViews(r.ms[2], defaultView(), beside)
		r.put(r.ms[3].Item())
		r.move(r.ms[3])
		r.wantViews(r.ms[3], defaultView(), beside)
	})
}

// TestMoveBringsRowsIntoAView that was added since the last one.
func TestMoveBringsRowsIntoAView(t *testing.T) {
	inViews(t, func(_ *testing.T, r *restoreRig) {
		r.addView()
		aged()
		r.put(r.ms[3].Item())
		r.move(r.ms[3])
		r.wantViews(r.ms[3], defaultView(), beside)
	})
}

// TestFillingFailsPlansOfBefore: a move that was planned before the view was filled, by a
// worker that was frozen since, fails; otherwise the head would name the view no more, or
// the view have two rows.
func TestFillingFailsPlansOfBefore(t *testing.T) {
	inViews(t, func(t *testing.T, r *restoreRig) {
		r.put(r.ms[3].Item())
		frozen, err := r.p.Load(t.Context(), r.ms[0].GroupUUID)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.p.Complete(t.Context(), frozen); err != nil {
			t.Fatal(err)
		}
		thawed := false
		r.before = func(call *backend.TableCall) error { // it froze with its plan made
			if thawed {
				return nil
			}
			thawed = true
			r.addView()
			aged()
			r.remove(backend.Key{PK: r.ms[3].GroupUUID, SK: r.ms[3].Key()}) // or filling would move it
			r.restore(r.live)
			r.put(r.ms[3].Item())
			return nil
		}
		if err := r.p.Move(t.Context(), frozen, r.ms[3], r.now()); backend.KindOf(err) != backend.KindConditionFailed {
			t.Errorf("the move ends with %v, want a failed condition", err)
		}
		r.wantViews(r.ms[2], defaultView(), beside)
	})
}

// TestWhoKnowsLessGoesByTheHead: a worker that has not read of a view yet leaves the rows in
// it that are there, and one that has not read that it was dropped puts none there again.
func TestWhoKnowsLessGoesByTheHead(t *testing.T) {
	inViews(t, func(t *testing.T, r *restoreRig) {
		aged()
		r.put(r.ms[3].Item())
		r.move(r.ms[3]) // and so r.live has read the views
		r.addView()
		r.restore(r.p)
		r.put(r.ms[4].Item())
		r.move(r.ms[4])
		r.wantViews(r.ms[4], defaultView(), beside)
	})
}

// TestNobodyGoesByOldKnowledge: a conversation that is opened later than MaxAge after a view
// was added is in it, whoever opens it.
func TestNobodyGoesByOldKnowledge(t *testing.T) {
	inViews(t, func(t *testing.T, r *restoreRig) {
		r.addView()
		aged()
		opening := r.ms[0]
		opening.GroupUUID = id(2)
		r.put(opening.Item())
		r.move(opening)
		h, err := DecodeHead(r.get(backend.Key{PK: id(2), SK: postroom.HeadKey}))
		if err != nil || !cmp.Equal(h.Views(), []postroom.View{defaultView(), beside}) {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

// TestDroppedViewIsLeft: once a view is dropped, neither moves nor Restore put rows there.
// Those that are there are for whoever drops it; Restore deletes them where it is told of them.
func TestDroppedViewIsLeft(t *testing.T) {
	inViews(t, func(t *testing.T, r *restoreRig) {
		r.addView()
		aged()
		r.restore(r.p)
		if _, err := views.Drop(t.Context(), r.store.Table("t"), beside.Name, time.Now); err != nil {
			t.Fatal(err)
		}
		aged()
		elsewhere := RowKeys([]postroom.View{beside}, r.ms[0].Members, r.row(0, r.ms[2]).SK)
		if err := r.p.Restore(t.Context(), r.ms[0].GroupUUID, elsewhere, r.now()); err != nil {
			t.Fatal(err)
		}
		r.put(r.ms[3].Item())
		r.move(r.ms[3])
		r.wantViews(r.ms[3], defaultView())
	})
}

// TestFillingStoppedAnywhere: a fill that ends before any of its writes is made whole by the
// next move, by the next Restore, and by whoever completes it.
func TestFillingStoppedAnywhere(t *testing.T) {
	for name, then := range map[string]func(r *restoreRig) postroom.Message{
		"restore": func(r *restoreRig) postroom.Message { r.restore(r.live); return r.ms[2] },
		"move":    func(r *restoreRig) postroom.Message { r.put(r.ms[3].Item()); r.move(r.ms[3]); return r.ms[3] },
	} {
		t.Run(name, func(t *testing.T) {
			inViews(t, func(t *testing.T, first *restoreRig) {
				for n, done := 0, false; !done; n++ {
					r, writes := newRestoreRig(t, len(first.ms[0].Members)), 0
					r.addView()
					aged()
					r.before = func(*backend.TableCall) error {
						if writes++; writes > n {
							return &backend.Error{Op: "test", Kind: backend.KindDenied}
						}
						return nil
					}
					err := r.p.Restore(t.Context(), r.ms[0].GroupUUID, nil, r.now())
					done = err == nil
					r.wantOpenUnlessWhole()
					r.wantViews(then(r), defaultView(), beside)
				}
			})
		})
	}
}

// wantOpenUnlessWhole checks that a head that is not open says where all rows are.
func (r *restoreRig) wantOpenUnlessWhole() {
	r.t.Helper()
	h, err := DecodeHead(r.head())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, key := range RowKeys(h.Views(), r.ms[0].Members, r.row(0, r.ms[2]).SK) {
		if !h.open && r.get(key) == nil {
			r.t.Fatalf("the head is not open, and there is no row at %v", key)
		}
	}
}

// TestViewsThatCannotBeRead: nobody moves anything without having read which views there are.
func TestViewsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRestoreRig(t, 2)
		r.addView()
		aged()
		newer, _, err := r.store.Table("t").Get(t.Context(), views.Key())
		if err != nil {
			t.Fatal(err)
		}
		newer[item.AttrFormat] = item.Int(99)
		r.put(newer)
		r.put(r.ms[3].Item())
		c, err := r.live.Load(t.Context(), r.ms[0].GroupUUID)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.live.Move(t.Context(), c, r.ms[3], r.now()); err == nil || errors.As(err, new(*RefusedError)) {
			t.Errorf("%v", err)
		}
		r.wantViews(r.ms[2], defaultView())
	})
}

// TestHeadInNewerRows: a head that names rows in a format which this program does not know
// is not damaged, and is left alone.
func TestHeadInNewerRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRestoreRig(t, 2)
		r.setHead(backend.Item{attrGeneration: item.Int(7), attrViews: item.String("default:1 later:99")})
		was := r.head()
		_, err := r.p.Load(t.Context(), r.ms[0].GroupUUID)
		restored := r.p.Restore(t.Context(), r.ms[0].GroupUUID, nil, r.now())
		var damaged *DamagedError
		if !errors.Is(err, postroom.ErrNewerView) || errors.As(err, &damaged) || !errors.Is(restored, postroom.ErrNewerView) {
			t.Errorf("loading: %v, restoring: %v", err, restored)
		}
		if diff := cmp.Diff(was, r.head(), items); diff != "" {
			t.Errorf("the head is another: %s", diff)
		}
	})
}

// TestViewsCostNothingToRead more than once in MaxAge.
func TestViewsCostNothingToRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, reads := newRestoreRig(t, 2), 0
		p := New(backend.Intercept(r.store.Table("t"), func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
			if call.Key == views.Key() {
				reads++
			}
			return next(ctx)
		}))
		for range 3 {
			r.restore(p)
		}
		aged()
		r.restore(p)
		if reads != 2 {
			t.Errorf("the views were read %d times, want twice", reads)
		}
	})
}
