package sim

import (
	"math/rand/v2"
	"time"
)

// Faults are the faults of the workers' calls. Chances are out of 1,000 for one call.
type Faults struct {
	Conflict  int // a transaction conflicts with another
	Throttle  int // the call is throttled
	Lost      int // the call is made, and its answer is lost
	Partial   int // a batch is carried out in part
	Crash     int // the worker dies before the call, or after it
	Freeze    int // the worker freezes for up to FreezeFor, in the middle of a call
	FreezeFor time.Duration
	Torn      int // a freeze or a crash at a transaction, which may be one of several
	Delay     int // the call takes up to DelayFor, even if its caller has given up
	DelayFor  time.Duration
	Outage    int // the queue is down for up to OutageFor
	OutageFor time.Duration
}

// StreamFaults are the faults of streams. The zero value means none: shards never
// end, pages are full, listings are true. Chances are out of 1,000, for one write
// (Roll), one shard (Late, Lingering) or one call.
type StreamFaults struct {
	Roll      int // the shard ends, and one or two children follow
	Late      int // a new shard is missing in listings for up to LateFor
	LateFor   time.Duration
	Lingering int // a shard that has ended is read without an end for up to LingerFor
	LingerFor time.Duration

	Short     int // a page of the listing holds two shards
	LostPage  int // a page of the listing comes back without its shards
	Loop      int // the listing's cursor goes back, once
	Filter    int // the listing of children fails, or lists none or all shards
	Few       int // a page of records is short, or empty
	Drought   int // a shard returns empty pages for up to DryFor
	DryFor    time.Duration
	Repeat    int // a page begins with records of an earlier page
	Expire    int // the iterator has expired
	FalseTrim int // an iterator of an earlier page is reported as trimmed
	// OldGone says that a stream's records are gone once the table has a new stream.
	OldGone bool
}

// Mix draws the faults of one seed: each with a strength of its own, many not at all,
// and sometimes no faults, since one fault can hide the effect of another.
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
