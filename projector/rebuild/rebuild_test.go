package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/sim"
)

func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// rig is a log of conversations, of which nothing is projected.
type rig struct {
	t     *testing.T
	store *sim.Store
	calls atomic.Int64 // of the log's table
}

const conversations = 40

func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, store: sim.NewStore(1)}
		for n := range conversations {
			r.post(n, 3)
		}
		test(t, r)
	})
}

// post posts messages of a conversation of two.
func (r *rig) post(n, messages int) {
	r.t.Helper()
	for i := range messages {
		m := postroom.Message{
			GroupUUID: id(n), MessageUUID: id(n*1000 + i), UserUUID: id(5000 + n), DisplayName: "Ann", Handle: "@ann", Text: "Lunch?",
			CreatedAt: time.Date(2000, 1, 1, 0, 0, i, 0, time.UTC),
		}
		if i == 0 {
			m.Members = []postroom.Member{
				{UserUUID: m.UserUUID, DisplayName: "Ann", Handle: "@ann"}, {UserUUID: id(9000 + n), DisplayName: "Bob", Handle: "@bob"},
			}
		}
		if _, err := r.store.Table("t").Put(r.t.Context(), m.Item(), backend.Condition{}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// worker is a new one; calls of the control table pass through hook, unless it is nil.
func (r *rig) worker(name string, hook backend.TableInterceptor) *Rebuilder {
	control := r.store.Table("control")
	if hook != nil {
		control = backend.Intercept(control, hook)
	}
	logger := slog.New(slog.DiscardHandler)
	log := backend.Intercept(r.store.Table("t"), func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
		r.calls.Add(1)
		return next(ctx)
	})
	return New(Config{Log: log, Control: control, Worker: name, Now: time.Now, Incidents: incident.NewLog(logger), Logger: logger})
}

// lead has a worker lead until stop is called, which waits for its end.
func (r *rig) lead(w *Rebuilder) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Lead(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rig) start(rate int) Job {
	r.t.Helper()
	j, err := Start(r.t.Context(), r.store.Table("control"), Scope{}, rate, 6*conversations)
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

// job is a rebuild as it is now.
func (r *rig) job(id string) Job {
	r.t.Helper()
	all, damaged, err := Read(r.t.Context(), r.store.Table("control"))
	if err != nil || len(damaged) > 0 {
		r.t.Fatal(err, damaged)
	}
	for _, j := range all {
		if j.ID == id {
			return j
		}
	}
	r.t.Fatalf("rebuild %s is not there", id)
	return Job{}
}

// await waits until a rebuild has ended.
func (r *rig) await(id string) Job {
	r.t.Helper()
	for range 1000 {
		if j := r.job(id); j.State != Running {
			return j
		}
		time.Sleep(time.Second)
	}
	r.t.Fatalf("rebuild %s does not end: %+v", id, r.job(id))
	return Job{}
}

// projected has everything rebuilt in one go, and returns what is there then.
func (r *rig) projected() map[backend.Key]backend.Item {
	r.t.Helper()
	stop := r.lead(r.worker("first", nil))
	j := r.await(r.start(MaxRate).ID)
	stop()
	if j.Counts.Changed != conversations {
		r.t.Fatalf("%+v", j)
	}
	return r.items()
}

// items is what the table holds, without the times of moves.
func (r *rig) items() map[backend.Key]backend.Item {
	all := map[backend.Key]backend.Item{}
	for _, it := range r.store.Items("t") {
		it = maps.Clone(it)
		delete(it, "moved_at")
		delete(it, "moved_by")
		all[backend.KeyOf(it)] = it
	}
	return all
}

// unproject removes the heads and rows of some conversations.
func (r *rig) unproject() {
	r.t.Helper()
	for key := range r.items() {
		if !isMessage(key) && (strings.HasSuffix(key.SK, id(3)) || key.PK == id(3) || strings.HasSuffix(key.SK, id(7))) {
			if _, _, err := r.store.Table("t").BatchWrite(r.t.Context(), []backend.Write{{Delete: key}}); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

var sameItems = cmp.Comparer(func(a, b backend.Item) bool {
	x, _ := backend.EncodeItem(a)
	y, _ := backend.EncodeItem(b)
	return string(x) == string(y)
})

// TestKilledAndResumed ten times at random moments, the result is the same as in one go,
// and nothing is counted twice.
func TestKilledAndResumed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := r.projected()
		for seed := range uint64(20) {
			r.unproject()
			rng := rand.New(rand.NewPCG(seed, 0))
			j := r.start(20)
			for n := range 10 {
				var dead atomic.Bool
				stop := r.lead(r.worker(fmt.Sprint("w", n), func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
					if dead.Load() {
						return &backend.Error{Kind: backend.KindUnavailable}
					}
					return next(ctx)
				}))
				time.Sleep(takeover + time.Duration(rng.Int64N(int64(8*time.Second))))
				dead.Store(true)
				stop()
			}
			stop := r.lead(r.worker("last", nil))
			j = r.await(j.ID)
			stop()
			if diff := cmp.Diff(want, r.items(), sameItems); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			// Rows that are put meanwhile come by or not.
			if c := j.Counts; c.Failed != 0 || c.Conversations != conversations || int(c.Read) > len(want) || int(c.Read) < len(want)-6 {
				t.Fatalf("seed %d: %+v, with %d items", seed, j, len(want))
			}
		}
	})
}

// TestTwoWorkersAtOnce: the one that was first does it, and the other leaves it alone.
func TestTwoWorkersAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := r.projected()
		j := r.start(20)
		all := map[string]*Rebuilder{"a": r.worker("a", nil), "b": r.worker("b", nil)}
		defer r.lead(all["a"])()
		defer r.lead(all["b"])()
		workers := map[string]bool{}
		for range 100 {
			time.Sleep(50 * time.Millisecond)
			workers[r.job(j.ID).Worker] = true
		}
		delete(workers, "")     // nobody yet
		for name := range all { // the alarm waits for progress of each that says so
			if _, idle := all[name].IdleSince(true); idle || (all[name].Stats().Open == 1) != workers[name] {
				t.Errorf("%s, of those at work %v, says %+v", name, workers, all[name].Stats())
			}
		}
		j = r.await(j.ID)
		if len(workers) != 1 || !workers[j.Worker] || int(j.Counts.Read) != len(want) || j.Counts.Changed != 0 {
			t.Errorf("carried out by %v, done as %+v", workers, j)
		}
	})
}

