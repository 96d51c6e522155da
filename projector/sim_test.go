package projector_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/internal/sim"
)

var (
	seeds = flag.Int("seeds", usualSeeds, "how many seeds TestSimulation runs; a quarter of them for TestRepairUnderFaults, an eighth for TestRebuildUnderFaults, a fortieth for TestViewsUnderFaults")
	first = flag.Uint64("seed", 0, "the first seed of TestSimulation")
)

// TestSimulation runs a group of three projectors, and now and then one that
// replays, on one table and stream under a seeded schedule of everything in
// internal/sim: crashes, frozen workers, conflicts, throttling, lost answers,
// partial batches, shards that roll and listings that lie, nights without
// anybody, a stream switched off and on, operators who take leases away or retry what
// is in quarantine. It
// checks the invariants of the design at every write and at the end. It covers
// P2, P3, P4, P6, P10, P11, P12, P16, P17, P20, S1, S2, S3, S4, S5, S6, S8, S9,
// S10, S13, S14, S18, S21, S24, S25.
func TestSimulation(t *testing.T) {
	const parallel = 4
	failfast := flag.Lookup("test.failfast").Value.String() == "true"
	var next atomic.Uint64 // seed after the first
	for part := range parallel {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if failfast && t.Failed() {
					next.Store(uint64(*seeds))
				}
			})
			for n := next.Add(1) - 1; n < uint64(*seeds); n = next.Add(1) - 1 {
				synctest.Test(t, func(t *testing.T) { newWorld(t, *first+n).run() })
			}
		})
	}
}

const (
	tableName = "t"
	queueName = "q.fifo"

	// enough is how many steps a seed takes after the last message was posted,
	// before its faults end; settled is how long nothing may happen at the end.
	enough  = 300
	settled = 3 * time.Second
	// endless is after how long without any fault all should have come right.
	endless = 10 * time.Minute
)

// world is one simulated table with its projectors.
type world struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	store *sim.Store
	sched *sim.Scheduler
	check *checker

	drafts []*draft // in the order of their arrival
	silent time.Time

	group   []*slot
	replays []*slot

	skew    time.Duration // how wrong clocks are at most
	nights  int           // that are left
	toggles int           // how often the stream may still be switched off or on
	meddled bool          // by operators
	repeats bool          // records come again
	vandal  *vandal       // nil: nobody damages the projection
	viewer  *viewer       // nil: there is only the default view
}

func newWorld(t *testing.T, seed uint64) *world {
	faults, streams := sim.Mix(seed)
	w := &world{
		t:     t,
		seed:  seed,
		rng:   rand.New(rand.NewPCG(seed, 0)),
		store: sim.NewStore(seed),
		sched: sim.NewScheduler(seed, faults),
	}
	w.store.Streams, w.repeats = streams, streams.Repeat > 0
	w.skew = time.Hour
	w.check = newChecker(w)
	w.store.OnWrite, w.store.OnSend = w.check.wrote, w.check.send
	switch w.rng.IntN(4) {
	case 0:
		w.nights, w.skew = 1+w.rng.IntN(3), time.Minute // what is lost is guessed by the clock
	case 1:
		w.toggles, w.skew = 1+w.rng.IntN(4), time.Minute
	case 2:
		w.meddled = w.rng.IntN(2) == 0
	}
	w.compose()
	return w
}

func (w *world) run() {
	if w.nights > 0 && w.rng.IntN(3) == 0 { // the table is older than the group
		w.leap(25*time.Hour, 50*time.Hour)
	}
	for _, name := range []string{"a", "b", "c"} {
		w.group = append(w.group, &slot{name: name, control: "control", back: w.soon(time.Second)})
	}
	for idle := 0; idle < enough && len(w.check.violations) == 0; {
		w.revive()
		w.sched.Step()
		w.postNow()
		w.happen()
		if len(w.drafts) == 0 {
			idle++
		}
	}
	w.settle()
	w.judge()
	w.end()
}

// settle ends all faults and waits until nothing happens any more.
func (w *world) settle() {
	w.sched.Free()
	w.store.Free()
	w.store.SwitchOn(tableName)
	since := time.Now()
	for len(w.check.violations) == 0 && (time.Since(since) < 2*settled || !w.repaired() || !w.viewed() || !w.idle() || !w.noticed()) {
		w.revive()
		w.sched.Step()
		if time.Since(since) > endless {
			w.check.violation("the projectors come to no end")
		}
	}
}

// soon is a time within d from now.
func (w *world) soon(d time.Duration) time.Time {
	return time.Now().Add(time.Duration(w.rng.Int64N(int64(d))))
}

func (w *world) fail(format string, args ...any) {
	test, _, _ := strings.Cut(w.t.Name(), "/")
	w.t.Errorf("%s\nrepeat with -run %s -seed %d -seeds 1; the last of its history:\n%s",
		fmt.Sprintf(format, args...), test, w.seed, w.sched.History(*lines))
}

var lines = flag.Int("history", 120, "how many lines of history TestSimulation prints of a failure")
