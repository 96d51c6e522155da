package views

import (
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// Repair returns how to repair the item; nil: it is good, or another item. The error is that
// of a newer format. What can be read of it is kept. It becomes a new generation, so each
// conversation is brought in line with it by its next move, or a rebuild.
func Repair(it backend.Item, now time.Time) (*item.Repair, error) {
	if backend.KeyOf(it) != Key() {
		return nil, nil
	}
	_, err := Decode(it)
	damage := item.AsDamaged(err)
	if damage == nil {
		return nil, err
	}
	return &item.Repair{
		Damaged: damage, Put: salvage(it, now).Encode(),
		Effect: "the views that can be read are kept; one whose entry cannot has to be filled again: `postroom rebuild --shadow NAME`",
	}, nil
}

// salvage reads what it can of a damaged item.
func salvage(it backend.Item, now time.Time) Set {
	loose := item.Loose(it)
	s := Set{Generation: max(1, now.UnixMicro()), Live: loose.String(attrLive)}
	loose.Maps(attrViews, func(m *item.Decoder) {
		v := View{
			View:  postroom.View{Name: m.String(attrName), Format: int(m.Int(attrRowFormat, 1))},
			State: State(m.String(attrState)), Since: m.Int(attrSince, 0),
		}
		if v.Validate() != nil || s.index(v.Name) >= 0 || len(s.Views) == maxViews {
			return
		}
		if known := slices.Contains([]State{Filling, Ready, Dropping}, v.State); !known || v.Since > s.Generation {
			v.State, v.Since = Filling, s.Generation
		}
		s.Views = append(s.Views, v)
	})
	if s.index(s.Live) < 0 { // another one that is whole, or the one that there always was
		s.Live = postroom.DefaultView
		if n := slices.IndexFunc(s.Views, func(v View) bool { return v.State == Ready }); n >= 0 && s.index(s.Live) < 0 {
			s.Live = s.Views[n].Name
		}
	}
	if s.index(s.Live) < 0 {
		s.Views = append(s.Views[:min(len(s.Views), maxViews-1)], none().Views...)
	}
	s.Views[s.index(s.Live)].State = Ready
	return s
}
