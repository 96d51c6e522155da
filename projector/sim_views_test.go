package projector_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/projection"
)

// TestViewsUnderFaults is TestSimulation with an operator who adds views, fills them,
// switches readers to them and drops others, and who is stopped, frozen and killed like the
// projectors beside it. At every moment all inboxes are right in each view that a reader may
// read; and in the end each view has all rows and nothing else is there.
func TestViewsUnderFaults(t *testing.T) {
	const parallel = 4
	var next atomic.Uint64
	for part := range parallel {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for n := next.Add(1) - 1; n < uint64(*seeds+39)/40; n = next.Add(1) - 1 {
				synctest.Test(t, func(t *testing.T) { newWorldOfViews(t, *first+n).runViews() })
			}
		})
	}
}

// viewer is the operator, and what readers may see.
type viewer struct {
	rng   *rand.Rand
	lives int
	ended chan error // nil: none is at work
	stop  context.CancelFunc
	steps int // that were carried out

	set   views.Set
	shown map[string]time.Time // views, and until when a reader may read them; zero: live
	dirty map[string]bool      // conversations
}

func newWorldOfViews(t *testing.T, seed uint64) *world {
	w := newWorld(t, seed)
	w.nights, w.toggles, w.meddled = 0, 0, false
	faults, _ := sim.Mix(seed)
	faults.FreezeFor = 20 * time.Second
	w.sched = sim.NewScheduler(seed, faults)
	w.viewer = &viewer{
		rng: rand.New(rand.NewPCG(seed, 7)), dirty: map[string]bool{},
		shown: map[string]time.Time{postroom.DefaultView: {}},
	}
	for range w.viewer.rng.IntN(4) {
		w.compose()
	}
	switch w.viewer.rng.IntN(3) {
	case 0: // somebody repairs beside it
		w.vandal = &vandal{}
	case 1: // what somebody else damages
		w.vandal = &vandal{left: 1 + w.rng.IntN(3)}
	}
	w.viewer.set, _ = views.Read(context.Background(), w.store.Table(tableName))
	return w
}

func (w *world) runViews() {
	for _, name := range []string{"a", "b", "c"} {
		w.group = append(w.group, &slot{name: name, control: "control", back: w.soon(time.Second)})
	}
	began := time.Now()
	for (w.viewer.steps < 8 || len(w.drafts) > 0) && time.Since(began) < 5*time.Minute && len(w.check.violations) == 0 {
		w.operate()
		w.revive()
		w.sched.Step()
		w.look()
		if w.rng.IntN(60) == 0 {
			w.post(1 + w.rng.IntN(3))
		}
		if w.rng.IntN(4) == 0 {
			w.happen()
		}
	}
	w.settle()
	w.look()
	w.judge()
	w.end()
}

// operate has the operator go on.
func (w *world) operate() {
	w.reapOperator()
	v := w.viewer
	if v.ended != nil {
		if v.rng.IntN(3000) == 0 {
			w.sched.Note("the operator is stopped")
			v.stop()
		}
		return
	}
	v.lives++
	ctx, stop := context.WithCancel(context.Background())
	v.stop, v.ended = stop, make(chan error, 1)
	worker := w.sched.Worker(fmt.Sprintf("o%d", v.lives), w.store, stop)
	choice := v.rng.IntN(100)
	go func() { v.ended <- operate(ctx, worker.Table(tableName), choice) }()
}

// viewed reports whether the operator is through with what was begun, and begins nothing
// new.
func (w *world) viewed() bool {
	v := w.viewer
	if v == nil {
		return true
	}
	if v.underWay() {
		w.operate()
		return false
	}
	if v.ended != nil {
		v.stop()
	}
	w.reapOperator()
	return v.ended == nil
}

// underWay reports whether a view is not ready.
func (v *viewer) underWay() bool {
	return slices.ContainsFunc(v.set.Views, func(o views.View) bool { return o.State != views.Ready })
}

func (w *world) reapOperator() {
	v := w.viewer
	select {
	case err := <-v.ended:
		w.sched.Note("o%d has ended: %v", v.lives, err)
		v.stop()
		v.ended = nil
		if err == nil {
			v.steps++
		}
	default:
	}
}

