package projector_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// judge compares the end with what a plain fold says.
func (w *world) judge() {
	for _, v := range w.check.violations {
		w.fail("%s", v)
		return
	}
	rows := map[backend.Key]postroom.Group{}
	nonMembers := map[backend.Key]bool{}
	last := map[string]postroom.Message{}
	for key, p := range w.check.messages {
		if p.notified == nil {
			nonMembers[key] = true
		} else if m, ok := last[p.GroupUUID]; !ok || p.Position().Compare(m.Position()) > 0 {
			last[p.GroupUUID] = p.Message
		}
	}
	for group, m := range last {
		for _, v := range w.views() {
			for _, g := range v.Groups(m, w.check.members[group]) {
				rows[backend.KeyOf(v.Item(g))] = g
			}
		}
	}
	w.judgeRows(rows)
	w.judgeSent()
	w.judgeQuarantined("control", nonMembers)
	for _, s := range w.replays {
		w.judgeQuarantined(s.control, nonMembers)
	}
}

// views are those that have all rows.
func (w *world) views() []postroom.View {
	if w.viewer != nil {
		return w.viewer.set.Written()
	}
	return []postroom.View{{Name: postroom.DefaultView, Format: postroom.PlainRows}}
}

func (w *world) judgeRows(want map[backend.Key]postroom.Group) {
	for _, item := range w.store.Items(tableName) {
		key := backend.KeyOf(item)
		name, _, ok := postroom.ParseInboxKey(key.PK)
		if !ok {
			continue
		}
		got, err := postroom.View{Name: name}.GroupFromItem(item)
		if err != nil || got != want[key] {
			w.fail("row %v is %+v (%v), want %+v", key, got, err, want[key])
			return
		}
		delete(want, key)
	}
	for key := range want {
		w.fail("row %v is missing", key)
		return
	}
}

// judgeSent checks that everybody was notified of everything, unless nobody was
// promised that.
func (w *world) judgeSent() {
	group := w.check.control("control")
	for _, p := range w.check.messages {
		for _, n := range p.notified {
			if n == 0 && !group.unpromised(p) && !w.excused(group, p) {
				w.fail("nobody is notified of message %s %s", p.GroupUUID, p.Key())
				return
			}
		}
	}
}

// excused reports whether a message is quarantined, since its conversation was damaged.
func (w *world) excused(group *control, p *posted) bool {
	return w.check.damaged[p.GroupUUID] && group.quarantined[backend.Key{PK: p.GroupUUID, SK: p.Key()}]
}

// judgeQuarantined checks that what could not be processed is quarantined, and nothing
// else. One that did not know that its shard was another's, or whose call arrived
// when that was so, and that was then gone before it could look once more, leaves
// there what others have done, until somebody looks at the conversation anew.
func (w *world) judgeQuarantined(control string, want map[backend.Key]bool) {
	got := map[backend.Key]bool{}
	for _, item := range w.store.Items(control) {
		if backend.KeyOf(item).PK == "quarantine-retry" {
			w.fail("%s: a batch of records was not retried", control)
		}
		if key := backend.KeyOf(item); strings.HasPrefix(key.PK, "QUARANTINE#") && strings.HasSuffix(key.SK, "#000") {
			record := backend.Key{PK: backend.Text(item, "record_pk"), SK: backend.Text(item, "record_sk")}
			if want[record] || !w.check.gone[w.check.control(control).waits[record]] {
				got[record] = true
			}
		}
	}
	for _, keys := range []map[backend.Key]bool{got, want} {
		maps.DeleteFunc(keys, func(key backend.Key, _ bool) bool { return w.check.damaged[key.PK] })
	}
	if !maps.Equal(got, want) {
		w.fail("%s: quarantined are %v, want %v", control, slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
	}
}
