package projection

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/sim"
)

// restoreRig is a table with one conversation that is projected, and before each write
// of which something can happen.
type restoreRig struct {
	t      *testing.T
	store  *sim.Store
	ms     []postroom.Message
	before func(*backend.TableCall) error // nil: nothing
	p      Projection                     // whose calls before sees
	live   Projection                     // somebody else's
	moment time.Time
}

// now is later each time.
func (r *restoreRig) now() time.Time {
	r.moment = r.moment.Add(time.Microsecond)
	return r.moment
}

// scanned are the keys of all rows.
func (r *restoreRig) scanned() (keys []backend.Key) {
	for _, it := range r.store.Items("t") {
		if key := backend.KeyOf(it); isRow(key, id(1)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// newRestoreRig has projected three of five messages.
func newRestoreRig(t *testing.T, members int) *restoreRig {
	t.Helper()
	r := &restoreRig{t: t, store: sim.NewStore(1), ms: conversationOf(1, members, 5), moment: start}
	r.live = New(r.store.Table("t"))
	r.p = New(backend.Intercept(r.store.Table("t"), func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		if writes := call.Op == "Transact" || call.Op == "Put" || call.Op == "BatchWrite"; writes && r.before != nil {
			if err := r.before(call); err != nil {
				return err
			}
		}
		return next(ctx)
	}))
	for _, m := range r.ms[:3] {
		r.put(m.Item())
		r.move(m)
	}
	return r
}

func (r *restoreRig) put(it backend.Item) {
	r.t.Helper()
	if _, err := r.store.Table("t").Put(r.t.Context(), it, backend.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *restoreRig) remove(keys ...backend.Key) {
	r.t.Helper()
	for _, key := range keys {
		if _, _, err := r.store.Table("t").BatchWrite(r.t.Context(), []backend.Write{{Delete: key}}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *restoreRig) get(key backend.Key) backend.Item {
	it, _, _ := r.store.Table("t").Get(r.t.Context(), key)
	return maps.Clone(it)
}

// move moves the conversation as a projector does.
func (r *restoreRig) move(m postroom.Message) {
	r.t.Helper()
	c, err := r.live.Load(r.t.Context(), m.GroupUUID)
	if err == nil {
		err = r.live.Complete(r.t.Context(), c)
	}
	if err == nil && !c.Reached(m.Position()) {
		err = r.live.Move(r.t.Context(), c, m, r.now())
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *restoreRig) head() backend.Item {
	return r.get(backend.Key{PK: r.ms[0].GroupUUID, SK: postroom.HeadKey})
}

func (r *restoreRig) row(n int, m postroom.Message) backend.Key {
	return backend.Key{PK: postroom.InboxKey(id(1000 + n)), SK: postroom.RowKey(m.CreatedAt, m.GroupUUID)}
}

// setHead damages the head.
func (r *restoreRig) setHead(attributes backend.Item) {
	it := r.head()
	maps.Copy(it, attributes)
	r.put(it)
}

// copyRow puts a row at another key.
func (r *restoreRig) copyRow(from, to backend.Key) {
	it := r.get(from)
	it["PK"], it["SK"] = item.String(to.PK), item.String(to.SK)
	r.put(it)
}

// owners is how many rows each user has.
func (r *restoreRig) owners() map[string]int {
	n := map[string]int{}
	for _, it := range r.store.Items("t") {
		if g, err := postroom.GroupFromItem(it); err == nil {
			n[g.UserUUID]++
		}
	}
	return n
}

// wantRows checks that the rows are the members', as after last.
func (r *restoreRig) wantRows(last postroom.Message) {
	r.t.Helper()
	want := map[backend.Key]postroom.Group{}
	for _, g := range postroom.Groups(last, r.ms[0].Members) {
		want[backend.KeyOf(g.Item())] = g
	}
	got := map[backend.Key]postroom.Group{}
	for _, it := range r.store.Items("t") {
		if isRow(backend.KeyOf(it), last.GroupUUID) {
			got[backend.KeyOf(it)], _ = postroom.GroupFromItem(it)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("rows (-want +got): %s", diff)
	}
	if h, err := DecodeHead(r.head()); err != nil || h.Last != last.Position() || h.open {
		r.t.Errorf("the head is %+v, %v", h, err)
	}
}

// damages of a conversation of 101 members, and where its rows may be elsewhere.
var damages = map[string]func(r *restoreRig) (elsewhere []backend.Key){
	"none":    func(*restoreRig) []backend.Key { return nil },
	"missing": func(r *restoreRig) []backend.Key { r.remove(r.row(1, r.ms[2]), r.row(100, r.ms[2])); return nil },
	"moved": func(r *restoreRig) []backend.Key {
		from, to := r.row(100, r.ms[2]), r.row(100, r.ms[0])
		r.copyRow(from, to)
		r.remove(from)
		return []backend.Key{to}
	},
	"above the head": func(r *restoreRig) []backend.Key {
		key := r.row(1, r.ms[4])
		r.copyRow(r.row(1, r.ms[2]), key)
		return []backend.Key{key, r.row(1, r.ms[2])} // which is right, and stays
	},
	"a stranger's": func(r *restoreRig) []backend.Key {
		key := r.row(900, r.ms[2])
		r.copyRow(r.row(1, r.ms[2]), key)
		return []backend.Key{key}
	},
	"head set back": func(r *restoreRig) []backend.Key {
		it := r.head()
		delete(it, attrOld)
		it[attrLastReplyAt], it[attrLastMessageUUID] = item.String(postroom.FormatTime(r.ms[1].CreatedAt)), item.String(r.ms[1].MessageUUID)
		r.put(it)
		return nil
	},
	"head set back, and where the rows were left": func(r *restoreRig) []backend.Key {
		for n := range 101 { // a move that has not deleted
			r.copyRow(r.row(n, r.ms[2]), r.row(n, r.ms[0]))
			r.remove(r.row(n, r.ms[2]))
		}
		r.setHead(backend.Item{
			attrLastReplyAt: item.String(postroom.FormatTime(r.ms[1].CreatedAt)), attrLastMessageUUID: item.String(r.ms[1].MessageUUID),
			attrOld: item.String(postroom.RowKey(r.ms[0].CreatedAt, r.ms[0].GroupUUID)),
		})
		return nil
	},
	"head ahead": func(r *restoreRig) []backend.Key {
		r.setHead(backend.Item{attrLastReplyAt: item.String(postroom.FormatTime(r.ms[4].CreatedAt))})
		return nil
	},
	"head ahead, with the rows": func(r *restoreRig) []backend.Key {
		r.put(r.ms[4].Item())
		r.move(r.ms[4])
		r.remove(backend.Key{PK: r.ms[4].GroupUUID, SK: r.ms[4].Key()})
		return nil
	},
	"head gone":       func(r *restoreRig) []backend.Key { r.remove(backend.KeyOf(r.head())); return nil },
	"head unreadable": func(r *restoreRig) []backend.Key { r.setHead(backend.Item{attrOpen: item.Int(1)}); return nil },
	"head that would delete the rows": func(r *restoreRig) []backend.Key {
		r.setHead(backend.Item{attrOld: item.String(r.row(0, r.ms[2]).SK)})
		return nil
	},
}

// TestRestoreStoppedAnywhere: a restore that ends before any of its writes has taken
// nobody's last row, and the next one makes everything right, whatever the damage was.
func TestRestoreStoppedAnywhere(t *testing.T) {
	t.Parallel()
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for n, done := 0, false; !done; n++ {
					r := newRestoreRig(t, 101)
					elsewhere, writes := damage(r), 0
					had := r.owners()
					r.before = func(*backend.TableCall) error {
						if writes++; writes > n {
							return &backend.Error{Op: "test", Kind: backend.KindDenied}
						}
						return nil
					}
					err := r.p.Restore(t.Context(), id(1), elsewhere, r.now())
					if done = err == nil; !done && backend.KindOf(err) != backend.KindDenied {
						t.Fatal(err)
					}
					has := r.owners()
					for user := range had {
						if has[user] == 0 && user != id(1900) {
							t.Errorf("after %d writes %s has no row", n, user)
						}
					}
					r.before = nil
					if !done {
						if err := r.p.Restore(t.Context(), id(1), r.scanned(), r.now()); err != nil {
							t.Fatal(err)
						}
					}
					r.wantRows(r.ms[2])
				}
			})
		})
	}
}

// TestRestoreBesideAMove: before any one of its writes somebody posts a message and
// moves the conversation there, to where a row was doubled of all places. The restore
// takes no member's last row, moves no head back from there, and puts rows nowhere else.
// In the end everything is as that move has left it.
func TestRestoreBesideAMove(t *testing.T) {
	t.Parallel()
	for name, damage := range damages {
		if name == "head unreadable" || name == "head that would delete the rows" {
			continue // nobody can move it
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for n := 1; restoreBesideAMove(t, damage, n); n++ {
				}
			})
		})
	}
}

