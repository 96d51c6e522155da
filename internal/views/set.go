package views

import (
	"errors"
	"fmt"
	"slices"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// format is the newest format of the item that this program knows.
const format = 1

// maxViews bounds how many views a table has, those that are being dropped included: a
// move writes all of them.
const maxViews = 4

const (
	attrLive       = "live"
	attrGeneration = "generation"
	attrViews      = "views"
	attrName       = "name"
	attrRowFormat  = "row_format"
	attrState      = "state"
	attrSince      = "since"
)

// Key is where the item is.
func Key() backend.Key { return backend.Key{PK: "views", SK: "VIEWS"} }

// goneKey is where it is noted that there was a view of a name.
func goneKey(name string) backend.Key { return backend.Key{PK: Key().PK, SK: "GONE#" + name} }

// State is what becomes of a view.
type State string

// The states of a view.
const (
	Filling  State = "filling"
	Ready    State = "ready"
	Dropping State = "dropping"
)

// View is a view of a table.
type View struct {
	postroom.View

	State State
	// Since is the generation by which the view was added: another view of the same name
	// has another one.
	Since int64
}

// Holds reports whether a key is that of a row in the view.
func (v View) Holds(key backend.Key) bool {
	name, _, ok := postroom.ParseInboxKey(key.PK)
	return ok && name == v.Name
}

// Set is the views of a table.
type Set struct {
	// Generation grows whenever the views that moves write change. It is about the time of
	// that change in microseconds, so that it grows even if the item is lost.
	Generation int64
	Live       string // the name of the view that readers read
	Views      []View // in the order in which they were added

	stored backend.Item // as it was read; nil: there is none
}

// none is the set of a table that has no item.
func none() Set {
	return Set{
		Live:  postroom.DefaultView,
		Views: []View{{View: postroom.View{Name: postroom.DefaultView, Format: postroom.PlainRows}, State: Ready}},
	}
}

// Written are the views that moves write.
func (s Set) Written() []postroom.View {
	var written []postroom.View
	for _, v := range s.Views {
		if v.State != Dropping {
			written = append(written, v.View)
		}
	}
	return written
}

// View returns the view of a name, and false if there is none.
func (s Set) View(name string) (View, bool) {
	n := s.index(name)
	if n < 0 {
		return View{}, false
	}
	return s.Views[n], true
}

// LiveView is the view that readers read.
func (s Set) LiveView() View {
	v, _ := s.View(s.Live)
	return v
}

// CheckKept returns an error unless the view of a name is there and is not being dropped.
func (s Set) CheckKept(name string) error {
	switch v, ok := s.View(name); {
	case !ok:
		return refuse("there is no view %s: %s", name, s.names())
	case v.State == Dropping:
		return refuse("view %s is being dropped", name)
	}
	return nil
}

func (s Set) index(name string) int {
	return slices.IndexFunc(s.Views, func(v View) bool { return v.Name == name })
}

// condition holds while the item is as it was read.
func (s Set) condition() backend.Condition {
	if s.stored == nil {
		return backend.Condition{Absent: true}
	}
	return item.Same(s.stored)
}

// Encode returns the set as an item.
func (s Set) Encode() backend.Item {
	it := item.New(Key(), format)
	it[attrLive], it[attrGeneration] = item.String(s.Live), item.Int(s.Generation)
	list := make([]backend.Item, len(s.Views))
	for i, v := range s.Views {
		list[i] = backend.Item{
			attrName: item.String(v.Name), attrRowFormat: item.Int(int64(v.Format)),
			attrState: item.String(string(v.State)), attrSince: item.Int(v.Since),
		}
	}
	it[attrViews] = item.Maps(list)
	return it
}

// Decode reads a set from its item.
func Decode(it backend.Item) (Set, error) {
	d := item.Decode(it, format)
	s := Set{Live: d.String(attrLive), Generation: d.Int(attrGeneration, 1), stored: it}
	var newer error
	d.Maps(attrViews, func(m *item.Decoder) {
		v := View{
			View:  postroom.View{Name: m.String(attrName), Format: int(m.Int(attrRowFormat, 1))},
			State: State(m.String(attrState)), Since: m.Int(attrSince, 0),
		}
		if wrong := v.Validate(); errors.Is(wrong, postroom.ErrNewerView) {
			newer = wrong
		} else if wrong != nil {
			m.Fail(attrName, wrong)
		}
		m.Check(attrState, v.State == Filling || v.State == Ready || v.State == Dropping, "it is none of the states of a view")
		m.Check(attrSince, v.Since <= s.Generation, "it is past the generation")
		m.Check(attrName, s.index(v.Name) < 0, "another view has it")
		s.Views = append(s.Views, v)
	})
	d.Check(attrViews, len(s.Views) <= maxViews, "there are too many")
	live, ok := s.View(s.Live)
	d.Check(attrLive, ok && live.State == Ready, "no view that is ready has this name")
	if err := d.Err(); err != nil {
		if damage := item.AsDamaged(err); damage != nil {
			damage.Blocks = true // nobody moves anything
		}
		return Set{}, err
	}
	if newer != nil {
		return Set{}, &backend.Error{Op: "decode", Kind: backend.KindInvalid, Err: fmt.Errorf("the item %v: %w", Key(), newer)}
	}
	return s, nil
}
