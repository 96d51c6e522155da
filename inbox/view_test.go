package inbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/internal/views"
)

// viewed is a table with a user's list in two views, which differ by what the rows say.
type viewed struct {
	t     *testing.T
	table backend.Table
	next  views.View
	reads int                            // of the item that names the views
	first func(*backend.TableCall)       // happens before the next query, once
	fail  func(*backend.TableCall) error // of calls, before they are made
	in    *inbox.Inbox                   // whose calls these are
	user  string
}

const conversations = 5

func newViewed(t *testing.T) *viewed {
	t.Helper()
	v := &viewed{t: t, table: sim.NewStore(1).Table("t"), user: "00000000-0000-4000-8000-000000000001"}
	v.in = inbox.New(backend.Intercept(v.table, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		if call.Key == views.Key() {
			v.reads++
		} else if first := v.first; first != nil && call.Op == "Query" {
			v.first = nil
			first(call)
		}
		if v.fail != nil {
			if err := v.fail(call); err != nil {
				return err
			}
		}
		return next(ctx)
	}))
	v.fill(postroom.View{Name: postroom.DefaultView, Format: postroom.PlainRows})
	next := postroom.View{Name: "next", Format: postroom.RowsWithUUID}
	var err error
	if v.next, err = views.Add(t.Context(), v.table, next, time.Now()); err != nil {
		t.Fatal(err)
	}
	v.fill(next)
	if err := views.Filled(t.Context(), v.table, next.Name, v.next.Since); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *viewed) fill(view postroom.View) {
	for n := range conversations {
		m := postroom.Message{
			GroupUUID: fmt.Sprintf("10000000-0000-4000-8000-%012d", n), MessageUUID: fmt.Sprintf("20000000-0000-4000-8000-%012d", n),
			UserUUID: v.user, Text: "in " + view.Name, CreatedAt: time.Date(2026, 5, 21, 10, n, 0, 0, time.UTC),
		}
		members := []postroom.Member{{UserUUID: v.user, DisplayName: "a", Handle: "a"}, {UserUUID: "00000000-0000-4000-8000-000000000002", DisplayName: "b", Handle: "b"}}
		for _, g := range view.Groups(m, members) {
			if _, err := v.table.Put(v.t.Context(), view.Item(g), backend.Condition{}); err != nil {
				v.t.Fatal(err)
			}
		}
	}
}

func (v *viewed) to(name string) {
	v.t.Helper()
	if _, err := views.Switch(v.t.Context(), v.table, name); err != nil {
		v.t.Fatal(err)
	}
}

// gone drops a view and deletes its rows.
func (v *viewed) gone(name string) {
	v.t.Helper()
	generation, err := views.Drop(v.t.Context(), v.table, name, time.Now)
	if err != nil {
		v.t.Fatal(err)
	}
	time.Sleep(views.Settle)
	page, err := v.table.Query(v.t.Context(), backend.Query{PK: postroom.View{Name: name}.InboxKey(v.user)})
	if err != nil {
		v.t.Fatal(err)
	}
	for _, it := range page.Items {
		if _, _, err := v.table.BatchWrite(v.t.Context(), []backend.Write{{Delete: backend.KeyOf(it)}}); err != nil {
			v.t.Fatal(err)
		}
	}
	if err := views.Remove(v.t.Context(), v.table, name, generation); err != nil {
		v.t.Fatal(err)
	}
}

func (v *viewed) read(opts inbox.PageOptions) inbox.Page[postroom.Group] {
	v.t.Helper()
	page, err := v.in.Conversations(v.t.Context(), v.user, opts)
	if err != nil {
		v.t.Fatal(err)
	}
	return page
}

// wantFrom checks that a page is of so many rows of a view.
func (v *viewed) wantFrom(page inbox.Page[postroom.Group], name string, rows int) {
	v.t.Helper()
	if len(page.Items) != rows || len(page.Unreadable) > 0 {
		v.t.Errorf("%d rows and %v, want %d", len(page.Items), page.Unreadable, rows)
	}
	for _, g := range page.Items {
		if g.LastMessage != "in "+name || (g.LastMessageUUID != "") != (name == "next") {
			v.t.Errorf("%+v is not from the view %s", g, name)
		}
	}
}

func inViews(t *testing.T, test func(t *testing.T, v *viewed)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newViewed(t)) })
}

// TestReadersSwitch within a second, and back; in that time a reader reads the item once.
func TestReadersSwitch(t *testing.T) {
	inViews(t, func(_ *testing.T, v *viewed) {
		for _, name := range []string{"default", "next", "default"} {
			v.to(name)
			time.Sleep(time.Second)
			v.reads = 0
			for range 3 {
				v.wantFrom(v.read(inbox.PageOptions{}), name, conversations)
			}
			if v.reads != 1 {
				v.t.Errorf("the views were read %d times", v.reads)
			}
		}
	})
}

// TestCursorGoesOnInAnotherView: a cursor is a place in every view, also in one that is no
// more.
func TestCursorGoesOnInAnotherView(t *testing.T) {
	inViews(t, func(_ *testing.T, v *viewed) {
		page := v.read(inbox.PageOptions{Limit: 2})
		v.wantFrom(page, "default", 2)
		v.to("next")
		v.gone("default")
		rest := v.read(inbox.PageOptions{Cursor: page.Cursor})
		v.wantFrom(rest, "next", conversations-2)
	})
}

// TestReaderThatWasFrozen while the view that it reads was switched away from, dropped and
// emptied does not take an empty answer for the list.
func TestReaderThatWasFrozen(t *testing.T) {
	inViews(t, func(_ *testing.T, v *viewed) {
		v.read(inbox.PageOptions{})
		v.first = func(*backend.TableCall) {
			v.to("next")
			v.gone("default")
		}
		v.wantFrom(v.read(inbox.PageOptions{}), "next", conversations)
	})
}

// TestViewsThatCannotBeRead: lists are read on by what is known, for as long as that may be.
func TestViewsThatCannotBeRead(t *testing.T) {
	inViews(t, func(t *testing.T, v *viewed) {
		v.read(inbox.PageOptions{})
		v.fail = func(call *backend.TableCall) error {
			if call.Key == views.Key() {
				return &backend.Error{Op: "test", Kind: backend.KindDenied}
			}
			return nil
		}
		time.Sleep(views.MaxAge - time.Second)
		v.wantFrom(v.read(inbox.PageOptions{}), "default", conversations)
		time.Sleep(time.Second)
		if _, err := v.in.Conversations(t.Context(), v.user, inbox.PageOptions{}); backend.KindOf(err) != backend.KindDenied || !strings.Contains(err.Error(), "which view") {
			t.Errorf("%v", err)
		}
	})
}

// TestAllReadsOneView, and says so if that was dropped meanwhile.
func TestAllReadsOneView(t *testing.T) {
	inViews(t, func(t *testing.T, v *viewed) {
		v.to("next")
		n := 0
		var failed error
		for g, err := range v.in.All(t.Context()) {
			if err != nil {
				failed = err
				continue
			}
			if n++; g.LastMessageUUID == "" {
				t.Errorf("%+v is not from the view next", g)
			}
			if n == 1 {
				v.to("default")
				v.gone("next")
			}
		}
		if n != 2*conversations || failed == nil || !strings.Contains(failed.Error(), "begin again") {
			t.Errorf("%d rows, %v", n, failed)
		}
	})
}
