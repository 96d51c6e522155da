package projector

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/verify"
)

// shadow is the view that these tests add.
var shadow = postroom.View{Name: "shadow", Format: postroom.RowsWithUUID}

// addView adds a view, and returns how it is to be filled.
func (r *rig) addView() rebuild.Scope {
	r.t.Helper()
	v, err := views.Add(r.t.Context(), r.store.Table("t"), shadow, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return rebuild.Scope{View: v.Name, Generation: v.Since}
}

// dropView says that a view is dropped, and returns how that is to be carried out.
func (r *rig) dropView(name string) rebuild.Scope {
	r.t.Helper()
	generation, err := views.Drop(r.t.Context(), r.store.Table("t"), name, time.Now)
	if err != nil {
		r.t.Fatal(err)
	}
	return rebuild.Scope{View: name, Generation: generation, Drop: true}
}

func (r *rig) switchTo(name string) {
	r.t.Helper()
	if _, err := views.Switch(r.t.Context(), r.store.Table("t"), name); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) views() views.Set {
	r.t.Helper()
	set, err := views.Read(r.t.Context(), r.store.Table("t"))
	if err != nil {
		r.t.Fatal(err)
	}
	return set
}

// rowsIn counts the rows that are in each view.
func (r *rig) rowsIn() map[string]int {
	n := map[string]int{}
	for _, it := range r.store.Items("t") {
		if view, _, ok := postroom.ParseInboxKey(backend.KeyOf(it).PK); ok {
			n[view]++
		}
	}
	return n
}

// wantVerified checks that nothing differs, and how many rows readers may read.
func (r *rig) wantVerified(o verify.Options, rows int64) {
	r.t.Helper()
	if report, found := r.verify(o); len(found) > 0 || report.GroupItems != rows {
		r.t.Errorf("%+v %+v, want %d rows and no difference", report, found, rows)
	}
}

// TestViewFromFillingToDropping: the leader fills a view beside a live projector, readers
// switch to it, back, and to it again, the first view is dropped, and no inbox is wrong at
// any time.
func TestViewFromFillingToDropping(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.table.index = r.indexed
		for n := 1; n <= 20; n++ {
			r.project(conversationOf(n, 2+n%3, 2)...)
		}
		r.post(conversationOf(50, 2, 3)[1:]...) // which nobody has opened
		fill := r.addView()
		if j := r.rebuilt(fill); j.State != rebuild.Done || j.Counts.Changed != 20 || j.Counts.Conversations != 21 || j.Counts.Failed != 1 {
			t.Errorf("%+v", j)
		}
		if again := r.rebuilt(fill); again.Counts.Changed != 0 {
			t.Errorf("filled again: %+v", again)
		}
		r.p.cache.Forget(id(1)) // its head is another one
		r.project(conversationOf(1, 3, 4)[2:]...)
		r.project(conversationOf(21, 2, 1)...)
		const rows = 20/3*9 + 3 + 4 + 2
		if diff := cmp.Diff(map[string]int{"default": rows, "shadow": rows}, r.rowsIn()); diff != "" {
			t.Error(diff)
		}
		r.remove(backend.Key{PK: id(50), SK: conversationOf(50, 2, 3)[1].Key()})
		r.remove(backend.Key{PK: id(50), SK: conversationOf(50, 2, 3)[2].Key()})
		r.wantVerified(verify.Options{Index: true}, rows)
		r.wantVerified(verify.Options{View: "shadow"}, rows)
		for _, name := range []string{"shadow", "default", "shadow"} {
			r.switchTo(name)
			r.project(conversationOf(22+len(name), 2, 1)...)
			page, err := inbox.New(r.store.Table("t")).Conversations(t.Context(), id(1000), inbox.PageOptions{})
			if err != nil || len(page.Items) < 20 || (page.Items[0].LastMessageUUID != "") != (name == "shadow") {
				t.Errorf("%d conversations from the view %s, %v", len(page.Items), name, err)
			}
		}
		r.rebuilt(r.dropView("default"))
		if got := r.rowsIn(); got["default"] != 0 || len(r.views().Views) != 1 {
			t.Errorf("rows %v, views %+v", got, r.views())
		}
		r.p.cache.Forget(id(1))
		r.project(conversationOf(1, 3, 5)[4:]...)
		if got := r.rowsIn(); got["default"] != 0 {
			t.Errorf("rows %v", got)
		}
		r.wantVerified(verify.Options{Index: true}, int64(r.rowsIn()["shadow"]))
	})
}