// restoreBesideAMove moves before the n-th write of a restore, and reports whether there
// was one.
func restoreBesideAMove(t *testing.T, damage func(*restoreRig) []backend.Key, n int) bool {
	t.Helper()
	r := newRestoreRig(t, 101)
	elsewhere, writes := damage(r), 0
	var there []backend.Key // rows, after the move
	var moved Head          // not, where the head was past it
	r.before = func(*backend.TableCall) error {
		if writes++; writes == n {
			r.ms[3].CreatedAt = r.ms[4].CreatedAt
			r.put(r.ms[3].Item())
			r.move(r.ms[3])
			there = r.scanned()
			moved, _ = DecodeHead(r.head())
		}
		h, err := DecodeHead(r.head())
		back := moved.Last == r.ms[3].Position() && h.Last != moved.Last
		if has := len(r.owners()); writes >= n && (has < 101 || err != nil || back) {
			t.Errorf("a move before write %d: before write %d %d members have a row, the head is %+v, %v", n, writes, has, h, err)
		}
		return nil
	}
	if err := r.p.Restore(t.Context(), id(1), elsewhere, r.now()); err != nil {
		t.Fatal(err)
	}
	if writes < n {
		r.wantRows(r.ms[2])
		return false
	}
	for _, key := range r.scanned() {
		if !slices.Contains(there, key) && key.SK != r.row(0, r.ms[3]).SK && moved.Last == r.ms[3].Position() {
			t.Errorf("a move before write %d: then a row was put at %v", n, key)
		}
	}
	if err := r.live.Restore(t.Context(), id(1), r.scanned(), r.now()); err != nil {
		t.Fatal(err)
	}
	r.wantRows(r.ms[3])
	return true
}

