package dedup

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
)

// believed is what the model knows of an id.
type believed struct {
	holder  string // who claimed it
	doer    string // who recorded it
	expires int    // second
}

// modelRun does the same to a store and to its model.
type modelRun struct {
	store Store
	name  string // of the run: ids begin with it
	now   int    // seconds
	lost  int    // how many answers are lost next
	ids   map[string]believed
}

var epoch = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func (r *modelRun) clock() time.Time { return epoch.Add(time.Duration(r.now) * time.Second) }

// draw chooses whose call it is, and how often its answer is lost.
func (r *modelRun) draw(t *rapid.T) (id, owner string, b believed) {
	r.lost = rapid.IntRange(0, 3).Draw(t, "lost answers")
	id = r.name + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "id")
	owner = rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "owner")
	if b = r.ids[id]; b.expires <= r.now && b.holder != owner {
		b = believed{}
	}
	return id, owner, b
}

// call repeats a call until it is answered.
func (r *modelRun) call(t *rapid.T, call func() error) error {
	for {
		err := call()
		switch {
		case err == nil || errors.Is(err, ErrLost):
			return err
		case backend.KindOf(err) != backend.KindUnavailable:
			t.Fatal(err)
		}
	}
}

func (r *modelRun) claim(t *rapid.T) {
	id, owner, b := r.draw(t)
	seconds := rapid.IntRange(1, 10).Draw(t, "lease")
	want := Claim{State: Claimed, Left: time.Duration(seconds) * time.Second}
	left := time.Duration(b.expires-r.now) * time.Second
	switch {
	case b.doer != "":
		want = Claim{Done, left}
	case b.holder != "" && b.holder != owner:
		want = Claim{Busy, left}
	default:
		r.ids[id] = believed{holder: owner, expires: r.now + seconds}
	}
	var got Claim
	err := r.call(t, func() (err error) {
		got, err = r.store.Claim(t.Context(), id, owner, time.Duration(seconds)*time.Second)
		return err
	})
	if err != nil || got != want {
		t.Fatalf("claim %+v and error %v, want %+v", got, err, want)
	}
}

func (r *modelRun) record(t *rapid.T) {
	id, owner, b := r.draw(t)
	seconds := rapid.IntRange(5, 50).Draw(t, "time to live")
	var want error
	switch {
	case b.doer == owner: // nothing changes
	case b.doer != "" || b.holder != "" && b.holder != owner:
		want = ErrLost
	default:
		r.ids[id] = believed{doer: owner, expires: r.now + seconds}
	}
	err := r.call(t, func() error { return r.store.Record(t.Context(), id, owner, time.Duration(seconds)*time.Second) })
	if !errors.Is(err, want) {
		t.Fatalf("error %v of a record, want %v", err, want)
	}
}

func (r *modelRun) release(t *rapid.T) {
	id, owner, b := r.draw(t)
	if b.holder == owner {
		delete(r.ids, id)
	}
	if err := r.call(t, func() error { return r.store.Release(t.Context(), id, owner) }); err != nil {
		t.Fatal(err)
	}
}

func (r *modelRun) advance(t *rapid.T) { r.now += rapid.IntRange(1, 12).Draw(t, "seconds") }

// Whatever is done in whatever order, and however many answers are lost, a store
// is what the model says.
func TestQ12Q13StoresAgainstAModel(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, newStore func(r *modelRun) Store) {
		t.Parallel()
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			runs++
			r := &modelRun{name: fmt.Sprint(runs), ids: map[string]believed{}}
			r.store = newStore(r)
			rt.Repeat(map[string]func(*rapid.T){
				"claim": r.claim, "record": r.record, "release": r.release, "advance": r.advance,
			})
		})
	}
	t.Run("memory", func(t *testing.T) {
		check(t, func(r *modelRun) Store {
			s := newMemory(t, MemoryOptions{Size: 2})
			s.now = r.clock
			return s
		})
	})
	t.Run("table", func(t *testing.T) {
		b := newBackend(t)
		check(t, func(r *modelRun) Store { return tableWithClock(faultyTable(b, r.fault), r.clock) })
	})
}

func (r *modelRun) fault() backendtest.Fault {
	if r.lost == 0 {
		return backendtest.Fault{}
	}
	r.lost--
	return backendtest.Fault{LoseAnswer: true}
}
