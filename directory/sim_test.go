package directory_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/internal/sim"
)

var (
	seeds = flag.Int("seeds", 300, "how many seeds TestHandlesAreUnique runs")
	first = flag.Uint64("seed", 0, "the first seed of TestHandlesAreUnique")
)

// TestHandlesAreUnique runs programs that name few users by few handles, under a seeded
// schedule of crashes, frozen programs, conflicts, throttling and lost answers. Between any
// two calls each profile's handle must name it, and each handle a profile that has it; a
// program that was told so must find it so, unless somebody else was there since.
func TestHandlesAreUnique(t *testing.T) {
	t.Parallel()
	for n := range uint64(*seeds) {
		synctest.Test(t, func(t *testing.T) { newTown(t, *first+n).run() })
		if t.Failed() {
			t.Fatalf("repeat with -run %s -seed %d -seeds 1", t.Name(), *first+n)
		}
	}
}

// forgetful is a table that knows no tokens, as they are forgotten after ten minutes.
type forgetful struct{ backend.Table }

func (f forgetful) Transact(ctx context.Context, _ string, actions []backend.Action) (backend.Units, error) {
	return f.Table.Transact(ctx, uuid.NewString(), actions)
}

type town struct {
	t     *testing.T
	seed  uint64
	store *sim.Store
	sched *sim.Scheduler
	done  atomic.Int64 // programs
	left  atomic.Int64 // changes that are to be made
	lives sync.WaitGroup
}

func newTown(t *testing.T, seed uint64) *town {
	faults, _ := sim.Mix(seed)
	w := &town{t: t, seed: seed, store: sim.NewStore(seed), sched: sim.NewScheduler(seed, faults)}
	w.left.Store(60)
	return w
}

const programs = 4

func (w *town) run() {
	for i := range programs {
		w.begin(i, 0)
	}
	for w.done.Load() < programs && !w.t.Failed() {
		w.sched.Step()
		w.check()
	}
	w.sched.Free()
	if w.t.Failed() {
		w.left.Store(0)
	}
	for w.done.Load() < programs {
		w.sched.Step()
	}
	w.lives.Wait()
	w.check()
	if w.t.Failed() {
		w.t.Log(w.sched.History(80))
	}
}

func (w *town) check() {
	if what := inconsistency(w.store.Items("t")); what != "" {
		w.t.Errorf("seed %d: profiles (-) and handles (+) disagree:\n%s", w.seed, what)
	}
}

// begin starts a program, which is started again when it has died.
func (w *town) begin(i, life int) {
	ctx, kill := context.WithCancel(context.Background())
	worker := w.sched.Worker(fmt.Sprint(i, ".", life), w.store, kill)
	rng := rand.New(rand.NewPCG(w.seed, uint64(100*i+life)))
	w.lives.Go(func() {
		defer kill()
		table := worker.Table("t")
		if w.seed%2 == 0 {
			table = forgetful{table}
		}
		d := directory.New(table)
		for w.left.Add(-1) >= 0 {
			w.change(ctx, d, rng)
			time.Sleep(time.Duration(1 + rng.Int64N(int64(50*time.Millisecond))))
			if worker.Dead() {
				w.begin(i, life+1)
				return
			}
		}
		w.done.Add(1)
	})
}

// change makes one change. What has an answer must be true: the errors are those of others
// who were there before.
func (w *town) change(ctx context.Context, d *directory.Directory, rng *rand.Rand) {
	user := []string{ada, bob, chloe}[rng.IntN(3)]
	handle := []string{"a", "A", "b", "c"}[rng.IntN(4)]
	var p directory.Profile
	var err error
	switch rng.IntN(6) {
	case 0:
		p, err = d.Add(ctx, directory.Profile{UserUUID: user, DisplayName: "N", Handle: handle})
	case 1:
		handle = ""
		p, err = d.Put(ctx, directory.Profile{UserUUID: user, DisplayName: "N"})
	case 2:
		p, err = d.Put(ctx, directory.Profile{UserUUID: user, DisplayName: fmt.Sprint("N", rng.IntN(9)), Handle: handle})
	case 3:
		if p, err := d.ByHandle(ctx, handle); err == nil && (p.Handle == "" || p.Handle[0]|0x20 != handle[0]|0x20) {
			w.t.Errorf("handle %s is that of %+v", handle, p)
		}
		return
	default:
		p, err = d.Rename(ctx, user, directory.Names{Handle: handle})
	}
	switch {
	case err == nil && (p.UserUUID != user || p.Handle != handle):
		w.t.Errorf("user %s, handle %q: became %+v", user, handle, p)
	case err == nil, errors.Is(err, directory.ErrTaken), errors.Is(err, directory.ErrExists), errors.Is(err, directory.ErrNotFound):
	case ctx.Err() != nil, backend.Retryable(err), backend.KindOf(err) == backend.KindConditionFailed:
	default:
		w.t.Errorf("user %s, handle %q: %v", user, handle, err)
	}
}