// TestWorkerThatIsStopped leaves the rebuild to the next one, with all of its progress.
func TestWorkerThatIsStopped(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := r.projected()
		j := r.start(20)
		stop := r.lead(r.worker("a", nil))
		time.Sleep(5*time.Second + saveInterval/2)
		stop()
		left := r.job(j.ID)
		defer r.lead(r.worker("b", nil))()
		time.Sleep(saveInterval / 2)
		if now := r.job(j.ID); left.Worker != "" || left.Worked < 5*time.Second || left.Counts.Read == 0 || now.Worker != "b" {
			t.Errorf("left as %+v, half a second later %+v", left, now)
		}
		if j = r.await(j.ID); int(j.Counts.Read) != len(want) {
			t.Errorf("%+v, with %d items", j, len(want))
		}
	})
}

// TestFrozenWorker: another one goes on after a while, and what the frozen one writes
// when it wakes up is refused.
func TestFrozenWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := r.projected()
		j := r.start(20)
		var frozen atomic.Bool
		woken := make(chan error, 1)
		a := r.worker("a", func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
			if call.Op != "Put" || !frozen.CompareAndSwap(true, false) {
				return next(ctx)
			}
			time.Sleep(10 * time.Second)
			err := next(ctx)
			woken <- err
			return err
		})
		defer r.lead(a)()
		time.Sleep(5 * time.Second)
		frozen.Store(true)
		defer r.lead(r.worker("b", nil))()
		time.Sleep(2 * time.Second)
		if j := r.job(j.ID); j.Worker != "a" {
			t.Errorf("after 2 s it is %s's", j.Worker)
		}
		if err := <-woken; backend.KindOf(err) != backend.KindConditionFailed {
			t.Errorf("the frozen worker's write: %v", err)
		}
		if j = r.await(j.ID); j.Worker != "b" || int(j.Counts.Read) != len(want) {
			t.Errorf("%+v, with %d items", j, len(want))
		}
	})
}

// TestStopAndResume: a rebuild that is stopped stops within two seconds, and goes on
// where it was, at another rate, of which the worker learns.
func TestStopAndResume(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := r.projected()
		control := r.store.Table("control")
		defer r.lead(r.worker("a", nil))()
		j := r.start(10)
		time.Sleep(10 * time.Second)
		if _, err := Stop(t.Context(), control, j.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		stopped, calls := r.job(j.ID), r.calls.Load()
		time.Sleep(time.Minute)
		if now := r.job(j.ID); !cmp.Equal(stopped.Counts, now.Counts) || now.State != Stopped || r.calls.Load() != calls || now.Counts.Read == 0 {
			t.Errorf("stopped: %+v; a minute later, with %d calls: %+v", stopped, r.calls.Load()-calls, now)
		}
		if _, err := Resume(t.Context(), control, j.ID, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if _, err := Resume(t.Context(), control, j.ID, 1000); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		j = r.job(j.ID)
		if j.State != Done || j.Rate != 1000 || int(j.Counts.Read) != len(want) || j.Worked > time.Minute {
			t.Errorf("%+v, with %d items", j, len(want))
		}
		for what, change := range map[string]func() (Job, error){
			"stop":   func() (Job, error) { return Stop(t.Context(), control, j.ID) },
			"resume": func() (Job, error) { return Resume(t.Context(), control, j.ID, 5) },
		} {
			if now, err := change(); err != nil || now.State != Done || now.Rate != 1000 {
				t.Errorf("%s of one that is done: %+v, %v", what, now, err)
			}
		}
		if _, err := Stop(t.Context(), control, "none"); !errors.As(err, new(*UnknownError)) {
			t.Error(err)
		}
	})
}