// operate carries out one step of what an operator does with views.
func operate(ctx context.Context, table backend.Table, choice int) error {
	set, err := views.Read(ctx, table)
	if err != nil {
		return err
	}
	for _, v := range set.Views {
		switch v.State {
		case views.Filling:
			return fill(ctx, table, v)
		case views.Dropping:
			return sweep(ctx, table, v, set.Generation)
		case views.Ready:
		}
	}
	if err := retry.Sleep(ctx, time.Duration(choice)*10*time.Millisecond, nil); err != nil {
		return err
	}
	other := set.Views[choice%len(set.Views)].Name
	switch {
	case len(set.Views) == 1 || choice%3 == 0 && len(set.Views) < 3:
		v := postroom.View{Name: fmt.Sprint("v", time.Now().UnixMicro()%1_000_000), Format: 1 + choice%2}
		_, err = views.Add(ctx, table, v, time.Now())
	case choice%3 == 1 && other != set.Live:
		_, err = views.Drop(ctx, table, other, time.Now)
	default:
		_, err = views.Switch(ctx, table, other)
	}
	return err
}

func fill(ctx context.Context, table backend.Table, v views.View) error {
	if err := retry.Sleep(ctx, views.Settle, nil); err != nil {
		return err
	}
	if err := restoreAll(ctx, table); err != nil {
		return err
	}
	return views.Filled(ctx, table, v.Name, v.Since)
}

func sweep(ctx context.Context, table backend.Table, v views.View, generation int64) error {
	if err := retry.Sleep(ctx, views.Settle, nil); err != nil {
		return err
	}
	if err := restoreAll(ctx, table); err != nil {
		return err
	}
	var left []backend.Key
	t := batch.NewTable(table)
	for it, err := range t.Scan(ctx, backend.Scan{Consistent: true}) {
		if err != nil {
			return err
		}
		if key := backend.KeyOf(it); v.Holds(key) {
			left = append(left, key)
		}
	}
	if err := t.Delete(ctx, left); err != nil {
		return err
	}
	return views.Remove(ctx, table, v.Name, generation)
}

// restoreAll restores every conversation.
func restoreAll(ctx context.Context, table backend.Table) error {
	groups := map[string]bool{}
	for it, err := range batch.NewTable(table).Scan(ctx, backend.Scan{Consistent: true}) {
		if err != nil {
			return err
		}
		if key := backend.KeyOf(it); key.SK == postroom.HeadKey || strings.HasPrefix(key.SK, postroom.MessagePrefix) {
			groups[key.PK] = true
		}
	}
	p := projection.New(table)
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		if err := p.Restore(ctx, group, nil, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// changed notes which views there are.
func (v *viewer) changed(after backend.Item) {
	set, err := views.Decode(after)
	if err != nil {
		panic(err)
	}
	if set.Live != v.set.Live {
		v.shown[v.set.Live] = time.Now().Add(views.MaxAge)
		v.shown[set.Live] = time.Time{}
	}
	v.set = set
	v.dirty[""] = true
}

// shows reports whether a reader may read a view.
func (v *viewer) shows(view string) bool {
	if v == nil {
		return true
	}
	until, ok := v.shown[view]
	return ok && (until.IsZero() || time.Now().Before(until))
}

// look compares what readers may see with the heads.
func (w *world) look() {
	v := w.viewer
	if v.dirty[""] {
		for group := range w.check.heads {
			v.dirty[group] = true
		}
	}
	for _, group := range slices.Sorted(maps.Keys(v.dirty)) {
		head := w.check.heads[group]
		if head == nil || isTrue(head, "open") || len(w.check.violations) > 0 || w.check.damaged[group] {
			continue
		}
		for _, view := range v.set.Views {
			if v.shows(view.Name) {
				w.lookAt(view.View, group, head)
			}
		}
	}
	clear(v.dirty)
}

// lookAt compares the rows of a conversation in one view with its head.
func (w *world) lookAt(view postroom.View, group string, head backend.Item) {
	at, _ := postroom.ParseTime(backend.Text(head, "last_reply_at"))
	last := w.check.messages[backend.Key{PK: group, SK: postroom.MessageKey(at, backend.Text(head, "last_message_uuid"))}]
	for _, want := range view.Groups(last.Message, w.check.members[group]) {
		it, _, _ := w.store.Table(tableName).Get(context.Background(), backend.KeyOf(view.Item(want)))
		got, err := view.GroupFromItem(it)
		if it == nil || err != nil || got != want {
			w.check.violation("a reader of view %s sees %+v (%v), want %+v", view.Name, got, err, want)
			return
		}
	}
}
