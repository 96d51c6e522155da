package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/stream"
)

// start is the time of the first message.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// rig is a log and a control table in memory, in virtual time, and what was submitted.
type rig struct {
	t     *testing.T
	store *sim.Store

	mu        sync.Mutex
	submitted map[string]int // how often, by message
}

func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, &rig{t: t, store: sim.NewStore(1), submitted: map[string]int{}})
	})
}

// post posts a message of a conversation, so many minutes after the start.
func (r *rig) post(group, n int) postroom.Message {
	r.t.Helper()
	m := postroom.Message{
		GroupUUID: id(group), MessageUUID: id(n), UserUUID: id(1), DisplayName: "user 1", Handle: "@1",
		Text: "hello", CreatedAt: start.Add(time.Duration(n) * time.Minute),
	}
	r.put(m.Item())
	return m
}

func (r *rig) put(it backend.Item) {
	r.t.Helper()
	if _, err := r.store.Table("t").Put(r.t.Context(), it, backend.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

// row puts a user's row of a conversation.
func (r *rig) row(user, group int) {
	r.put(backend.Item{
		backend.AttrPK: text(postroom.InboxKey(id(user))), backend.AttrSK: text(postroom.RowKey(start, id(group))),
	})
}

// worker is one command that carries a replay out.
type worker struct {
	*rig

	delay func() time.Duration // of processing a message; nil: none
	call  func(call *backend.TableCall, next func(context.Context) error) error
	seen  Replay

	mu   sync.Mutex
	dead bool
}

func (w *worker) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

var errDead = errors.New("the worker is dead")

// table is a table as a worker sees it: dead, it gets no answer.
func (w *worker) table(name string) backend.Table {
	return backend.Intercept(w.store.Table(name), func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		if w.isDead() {
			<-ctx.Done()
			return errDead
		}
		if w.call != nil && name == "control" {
			return w.call(call, func(context.Context) error { return next(ctx) })
		}
		return next(ctx)
	})
}

func (w *worker) submit(_ context.Context, items []Item) error {
	if w.isDead() {
		return errDead
	}
	w.rig.mu.Lock()
	for _, it := range items {
		w.submitted[it.Message.GroupUUID+it.Message.Key()]++
	}
	w.rig.mu.Unlock()
	for _, it := range items {
		done := func() { it.Done(Outcome{Projected: true, Notified: 2}) }
		if w.delay == nil {
			done()
			continue
		}
		time.AfterFunc(w.delay(), done)
	}
	return nil
}

// run carries a replay out.
func (w *worker) run(ctx context.Context, name string) error {
	logger := slog.New(slog.DiscardHandler)
	control := w.table("control")
	return NewRunner(Config{
		Worker: stream.WorkerName(), Seen: func(r Replay) { w.seen = r },
		Log: w.table("t"), Control: control, Stream: w.store.Stream("t"), Submit: w.submit, Quarantine: quarantine.New(control, 0.5, logger),
		Incidents: incident.NewLog(logger), Logger: logger,
	}).Run(ctx, name)
}

// create stores a replay of two hours, from one hour on, unless it is changed.
func (r *rig) create(change func(*Definition)) Replay {
	r.t.Helper()
	d := Definition{Name: "one", From: "x", To: "y", Begin: start.Add(time.Hour), End: start.Add(3 * time.Hour), Rate: MaxRate, Queue: "q"}
	if change != nil {
		change(&d)
	}
	n, err := Count(r.t.Context(), r.store.Table("t"), d, func(int64) {})
	if err != nil {
		r.t.Fatal(err)
	}
	one, err := New(d, Log, n, time.Now())
	if err == nil {
		one, err = Create(r.t.Context(), r.store.Table("control"), one)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return one
}

func (r *rig) load() Replay {
	r.t.Helper()
	one, err := Load(r.t.Context(), r.store.Table("control"), "one")
	if err != nil {
		r.t.Fatal(err)
	}
	return one
}

// replayed is how many messages were submitted so far.
func (r *rig) replayed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.submitted)
}

// wantDone expects that messages were replayed, and counted once.
func (r *rig) wantDone(want []postroom.Message) {
	r.t.Helper()
	for _, m := range want {
		if r.submitted[m.GroupUUID+m.Key()] == 0 {
			r.t.Errorf("the message at %v was not replayed", m.CreatedAt.Sub(start))
		}
	}
	if len(r.submitted) != len(want) {
		r.t.Errorf("%d messages were replayed, want %d", len(r.submitted), len(want))
	}
	n := int64(len(want))
	if one := r.load(); one.State != Done || one.Total != n || one.Counts != (Counts{Replayed: n, Projected: n, Notified: 2 * n}) {
		r.t.Errorf("the replay is %+v", one)
	}
}
