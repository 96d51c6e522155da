package projector_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/verify"
)

// TestRepairUnderFaults is TestSimulation with somebody who damages heads and rows at
// random moments, and a repair that runs at others, is stopped, frozen and killed like
// the projectors beside it. Nobody but who does the damage takes a member's last row, or
// moves a head back from a message that is in the log; and in the end, after a repair
// that was left alone, everything is as in any other run.
func TestRepairUnderFaults(t *testing.T) { underDamage(t, 4, func(*world) {}) }

// underDamage runs one seed in so many, with somebody who does damage.
func underDamage(t *testing.T, share int, change func(*world)) {
	t.Helper()
	const parallel = 4
	var next atomic.Uint64
	for part := range parallel {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for n := next.Add(1) - 1; n < uint64((*seeds+share-1)/share); n = next.Add(1) - 1 {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, *first+n)
					w.nights, w.toggles, w.meddled = 0, 0, false
					w.vandal = &vandal{left: 1 + w.rng.IntN(6)}
					change(w)
					w.run()
				})
			}
		})
	}
}

// vandal damages the projection, and mends it.
type vandal struct {
	left  int // damages; negative: none, and the last repair or rebuild was begun
	lives int
	ended chan error // nil: no repair runs
	stop  context.CancelFunc
	found int // by the last repair, of what it could repair

	rebuilds bool // in place of repairs
}

// vandalize does some damage, or starts or stops a repair.
func (w *world) vandalize() {
	v := w.vandal
	switch n := w.rng.IntN(12); {
	case n < 4 && v.left > 0:
		v.left--
		w.damage()
	case n < 8 && v.rebuilds:
		w.askForRebuild()
	case n < 8:
		w.repair()
	case n == 8 && v.ended != nil:
		w.sched.Note("the repair is stopped")
		v.stop()
	}
}

// repair starts a repair if none runs.
func (w *world) repair() {
	v := w.vandal
	if w.repairing() {
		return
	}
	v.lives++
	ctx, stop := context.WithCancel(context.Background())
	v.stop, v.ended, v.found = stop, make(chan error, 1), 0
	worker := w.sched.Worker(fmt.Sprintf("m%d", v.lives), w.store, stop)
	w.sched.Note("%s begins to repair", worker.Name)
	go func() {
		_, err := verify.Run(ctx, worker.Table(tableName), verify.Options{Repair: true, Found: func(d verify.Difference) {
			w.sched.Note("%s found %+v", worker.Name, d)
			if d.Kind.Repairable() {
				v.found++
			}
		}})
		v.ended <- err
	}()
}

// repairing reports whether a repair runs. One that failed has found something.
func (w *world) repairing() bool {
	v := w.vandal
	select {
	case err := <-v.ended:
		w.sched.Note("m%d has ended: %v", v.lives, err)
		v.stop()
		v.ended = nil
		if err != nil {
			v.found++
		}
	default:
	}
	return v.ended != nil
}

// repaired repairs until nothing is found any more.
func (w *world) repaired() bool {
	v := w.vandal
	switch {
	case v == nil:
		return true
	case v.rebuilds:
		return w.rebuilt()
	}
	if w.repairing() {
		return false
	}
	if v.lives > 0 && v.found == 0 && v.left < 0 {
		return true
	}
	v.left = -1 // what ended before the faults did does not count
	w.repair()
	return false
}

// damage changes a head or a row of a random conversation.
func (w *world) damage() {
	var items []backend.Item
	for _, it := range w.store.Items(tableName) {
		if key := backend.KeyOf(it); key.PK != views.Key().PK && !strings.HasPrefix(key.SK, postroom.MessagePrefix) {
			items = append(items, it)
		}
	}
	if len(items) == 0 {
		return
	}
	slices.SortFunc(items, func(a, b backend.Item) int { return backend.KeyOf(a).Compare(backend.KeyOf(b)) })
	it := cloneItem(items[w.rng.IntN(len(items))])
	if key := backend.KeyOf(it); key.SK != postroom.HeadKey {
		w.damageRow(it, key)
	} else {
		w.damageHead(it, key)
	}
}

func (w *world) damageRow(it backend.Item, key backend.Key) {
	_, group, _ := postroom.ParseRowKey(key.SK)
	w.check.damaged[group] = true
	switch w.rng.IntN(5) {
	case 0:
		w.write("a row is deleted", backend.Write{Delete: key})
		return
	case 1:
		it["SK"] = text(postroom.RowKey(w.somewhen(group), group))
		w.write("a row is doubled", backend.Write{Put: it})
		return
	case 2:
		it["last_message"] = text("something else")
	case 3:
		it["other_user_display_name"] = text("somebody else")
	case 4:
		stranger := w.uuid()
		it["PK"], it["user_uuid"] = text(postroom.InboxKey(stranger)), text(stranger)
		w.write("a stranger gets a row", backend.Write{Put: it})
		return
	}
	w.write("a row is edited", backend.Write{Put: it})
}

// somewhen is the time of a message of a conversation, or beside it, before or after.
func (w *world) somewhen(group string) time.Time {
	m := w.someMessage(group)
	return m.CreatedAt.Add(time.Duration(w.rng.IntN(9)-4) * time.Microsecond)
}

func (w *world) someMessage(group string) postroom.Message {
	var posted []postroom.Message
	for key, p := range w.check.messages {
		if key.PK == group && p.notified != nil {
			posted = append(posted, p.Message)
		}
	}
	slices.SortFunc(posted, func(a, b postroom.Message) int { return cmp.Compare(a.Key(), b.Key()) })
	return posted[w.rng.IntN(len(posted))]
}

func (w *world) damageHead(it backend.Item, key backend.Key) {
	w.check.damaged[key.PK] = true
	what := "the head is set to another message"
	switch n := w.rng.IntN(6); {
	case n < 2:
		m := w.someMessage(key.PK)
		it["last_reply_at"], it["last_message_uuid"] = text(postroom.FormatTime(m.CreatedAt)), text(m.MessageUUID)
		if w.rng.IntN(2) == 0 {
			delete(it, "old")
		}
	case n < 4:
		what = "the head is set to no message"
		it["last_reply_at"], it["last_message_uuid"] = text(postroom.FormatTime(w.somewhen(key.PK))), text(w.uuid())
		if w.rng.IntN(2) == 0 {
			delete(it, "old")
		}
	case n == 4 && !w.check.rivals[key.PK]:
		w.write("the head is deleted", backend.Write{Delete: key})
		return
	default:
		what = "the head is made unreadable"
		it["open"] = text("perhaps")
	}
	w.write(what, backend.Write{Put: it})
}

func (w *world) write(what string, write backend.Write) {
	key := write.Delete
	if write.Put != nil {
		key = backend.KeyOf(write.Put)
	}
	w.sched.Note("DAMAGE: %s: %v", what, key)
	if _, _, err := w.store.Table(tableName).BatchWrite(context.Background(), []backend.Write{write}); err != nil {
		w.t.Fatal(err)
	}
}
