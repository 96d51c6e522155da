package membership

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a control table, with a hook around each call that writes an item, and with
// an operation that fails.
type rig struct {
	t     *testing.T
	table backend.Table
	put   func(next func() error) error // may be nil
	fails string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.CreateTable(t.Context(), backend.TableSpec{Name: "control", PartitionKey: "PK", SortKey: "SK"}); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	r.table = backend.Intercept(b.Table("control"), func(ctx context.Context, c *backend.TableCall, next func(context.Context) error) error {
		if put := r.put; put != nil && c.Op == "Put" {
			r.put = nil // once
			return put(func() error { return next(ctx) })
		}
		if c.Op == r.fails {
			return &backend.Error{Op: "test", Kind: backend.KindUnavailable}
		}
		return next(ctx)
	})
	return r
}

func (r *rig) loop() retry.Loop {
	return retry.Loop{
		Policy:    retry.Policy{Min: time.Millisecond, Max: time.Millisecond},
		Operation: incident.NewLog(slog.New(slog.DiscardHandler)).Operation("testing"),
	}
}

// joins starts a session of a worker, whose lease does not run out in a test.
func (r *rig) joins(worker string) *Heartbeat {
	r.t.Helper()
	h := NewHeartbeat(Member{
		Table: batch.Table{Table: r.table, Retry: retry.Policy{Attempts: 1}}, ID: lease.GroupID{ARN: "arn", Name: "g"},
		Self: lease.Owner{Worker: worker, Session: worker + "'s session"}, LeaseDuration: time.Hour, Now: time.Now,
	}, r.loop())
	if err := h.Join(r.t.Context(), r.loop()); err != nil {
		r.t.Fatal(err)
	}
	return h
}

// saw is the group of one, which has seen two silent for so long.
func saw(one *Heartbeat, two *Heartbeat, silent time.Duration) *Group {
	g := NewGroup(one, slog.New(slog.DiscardHandler))
	g.detector[two.Self.Session] = observation{counter: two.item.Counter, silent: silent, at: time.Now()}
	return g
}

// live is the workers that one sees alive, after two was silent for so long.
func (r *rig) live(one *Heartbeat, two *Heartbeat, silent time.Duration) (names []string) {
	r.t.Helper()
	live, err := saw(one, two, silent).Live(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, w := range live {
		names = append(names, w.Worker)
	}
	return names
}

func TestSilentSessionIsExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.joins("one"), r.joins("two")
	if live := r.live(one, two, time.Hour-time.Minute); len(live) != 2 {
		t.Errorf("before its lease has run out alive are %v", live)
	}
	if live := r.live(one, two, time.Hour); len(live) != 1 {
		t.Errorf("alive are %v", live)
	}
	if all, err := one.Workers(t.Context()); len(all) != 1 || err != nil {
		t.Errorf("the items are %v: %v", all, err)
	}
	if err := two.Beat(t.Context()); !errors.Is(err, ErrExpired) || two.Valid() {
		t.Errorf("the expired session sends a heartbeat: %v", err)
	}
	if err := two.Fence(t.Context()); !errors.Is(err, ErrExpired) {
		t.Errorf("the fence of the expired session: %v", err)
	}
}

func TestSessionIsNotExpiredAfterAHeartbeat(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.joins("one"), r.joins("two")
	r.put = func(next func() error) error { // its heartbeat comes just before
		if err := two.Beat(t.Context()); err != nil {
			t.Error(err)
		}
		return next()
	}
	if live := r.live(one, two, time.Hour); len(live) != 2 {
		t.Errorf("alive are %v", live)
	}
	if err := two.Beat(t.Context()); err != nil {
		t.Errorf("the session that lives sends a heartbeat: %v", err)
	}
}

func TestSessionThatIsGoneWhenItIsToBeExpired(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(r *rig, two, three *Heartbeat){
		"it has left": func(r *rig, two, _ *Heartbeat) {
			if err := two.Leave(r.t.Context()); err != nil {
				r.t.Error(err)
			}
		},
		"another has expired it":              func(r *rig, two, three *Heartbeat) { r.live(three, two, time.Hour) },
		"another has, and has not deleted it": func(r *rig, two, _ *Heartbeat) { r.expires(two) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			one, two, three := r.joins("one"), r.joins("two"), r.joins("three")
			r.put = func(next func() error) error {
				before(r, two, three)
				return next()
			}
			if live := r.live(one, two, time.Hour); len(live) != 2 {
				t.Errorf("alive are %v", live)
			}
		})
	}
}

// TestLookThatFails: nobody is taken for dead where the look has not come to its end.
func TestLookThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.joins("one"), r.joins("two")
	r.expires(two)
	for _, r.fails = range []string{"Query", "BatchWrite"} {
		if live, err := saw(one, two, 0).Live(t.Context()); backend.KindOf(err) != backend.KindUnavailable {
			t.Errorf("alive are %v where %s fails: %v", live, r.fails, err)
		}
	}
	r.fails = ""
	if live, err := saw(one, two, 0).Live(t.Context()); len(live) != 1 || err != nil {
		t.Errorf("alive are %v: %v", live, err)
	}
}

func TestHeartbeatWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.joins("one")
	r.put = func(next func() error) error {
		return errors.Join(next(), &backend.Error{Op: "test", Kind: backend.KindUnavailable})
	}
	if err := one.Beat(t.Context()); err == nil {
		t.Error("the answer was not lost")
	}
	if err := one.Notify(t.Context()); err != nil { // finds its own heartbeat
		t.Error(err)
	}
	if all, err := one.Workers(t.Context()); err != nil || all[0].Counter != 3 || all[0].Notify != 1 {
		t.Errorf("the item is %+v: %v", all, err)
	}
}

// TestNotificationThatFails is made up for by the next heartbeat.
func TestNotificationThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.joins("one")
	r.fails = "Put"
	if err := one.Notify(t.Context()); backend.KindOf(err) != backend.KindUnavailable {
		t.Errorf("error is %v", err)
	}
	r.fails = ""
	for range 2 {
		if err := one.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all, err := one.Workers(t.Context()); err != nil || len(all) != 1 || all[0].Notify != 1 {
			t.Errorf("the heartbeats are %+v: %v", all, err)
		}
	}
}

func TestElect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.joins("one"), r.joins("two")
	elect := func(h *Heartbeat, live ...Worker) *LeaderLock {
		t.Helper()
		lock, err := h.Elect(t.Context(), live, r.loop(), r.loop())
		if err != nil {
			t.Fatal(err)
		}
		return lock
	}
	lock := elect(one, one.item, two.item)
	if lock == nil {
		t.Fatal("nobody leads")
	}
	if elect(two, two.item, one.item) != nil {
		t.Error("a live session's lock was acquired")
	}
	next := elect(two, two.item) // one is not alive
	if next == nil {
		t.Fatal("a dead session's lock was not acquired")
	}
	if err := lock.renew(t.Context(), nil); !errors.Is(err, ErrNotLeader) {
		t.Errorf("the old leader renews its lock: %v", err)
	}
	if err := next.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := elect(one, one.item, two.item)
	if l, err := one.Leader(t.Context()); third == nil || err != nil || l.Epoch != 3 || l.Owner != one.Self {
		t.Errorf("after the release the leader is %+v: %v", l, err)
	}
	said := one.item
	said.Leads = true
	if elect(two, two.item, said) != nil {
		t.Error("somebody says that it leads")
	}
}
