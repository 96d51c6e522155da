package projector

import (
	"slices"
	"sync"
	"time"
)

// lanes hold the messages of each conversation until they are projected. A
// conversation is worked on by one worker at a time; what arrives meanwhile is
// folded into its next move.
type lanes struct {
	ready *ready[*lane]

	mu      sync.Mutex
	byGroup map[string]*lane
	closed  bool
}

// lane is one conversation with messages that are not projected yet.
type lane struct {
	group string

	// Of lanes, under its lock.
	arrived []*entry
	timer   *time.Timer // runs while the lane rests
	early   bool        // a new message ends the rest
	behind  bool        // waits for its turn behind those of the stream

	// Of the worker whose turn it is.
	held     []*entry // arrived and not projected
	failures int      // turns that failed, in a row
	alone    int      // messages to be projected one by one, to find the one that fails
}

func newLanes() *lanes {
	return &lanes{ready: newReady[*lane](), byGroup: map[string]*lane{}}
}

// add takes in messages, all at once so that a page is folded as a whole.
func (ls *lanes) add(entries []*entry) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var woken []*lane
	for _, e := range entries {
		l, ok := ls.byGroup[e.message.GroupUUID]
		if !ok {
			l = &lane{group: e.message.GroupUUID}
			ls.byGroup[l.group] = l
			woken = append(woken, l)
		}
		l.arrived = append(l.arrived, e)
		switch {
		case l.timer != nil && l.early && l.timer.Stop():
			l.timer = nil
			woken = append(woken, l)
		case l.behind && !e.recovered():
			l.behind = false
			ls.ready.promote(l)
		}
	}
	for _, l := range woken {
		ls.queue(l)
	}
}

// queue lets a lane wait for its turn: behind those with records of the stream
// if it has nothing but messages of the log.
func (ls *lanes) queue(l *lane) {
	live := func(e *entry) bool { return !e.recovered() }
	if slices.ContainsFunc(l.held, live) || slices.ContainsFunc(l.arrived, live) {
		ls.ready.push(l)
		return
	}
	l.behind = true
	ls.ready.pushBehind(l)
}

// take begins a worker's turn on a lane.
func (ls *lanes) take(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.held = append(l.held, l.arrived...)
	l.arrived, l.behind = nil, false
}

// rest ends a turn: the lane's next one comes after a pause, sooner if early
// and a new message arrives, and never if nothing is left to do.
func (ls *lanes) rest(l *lane, wait time.Duration, early bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	switch {
	case len(l.arrived)+len(l.held) == 0:
		delete(ls.byGroup, l.group)
	case ls.closed:
	case wait <= 0 || (early && len(l.arrived) > 0):
		ls.queue(l)
	default:
		l.early = early
		l.timer = time.AfterFunc(wait, func() { ls.wake(l) })
	}
}

func (ls *lanes) wake(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.timer = nil
	ls.queue(l)
}

// close ends all turns to come.
func (ls *lanes) close() {
	ls.ready.close()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
	for _, l := range ls.byGroup {
		if l.timer != nil {
			l.timer.Stop()
		}
	}
}