// TestRestoreAgain: the same damage within ten minutes is repaired again, though the
// writes are the same.
func TestRestoreAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRestoreRig(t, 101)
		for range 3 {
			r.remove(r.row(1, r.ms[2]), r.row(100, r.ms[2]))
			r.copyRow(r.row(2, r.ms[2]), r.row(2, r.ms[0]))
			if err := r.p.Restore(t.Context(), id(1), []backend.Key{r.row(2, r.ms[0])}, r.now()); err != nil {
				t.Fatal(err)
			}
			r.wantRows(r.ms[2])
		}
	})
}

// TestRestoreWhatWasPostedMeanwhile: a projector that found the head ahead has moved
// nothing for a message that was posted just then. It is moved to, once the head is back.
func TestRestoreWhatWasPostedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRestoreRig(t, 3)
		r.setHead(backend.Item{attrLastReplyAt: item.String(postroom.FormatTime(start.Add(time.Hour)))})
		r.before = func(*backend.TableCall) error {
			r.before = nil
			r.put(r.ms[3].Item())
			r.move(r.ms[3]) // which the head has reached
			return nil
		}
		if err := r.p.Restore(t.Context(), id(1), nil, r.now()); err != nil {
			t.Fatal(err)
		}
		r.wantRows(r.ms[3])
	})
}

// TestRestoreWithoutMembers: without any message nothing is left; where only the message
// that opened the conversation is gone, everything is.
func TestRestoreWithoutMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRestoreRig(t, 2)
		keys := []backend.Key{r.row(0, r.ms[2]), r.row(1, r.ms[2])}
		for i, m := range r.ms[:3] {
			r.remove(backend.Key{PK: m.GroupUUID, SK: m.Key()})
			if err := r.p.Restore(t.Context(), id(1), keys, r.now()); i < 2 != errors.Is(err, ErrOpeningLost) {
				t.Errorf("with %d messages: %v", 2-i, err)
			}
			if n := len(r.store.Items("t")); i < 2 && n != 2-i+3 || i == 2 && n != 0 {
				t.Errorf("with %d messages there are %d items", 2-i, n)
			}
		}
	})
}
