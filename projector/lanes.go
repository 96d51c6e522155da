package projector

import (
	"slices"
	"sync"
	"time"
)

// lanes hold the messages of each conversation until they are projected. A
// conversation is worked on by one worker at a time; what arrives meanwhile is
// folded into its next move.
//
// Large conversations, whose moves take many calls one after the other, are
// worked on a bounded number at once: however many of them there are, other
// workers are left for the small ones.
type lanes struct {
	ready *ready[*lane]

	mu      sync.Mutex
	byGroup map[string]*lane
	places  int     // for large conversations, that are free
	queued  []*lane // large ones that wait for a place
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
	large   bool        // known to be large
	placed  bool        // has one of the places for those

	// Of the worker whose turn it is.
	held     []*entry // arrived and not projected
	failures int      // turns that failed, in a row
	baffled  int      // of them, those for a reason that no rule knows
	suspects int      // of held, the first ones: those that failed together
}

func newLanes(large int) *lanes {
	return &lanes{ready: newReady[*lane](), byGroup: map[string]*lane{}, places: large}
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

// take begins a worker's turn on a lane; false: it waits for a place first, and
// is ready again once it has one.
func (ls *lanes) take(l *lane) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.behind = false
	if l.large && !ls.place(l) {
		ls.queued = append(ls.queued, l)
		return false
	}
	l.held = append(l.held, l.arrived...)
	l.arrived = nil
	return true
}

// enlarge says in a turn that the conversation is large; false: there is no
// place for it, and the turn is over.
func (ls *lanes) enlarge(l *lane) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.large = true
	return ls.place(l)
}

func (ls *lanes) place(l *lane) bool {
	if !l.placed && ls.places > 0 {
		ls.places--
		l.placed = true
	}
	return l.placed
}

// leave hands a place on to the one that has waited longest.
func (ls *lanes) leave(l *lane) {
	if !l.placed {
		return
	}
	l.placed = false
	if len(ls.queued) == 0 {
		ls.places++
		return
	}
	next := ls.queued[0]
	ls.queued = ls.queued[1:]
	next.placed = true
	ls.queue(next)
}

// rest ends a turn: the lane's next one comes after a pause, sooner if early
// and a new message arrives, and never if nothing is left to do.
func (ls *lanes) rest(l *lane, wait time.Duration, early bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.leave(l)
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