// TestViewIsNotReadyWithoutAConversation that has rows and cannot be brought into it: it
// would vanish from its members' lists.
func TestViewIsNotReadyWithoutAConversation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, ms := newVerifyRig(t)
		r.remove(backend.Key{PK: ms[0].GroupUUID, SK: ms[0].Key()})
		fill := r.addView()
		j := r.rebuilt(fill)
		if v, _ := r.views().View("shadow"); v.State != views.Filling || j.State != rebuild.Done || j.Counts.Failed != 1 {
			t.Errorf("%+v after %+v", v, j)
		}
		r.put(ms[0].Item())
		r.rebuilt(fill)
		if v, _ := r.views().View("shadow"); v.State != views.Ready {
			t.Errorf("%+v", v)
		}
		r.wantVerified(verify.Options{View: "shadow"}, 5)
	})
}

// TestVerifyOfViews names what differs in a view, and repairs it.
func TestVerifyOfViews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, ms := newVerifyRig(t)
		fill := r.addView()
		_, found := r.verify(verify.Options{View: "shadow"})
		kinds := func(found []verify.Difference) (kinds []verify.Kind) {
			for _, d := range found {
				kinds = append(kinds, d.Kind)
			}
			slices.Sort(kinds)
			return kinds
		}
		if diff := cmp.Diff([]verify.Kind{verify.NotInView, verify.NotInView}, kinds(found)); diff != "" {
			t.Error(diff)
		}
		if _, found := r.verify(verify.Options{}); len(found) > 0 {
			t.Errorf("a view that is being filled: %+v", found)
		}
		r.rebuilt(fill)
		in := func(user int) backend.Item {
			g := shadow.Groups(ms[2], ms[0].Members)[user]
			return shadow.Item(g)
		}
		edited, doubled, older, unknown := in(0), in(2), in(2), in(1)
		edited["last_message_uuid"] = text(id(77))
		doubled["SK"] = text(postroom.RowKey(ms[0].CreatedAt.Add(-time.Hour), ms[0].GroupUUID))
		delete(older, "last_message_uuid")
		unknown["PK"] = text("grp.nowhere#" + id(1001))
		r.remove(backend.KeyOf(in(1)))
		for _, it := range []backend.Item{edited, doubled, older, unknown} {
			r.put(it)
		}
		r.remove(backend.KeyOf(r.row(ms[2], 0))) // of the default view
		want := []verify.Kind{verify.Doubled, verify.Missing, verify.Stale, verify.Stale}
		if _, found := r.verify(verify.Options{View: "shadow"}); !slices.Equal(kinds(found), want) {
			t.Errorf("%+v", found)
		}
		want = []verify.Kind{verify.Doubled, verify.Doubled, verify.Missing, verify.Missing, verify.Stale, verify.Stale}
		if _, found := r.verify(verify.Options{Repair: true}); !slices.Equal(kinds(found), want) {
			t.Errorf("%+v", found)
		}
		r.wantVerified(verify.Options{Index: true}, 5)
		if err := views.Filled(t.Context(), r.store.Table("t"), "shadow", fill.Generation); err != nil {
			t.Error(err)
		}
		if _, err := verify.Run(t.Context(), r.table, verify.Options{View: "other"}); err == nil {
			t.Error("there is no view other")
		}
	})
}

// TestViewIsFilledLater than anybody can go by what was before it: a worker that has just
// read the views opens a conversation, which filling has passed already.
func TestViewIsFilledLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newVerifyRig(t) // and so the projector has just read the views
		fill := r.addView()
		opened := false
		c := r.p.rebuild.Config
		c.Log = backend.Intercept(r.table, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
			err := next(ctx)
			if call.Op == "Put" && !opened { // that the view is filled
				opened = true
				r.project(conversationOf(3, 2, 1)...)
			}
			return err
		})
		r.p.rebuild = rebuild.New(c)
		r.rebuilt(fill)
		if v, _ := r.views().View("shadow"); v.State != views.Ready || !opened {
			t.Fatalf("%+v", v)
		}
		r.wantVerified(verify.Options{View: "shadow"}, 7)
	})
}