// TestPaceOfARebuild: as many units a second as were asked for, and the progress says so.
func TestPaceOfARebuild(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.projected()
		defer r.lead(r.worker("a", nil))()
		j := r.start(20)
		time.Sleep(10 * time.Second)
		half := r.job(j.ID)
		if u := half.UnitsPerSecond(); u < 15 || u > 25 || half.Left() == 0 || half.Counts.Read == 0 {
			t.Errorf("%.1f units a second, %v left: %+v", u, half.Left(), half)
		}
		j = r.await(j.ID)
		if u := j.UnitsPerSecond(); u < 18 || u > 22 || j.Left() != 0 {
			t.Errorf("%.1f units a second, %v left: %+v", u, j.Left(), j)
		}
		if left, was := half.Left(), j.EndedAt.Sub(half.UpdatedAt); left < was/2 || left > 2*was {
			t.Errorf("%v were left, it said %v", was, left)
		}
	})
}

// TestOneAfterTheOther, in the order in which they were asked for; of those that have
// ended the last twenty are kept, and a damaged one is left aside.
func TestOneAfterTheOther(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var ids []string
		for range kept + 5 {
			ids = append(ids, r.start(MaxRate).ID)
			time.Sleep(time.Millisecond)
		}
		broken := Job{ID: "broken"}.encode()
		if _, err := r.store.Table("control").Put(t.Context(), broken, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		a := r.worker("a", nil)
		stop := r.lead(a)
		time.Sleep(time.Minute)
		if d := a.Damaged(); len(d) != 1 || a.Stats().Open != 0 {
			t.Errorf("left aside are %v; %+v", d, a.Stats())
		}
		if m, err := Repair(broken); err != nil || m == nil || m.Put != nil {
			t.Errorf("repair: %v (%v)", m, err)
		}
		stop()
		r.start(1)
		all, damaged, err := Read(t.Context(), r.store.Table("control"))
		if err != nil || len(damaged) != 1 || len(all) != kept+1 {
			t.Fatalf("%d rebuilds, %v, %v", len(all), damaged, err)
		}
		for i, j := range all[:kept] {
			if j.ID != ids[i+5] || j.State != Done {
				t.Errorf("%d is %+v", i, j)
			}
		}
	})
}

func TestEstimate(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.projected()
		e, err := EstimateOf(t.Context(), r.store.Table("t"))
		want := Estimate{Items: 6 * conversations, Messages: 3 * conversations, Conversations: conversations, Rows: 2 * conversations, ScanUnits: e.ScanUnits, Units: e.Units}
		if e != want || err != nil || e.Units-e.ScanUnits != 8*conversations || e.ScanUnits < 1 || e.ScanUnits > 40 {
			t.Errorf("of a small table: %+v (%v), want %+v", e, err, want)
		}
		for n := conversations; n < 4000; n++ {
			r.post(n, 3)
		}
		e, err = EstimateOf(t.Context(), r.store.Table("t"))
		if err != nil || e.Messages < 8000 || e.Messages > 16_000 || e.Conversations*3 != e.Messages {
			t.Errorf("of a larger one: %+v (%v), want about 12,000 messages, three of each conversation", e, err)
		}
	})
}

// TestStartRefuses what cannot be carried out.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	store := sim.NewStore(1)
	many := make([]string, MaxTargets+1)
	for i := range many {
		many[i] = id(i)
	}
	for want, c := range map[string]struct {
		scope Scope
		rate  int
	}{
		"rate is 0":        {Scope{}, 0},
		"rate is 100001":   {Scope{}, MaxRate + 1},
		"exclude each":     {Scope{Groups: []string{id(1)}, Users: []string{id(1)}}, 1},
		"conversation: ":   {Scope{Groups: []string{"x"}}, 1},
		"users is 101":     {Scope{Users: many}, 1},
		"conversations is": {Scope{Groups: many}, 1},
	} {
		if _, err := Start(t.Context(), store.Table("control"), c.scope, c.rate, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if n := len(store.Items("control")); n > 0 {
		t.Errorf("%d items are there", n)
	}
}

// TestChangedIsCountedOnce of a conversation, in how many places rows of it are left over.
func TestChangedIsCountedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.projected()
		for _, it := range r.store.Items("t") {
			key := backend.KeyOf(it)
			if _, _, err := postroom.ParseRowKey(key.SK); err != nil || !strings.HasSuffix(key.SK, id(3)) {
				continue
			}
			for n := range 5 {
				row := maps.Clone(it)
				row["PK"] = item.String(postroom.InboxKey(id(7000 + n)))
				if _, err := r.store.Table("t").Put(t.Context(), row, backend.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		defer r.lead(r.worker("a", nil))()
		if j := r.await(r.start(MaxRate).ID); j.Counts.Changed != 1 {
			t.Errorf("%+v", j)
		}
	})
}
