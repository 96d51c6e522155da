package views

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
)

// ErrRefused means that a change is not made as things are. The error says why, and what to
// do.
var ErrRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// Add adds a view that is to be filled. One that is there with the same format is returned
// as it is.
func Add(ctx context.Context, t backend.Table, v postroom.View, now time.Time) (View, error) {
	if err := v.Validate(); err != nil {
		return View{}, err
	}
	set, err := change(ctx, t, func(s *Set) error {
		was, ok := s.View(v.Name)
		switch {
		case ok && was.State == Dropping:
			return refuse("view %s is being dropped: take another name", v.Name)
		case ok && was.View != v:
			return refuse("view %s is there with row format %d; another format takes another name", v.Name, was.Format)
		case ok:
			return nil
		case len(s.Views) == maxViews:
			return refuse("there are %d views, and no more can be: drop one", maxViews)
		}
		if gone, err := batch.NewTable(t).Get(ctx, goneKey(v.Name)); err != nil || gone != nil {
			return cmp.Or(err, refuse("there was a view %s, and somebody may still be deleting its rows: take another name", v.Name))
		}
		s.next(now)
		s.Views = append(s.Views, View{v, Filling, s.Generation})
		return nil
	})
	added, _ := set.View(v.Name)
	return added, err
}

// Filled says that a view has the rows of every conversation. The view must be the one that
// was added by the generation since.
func Filled(ctx context.Context, t backend.Table, name string, since int64) error {
	_, err := change(ctx, t, func(s *Set) error {
		n := s.index(name)
		if n < 0 || s.Views[n].Since != since || s.Views[n].State == Dropping {
			return refuse("view %s was dropped while it was filled", name)
		}
		s.Views[n].State = Ready
		return nil
	})
	return err
}

// Switch makes readers read another view, and returns the name of the one that they read
// before; empty if it was that one.
func Switch(ctx context.Context, t backend.Table, name string) (before string, err error) {
	_, err = change(ctx, t, func(s *Set) error {
		v, ok := s.View(name)
		switch {
		case !ok:
			return refuse("there is no view %s: %s", name, s.names())
		case v.State == Filling:
			return refuse("view %s is not filled yet: not every conversation has its rows there", name)
		case v.State == Dropping:
			return refuse("view %s is being dropped", name)
		}
		if s.Live != name { // else it was done, and the answer was lost
			before, s.Live = s.Live, name
		}
		return nil
	})
	return before, err
}

// Drop says that nobody writes a view any more. It returns after [Settle] or more: for that
// long readers must have been elsewhere. Its rows are then to be deleted, not before Settle
// has passed once more, and at last it is to be forgotten, see [Remove].
// It returns the generation by which it was dropped, or a later one.
func Drop(ctx context.Context, t backend.Table, name string, now func() time.Time) (generation int64, err error) {
	set, err := change(ctx, t, func(s *Set) error {
		n := s.index(name)
		switch {
		case n < 0:
			return refuse("there is no view %s: %s", name, s.names())
		case s.Live == name:
			return refuse("view %s is the one that readers read: switch them to another one first", name)
		case s.Views[n].State == Dropping:
			return nil
		}
		s.next(now())
		s.Views[n].State = Dropping
		return retry.Sleep(ctx, Settle, nil)
	})
	return set.Generation, err
}

// Remove forgets a view that was dropped by a generation, or an earlier one, and has no row
// left. Its name is never used again: whoever deleted rows and was frozen may delete more.
func Remove(ctx context.Context, t backend.Table, name string, generation int64) error {
	gone := item.New(goneKey(name), format)
	if err := batch.NewTable(t).Put(ctx, gone, backend.Condition{}); err != nil {
		return err
	}
	_, err := change(ctx, t, func(s *Set) error {
		s.Views = slices.DeleteFunc(s.Views, func(o View) bool {
			return o.Name == name && o.Since < generation && o.State == Dropping
		})
		return nil
	})
	return err
}

// lastGeneration is about the year 2112: a clock that says more is wrong.
const lastGeneration = 1 << 52

// next begins a generation.
func (s *Set) next(now time.Time) {
	s.Generation = max(s.Generation+1, min(now.UnixMicro(), lastGeneration))
}

// names lists the views.
func (s *Set) names() string {
	list := "there are"
	for i, v := range s.Views {
		if i > 0 {
			list += ","
		}
		list += " " + v.Name
	}
	return list
}

// change changes the item, unless edit changes nothing, on the condition that nobody else
// has since it was read; otherwise again.
func change(ctx context.Context, t backend.Table, edit func(*Set) error) (Set, error) {
	table := batch.NewTable(t)
	for {
		was, err := read(ctx, table)
		if err != nil {
			return Set{}, err
		}
		set := was
		set.Views = slices.Clone(was.Views)
		if err := edit(&set); err != nil {
			return Set{}, err
		}
		if set.Live == was.Live && slices.Equal(set.Views, was.Views) {
			return set, nil
		}
		err = table.Put(ctx, set.Encode(), was.condition())
		if backend.KindOf(err) != backend.KindConditionFailed {
			return set, err
		}
		// Somebody else has changed it, or this was done and the answer lost.
	}
}
