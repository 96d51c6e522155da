package sim

import (
	"math/rand/v2"
	"time"
)

// Faults of the calls of workers. Chances are out of 1,000 for one call.
type Faults struct {
	Conflict  int // a transaction meets another
	Throttle  int // nothing happens, the caller is told to slow down
	Lost      int // it happens, and the answer does not arrive
	Partial   int // a batch is done in part
	Crash     int // the worker dies before the call, or after it
	Freeze    int // the worker stands still for up to FreezeFor, in the middle of a call
	FreezeFor time.Duration
	Torn      int // the same and Crash, of a transaction, which may be one of several
	Delay     int // the call is under way for up to DelayFor, also when nobody waits any more
	DelayFor  time.Duration
	Outage    int // the queue answers nobody for up to OutageFor
	OutageFor time.Duration
}

// StreamFaults are how a stream behaves. The zero value is the best there is:
// shards that never end, full pages, true listings. Chances are out of 1,000,
// for one write (Roll), one shard (Late, Lingering) or one call.
type StreamFaults struct {
	Roll      int // the shard ends, and one or two children go on
	Late      int // is made, and missing in listings for up to LateFor
	LateFor   time.Duration
	Lingering int // has ended, and is read without an end for up to LingerFor
	LingerFor time.Duration

	Short     int // a page of the listing holds two shards
	LostPage  int // a page of the listing comes back without its shards
	Loop      int // the listing's cursor leads back, once
	Filter    int // the children are asked for, and something else is answered
	Few       int // a page of records is short, or empty
	Drought   int // a shard brings empty pages for up to DryFor
	DryFor    time.Duration
	Repeat    int // a page begins with records that came before
	Expire    int // the iterator has expired
	FalseTrim int // an iterator that was read from is said to be trimmed
	// OldGone says that what a stream held is gone once the table has a new one.
	OldGone bool
}

// Mix draws faults for one seed: each at its own strength, many not at all, and
// now and then none, since a fault can hide what another one shows.
func Mix(seed uint64) (Faults, StreamFaults) {
	rng := rand.New(rand.NewPCG(seed, 3))
	strength := 0 // nothing ever fails
	if rng.IntN(10) > 0 {
		strength = 1
	}
	upTo := func(most int) int {
		if rng.IntN(3) == 0 {
			return 0
		}
		return strength * rng.IntN(most+1)
	}
	f := Faults{
		Conflict: upTo(100), Throttle: upTo(40), Lost: upTo(60), Partial: upTo(300), Crash: upTo(15), Torn: upTo(100),
		Freeze: upTo(20), FreezeFor: 4 * time.Second, Delay: upTo(50), DelayFor: 2 * time.Second,
		Outage: upTo(10), OutageFor: 4 * time.Second,
	}
	s := StreamFaults{
		Roll: upTo(60), Late: upTo(500), LateFor: 5 * time.Second,
		Lingering: upTo(500), LingerFor: 5 * time.Second,
		Short: upTo(1000), LostPage: upTo(50), Loop: upTo(50), Filter: upTo(500),
		Few: upTo(1000), Drought: upTo(20), DryFor: 10 * time.Second,
		Repeat: upTo(50), Expire: upTo(30), FalseTrim: upTo(30),
		OldGone: rng.IntN(2) == 0,
	}
	return f, s
}
