package projector

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/postroom/postroom/internal/trouble"
)

const (
	// growEvery is how often one more call may be under way, while calls
	// succeed: from one to 32 within seven seconds.
	growEvery = 200 * time.Millisecond
	// leastCalls is how few calls there are at once under any pressure: a single
	// one, which rests for fifteen times as long as it took.
	leastCalls = 1.0 / 16
	// leastCall is what a call counts as taking, at least; mostRest is how long
	// it rests at most.
	leastCall = time.Millisecond
	mostRest  = time.Second
	// cutEvery is how often one conversation may halve the bound.
	cutEvery = 10 * time.Second
)

// pressure bounds how many calls of a table are under way at once, by what the
// table bears: a call that is throttled halves the bound, calls that succeed
// raise it one by one. Below one call at once there is one, and it rests
// afterwards, so that it is at work for that share of the time.
//
// A single partition that is hot, which is a conversation that too much is
// written to, says little about the table: each conversation halves the bound
// once in ten seconds at most, and backs off by itself otherwise. Where many are
// throttled that still brings it down as fast as it must; a few slow the others
// down a little, and never stop them: the pauses before a call is tried again
// hold no place here.
//
// It is safe for concurrent use. Waiting calls go ahead in their order.
type pressure struct {
	mu      sync.Mutex
	limit   float64
	most    float64
	busy    int
	waiting []chan struct{}
	cut     time.Time            // when the limit was halved last
	grown   time.Time            // when it was raised last
	cutBy   map[string]time.Time // who halved it within cutEvery
}

func newPressure(most int) *pressure {
	return &pressure{limit: float64(most), most: float64(most), cutBy: map[string]time.Time{}}
}

// do makes a call for a conversation, or whatever else says which partition it
// is about, when there is room for it.
func (p *pressure) do(ctx context.Context, who string, call func() (throttled bool, err error)) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	begun := time.Now()
	throttled, err := call()
	rest := p.learn(who, begun, throttled, err)
	if rest > 0 {
		_ = trouble.Sleep(ctx, rest, nil) // the call is over: who made it hears how it went
	}
	p.leave()
	return err
}

// enter waits for a place.
func (p *pressure) enter(ctx context.Context) error {
	p.mu.Lock()
	if p.room() && len(p.waiting) == 0 {
		p.busy++
		p.mu.Unlock()
		return nil
	}
	place := make(chan struct{})
	p.waiting = append(p.waiting, place)
	p.mu.Unlock()
	select {
	case <-place:
		return nil
	case <-ctx.Done():
		p.giveUp(place)
		return ctx.Err()
	}
}

func (p *pressure) giveUp(place chan struct{}) {
	p.mu.Lock()
	i := slices.Index(p.waiting, place)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it was given meanwhile
		p.leave()
	}
}

func (p *pressure) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.busy--; p.room() && len(p.waiting) > 0; p.busy++ {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
	}
}

// room reports whether one more call may be under way; there is always one.
func (p *pressure) room() bool { return float64(p.busy) < max(1, math.Floor(p.limit)) }

// learn takes in how a call went, and returns how long its place is to rest.
func (p *pressure) learn(who string, begun time.Time, throttled bool, err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case throttled:
		p.halve(who, begun, now)
	case err == nil && now.Sub(p.grown) >= growEvery:
		p.limit = min(p.most, p.limit+min(1, p.limit/4))
		p.grown = now
	}
	if p.limit >= 1 {
		return 0
	}
	took := max(now.Sub(begun), leastCall)
	return min(time.Duration(float64(took)*(1/p.limit-1)), mostRest)
}

func (p *pressure) halve(who string, begun, now time.Time) {
	if begun.Before(p.cut) {
		return // it was under way when the limit was halved: it says nothing new
	}
	maps.DeleteFunc(p.cutBy, func(_ string, at time.Time) bool { return now.Sub(at) >= cutEvery })
	if _, ok := p.cutBy[who]; ok {
		return
	}
	p.cutBy[who] = now
	p.limit = max(leastCalls, min(p.limit, float64(p.busy))/2)
	p.cut, p.grown = now, now
}