// TestViewIsDropped by every head before a row of it is deleted: until then somebody may put
// one.
func TestViewIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newVerifyRig(t)
		for n := 3; n <= 12; n++ {
			r.project(conversationOf(n, 2, 2)...)
		}
		r.rebuilt(r.addView())
		drop, deletes := r.dropView("shadow"), atomic.Int64{}
		c := r.p.rebuild.Config
		c.Log = backend.Intercept(r.table, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
			if call.Op == "BatchWrite" {
				deletes.Add(1)
				r.wantSettled(drop.Generation)
			}
			return next(ctx)
		})
		c.Log = placeKeeper{c.Log, t}
		r.p.rebuild = rebuild.New(c)
		r.rebuilt(drop)
		if got := r.rowsIn(); got["shadow"] != 0 || deletes.Load() == 0 {
			t.Errorf("rows %v, deleted by %d calls", got, deletes.Load())
		}
	})
}

// placeKeeper is a table of a server whose scans lose their place where the key is gone that
// they go on after.
type placeKeeper struct {
	backend.Table

	t *testing.T
}

func (p placeKeeper) Scan(ctx context.Context, s backend.Scan) (backend.Page, error) {
	if s.After != (backend.Key{}) {
		if it, _, err := p.Get(ctx, s.After); err != nil || it == nil {
			p.t.Errorf("a scan goes on after %v: %v, %v", s.After, it, err)
		}
	}
	s.Limit = 3
	return p.Table.Scan(ctx, s)
}

func (r *rig) wantSettled(generation int64) {
	for _, it := range r.store.Items("t") {
		if backend.KeyOf(it).SK != postroom.HeadKey {
			continue
		}
		if h, err := projection.DecodeHead(it); err != nil || !h.Settled(generation) {
			r.t.Errorf("rows are deleted, and a head is %+v, %v", h, err)
		}
	}
}

// TestViewOfKilledLeaders: whoever fills or drops a view may die at any moment; the next one
// goes on.
func TestViewOfKilledLeaders(t *testing.T) {
	t.Parallel()
	for n := 1; n < 400; n = n*3/2 + 1 {
		synctest.Test(t, func(t *testing.T) {
			r, _ := newVerifyRig(t)
			for n := 3; n <= 12; n++ {
				r.project(conversationOf(n, 2, 2)...)
			}
			for _, scope := range []func() rebuild.Scope{r.addView, func() rebuild.Scope { return r.dropView("shadow") }} {
				j, err := rebuild.Start(t.Context(), r.control, scope(), rebuild.MaxRate, 10)
				if err != nil {
					t.Fatal(err)
				}
				for lives := 0; j.State == rebuild.Running && lives < 200; lives++ {
					r.leadFor(n << lives)
					j = r.job(j.ID)
				}
				if j.State != rebuild.Done {
					t.Fatalf("%+v", j)
				}
				if v, ok := r.views().View("shadow"); ok && v.State != views.Ready {
					t.Errorf("%+v", v)
				}
				r.wantVerified(verify.Options{Index: true}, 25)
			}
			if got := r.rowsIn(); got["shadow"] != 0 || len(r.views().Views) != 1 {
				t.Errorf("rows %v, views %+v", got, r.views())
			}
		})
	}
}

// leadFor has a new leader carry out rebuilds until it has made so many calls.
func (r *rig) leadFor(calls int) {
	ctx, stop := context.WithCancel(r.t.Context())
	defer stop()
	var made atomic.Int64
	dying := backend.Intercept(r.table, func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
		if made.Add(1) > int64(calls) {
			stop()
			return ctx.Err()
		}
		return next(ctx)
	})
	c := r.p.rebuild.Config
	c.Log = dying
	go func() {
		time.Sleep(time.Minute)
		stop()
	}()
	if err := rebuild.New(c).Lead(ctx); err != nil {
		r.t.Error(err)
	}
	time.Sleep(time.Minute)
}
