package shard

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/postroom/postroom/internal/retry"
)

// Queue is the schedule of the shards: it holds them until they are due, and works
// on a bounded number of them at once. It is one heap and not a timer for each
// shard: a timer that fires costs a goroutine, and 2,000 idle shards took four
// times the memory.
type Queue struct {
	mu   sync.Mutex
	due  byDue
	poke chan struct{} // something may be due earlier than the queue expects
}

// schedule is a shard's entry in the queue, which guards it.
type schedule struct {
	at    time.Time
	index int  // in the heap; -1: not there
	busy  bool // it is being worked on
	again bool // it was woken meanwhile
}

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{poke: make(chan struct{}, 1)} }

// Add puts in a shard that is due at once.
func (q *Queue) Add(s *Shard) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(s, time.Now())
}

func (q *Queue) push(s *Shard, at time.Time) {
	s.schedule.at = at
	heap.Push(&q.due, s)
	retry.Wake(q.poke)
}

// Wake makes shards due at once, or again where they are being worked on.
func (q *Queue) Wake(shards ...*Shard) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, s := range shards {
		switch {
		case s.schedule.busy:
			s.schedule.again = true
		case s.schedule.index >= 0 && s.schedule.at.After(now):
			s.schedule.at = now
			heap.Fix(&q.due, s.schedule.index)
		}
	}
	retry.Wake(q.poke)
}

// Run works on the shards that are due until ctx is done, on atOnce of them at a
// time. Step returns how long the shard rests, or that it leaves the queue. Run
// returns once no step runs any more.
func (q *Queue) Run(ctx context.Context, atOnce int, step func(*Shard) (rest time.Duration, more bool)) {
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
func (q *Queue) next(ctx context.Context) *Shard {
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

func (q *Queue) pop() (s *Shard, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.due) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(q.due[0].schedule.at); wait > 0 {
		return nil, wait
	}
	s = heap.Pop(&q.due).(*Shard)
	s.schedule.busy = true
	return s, 0
}

// back ends a step.
func (q *Queue) back(s *Shard, rest time.Duration, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := s.schedule.again
	s.schedule.busy, s.schedule.again = false, false
	switch now := time.Now(); {
	case !more:
	case again:
		q.push(s, now)
	default:
		q.push(s, now.Add(rest))
	}
}

// byDue is a heap of shards, the first due first.
type byDue []*Shard

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].schedule.at.Before(h[j].schedule.at) }

func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].schedule.index, h[j].schedule.index = i, j
}

func (h *byDue) Push(x any) {
	s := x.(*Shard)
	s.schedule.index = len(*h)
	*h = append(*h, s)
}

func (h *byDue) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	s.schedule.index = -1
	return s
}
