package replay

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

var seeds = flag.Int("seeds", 20, "how many random runs to make")

// TestReplayKilledAndResumed: whatever dies, freezes, or loses an answer, in whatever
// order, each message is replayed, and counted once. What is replayed again is bounded by
// what was done since the last write, and by what was in flight.
func TestReplayKilledAndResumed(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) { killAndResume(t, r, rand.New(rand.NewPCG(uint64(seed), 0))) })
		})
	}
}

func killAndResume(t *testing.T, r *rig, rng *rand.Rand) {
	var want []postroom.Message
	groups := 1 + rng.IntN(300)
	for n := range 1500 {
		m := r.post(rng.IntN(groups), n)
		if !m.CreatedAt.Before(start.Add(time.Hour)) && m.CreatedAt.Before(start.Add(20*time.Hour)) {
			want = append(want, m)
		}
	}
	perSecond := 20 + rng.IntN(200)
	r.create(func(d *Definition) {
		d.End, d.Rate = start.Add(20*time.Hour), perSecond
		if rng.IntN(2) == 0 {
			for group := range min(groups, MaxChosen) {
				d.Groups = append(d.Groups, id(group))
			}
		}
	})
	if groups > MaxChosen && len(r.load().Groups) > 0 {
		want = distinctIn(r, r.load().Groups)
	}
	var running sync.WaitGroup
	kills := 0
	for r.load().State != Done {
		w := &worker{rig: r, delay: delays(rng)}
		w.call = faults(rng, 20)
		ctx, stop := context.WithCancel(t.Context())
		running.Go(func() {
			if err := w.run(ctx, "one"); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		alone, dies := rng.IntN(2) == 0, rng.IntN(4) > 0 // otherwise it stops in good order
		kill := func() {
			w.mu.Lock()
			w.dead = dies
			w.mu.Unlock()
			stop()
		}
		if alone {
			time.Sleep(time.Duration(rng.IntN(20_000)) * time.Millisecond)
			kill()
		} else {
			running.Go(func() {
				time.Sleep(20 * time.Second)
				kill()
			})
			time.Sleep(time.Duration(rng.IntN(10_000)) * time.Millisecond)
		}
		kills++
	}
	running.Wait()
	r.wantDone(want)
	again := 0
	for _, n := range r.submitted {
		again += n - 1
	}
	if most := kills * (2*perSecond*int(stale/time.Second) + 2_000); again > most {
		t.Errorf("%d messages were submitted again in %d runs, at %d a second", again, kills, perSecond)
	}
}

// distinctIn returns the messages of conversations that are in the range.
func distinctIn(r *rig, groups []string) (all []postroom.Message) {
	in := map[string]bool{}
	for _, group := range groups {
		in[group] = true
	}
	one := r.load()
	for _, it := range r.store.Items("t") {
		if m, err := postroom.MessageFromItem(it); err == nil && in[m.GroupUUID] && one.covers(m.CreatedAt) {
			all = append(all, m)
		}
	}
	return all
}

// delays are those of processing messages: now and then one takes long.
func delays(rng *rand.Rand) func() time.Duration {
	seed := rng.Uint64()
	var mu sync.Mutex
	own := rand.New(rand.NewPCG(seed, 1))
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		if own.IntN(500) == 0 {
			return time.Duration(1+own.IntN(4000)) * time.Millisecond
		}
		return time.Duration(1+own.IntN(20)) * time.Millisecond
	}
}

// faults freeze the worker in three of so many calls of the control table, for longer than
// it takes another to take over, before the call or after it, or lose its answer.
func faults(rng *rand.Rand, one int) func(*backend.TableCall, func(context.Context) error) error {
	seed := rng.Uint64()
	var mu sync.Mutex
	own := rand.New(rand.NewPCG(seed, 2))
	draw := func() (int, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		return own.IntN(one), time.Duration(own.IntN(12_000)) * time.Millisecond
	}
	return func(_ *backend.TableCall, next func(context.Context) error) error {
		switch kind, length := draw(); kind {
		case 0: // frozen before
			time.Sleep(length)
			return next(context.Background())
		case 1: // the answer comes late
			err := next(context.Background())
			time.Sleep(length)
			return err
		case 2: // the answer is lost
			_ = next(context.Background())
			return &backend.Error{Op: "call", Kind: backend.KindUnavailable}
		}
		return next(context.Background())
	}
}
