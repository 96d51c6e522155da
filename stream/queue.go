package stream

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// queue holds shards until they are due, and works on a bounded number of them
// at once: an idle shard costs a place in a heap, and no goroutine.
type queue struct {
	mu   sync.Mutex
	due  byDue
	poke chan struct{} // something may be due earlier than was thought
}

// turn is a shard's place in the queue, which guards it.
type turn struct {
	at    time.Time
	index int  // in the heap; -1: not there
	busy  bool // it is being worked on
	again bool // it was woken meanwhile
}

func newQueue() *queue { return &queue{poke: make(chan struct{}, 1)} }

// add puts in a shard that is due at once.
func (q *queue) add(s *shard) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(s, time.Now())
}

func (q *queue) push(s *shard, at time.Time) {
	s.turn.at = at
	heap.Push(&q.due, s)
	signal(q.poke)
}

// wake makes a shard due at once, or again if it is being worked on.
func (q *queue) wake(s *shard) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hurry(s)
	signal(q.poke)
}

// wakeAll wakes every shard.
func (q *queue) wakeAll(shards []*shard) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range shards {
		q.hurry(s)
	}
	signal(q.poke)
}

func (q *queue) hurry(s *shard) {
	switch now := time.Now(); {
	case s.turn.busy:
		s.turn.again = true
	case s.turn.index >= 0 && s.turn.at.After(now):
		s.turn.at = now
		heap.Fix(&q.due, s.turn.index)
	}
}

// run works on what is due until ctx is done, on so many shards at once. Step
// returns how long the shard rests, or that it is done with. It returns once no
// step runs any more.
func (q *queue) run(ctx context.Context, atOnce int, step func(*shard) (rest time.Duration, more bool)) {
	slots := make(chan struct{}, atOnce)
	var steps sync.WaitGroup
	defer steps.Wait()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		s := q.next(ctx)
		if s == nil {
			return
		}
		steps.Go(func() {
			defer func() { <-slots }()
			rest, more := step(s)
			q.back(s, rest, more)
		})
	}
}

// next waits for a shard that is due; nil: ctx is done.
func (q *queue) next(ctx context.Context) *shard {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s, wait := q.pop()
		if s != nil {
			return s
		}
		timer.Reset(wait)
		select {
		case <-q.poke:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (q *queue) pop() (s *shard, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.due) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(q.due[0].turn.at); wait > 0 {
		return nil, wait
	}
	s = heap.Pop(&q.due).(*shard)
	s.turn.busy = true
	return s, 0
}

// back ends a step.
func (q *queue) back(s *shard, rest time.Duration, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := s.turn.again
	s.turn.busy, s.turn.again = false, false
	switch now := time.Now(); {
	case !more:
	case again:
		q.push(s, now)
	default:
		q.push(s, now.Add(rest))
	}
}

// byDue is a heap of shards, the first due first.
type byDue []*shard

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].turn.at.Before(h[j].turn.at) }

func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].turn.index, h[j].turn.index = i, j
}

func (h *byDue) Push(x any) {
	s := x.(*shard)
	s.turn.index = len(*h)
	*h = append(*h, s)
}

func (h *byDue) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	s.turn.index = -1
	return s
}
