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
// Only a bounded number of large conversations, whose moves take many calls one
// after the other, is worked on at once: however many of them there are, other
// workers are left for the small ones.
type lanes struct {
	ready *ready[*lane]

	mu      sync.Mutex
	byGroup map[string]*lane
	slots   int     // for large conversations, that are free
	queued  []*lane // large ones that wait for a slot
	closed  bool
}

// lane is one conversation with messages that are not projected yet.
type lane struct {
	group string

	// Of lanes, under its lock.
	arrived []*message
	timer   *time.Timer // runs while the lane rests
	early   bool        // a new message ends the rest
	low     bool        // ready, and comes after the lanes with records of the stream
	large   bool        // known to be large
	slotted bool        // has one of the large slots

	// Of the worker that processes it.
	held     []*message // arrived and not projected
	failures int        // in a row
	suspects int        // of held, the first ones: those that failed together
}

func newLanes(large int) *lanes {
	return &lanes{ready: newReady[*lane](), byGroup: map[string]*lane{}, slots: large}
}

// add takes in messages, all at once so that a page is folded as a whole.
func (ls *lanes) add(messages []*message) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var woken []*lane
	for _, m := range messages {
		l, ok := ls.byGroup[m.GroupUUID]
		if !ok {
			l = &lane{group: m.GroupUUID}
			ls.byGroup[l.group] = l
			woken = append(woken, l)
		}
		l.arrived = append(l.arrived, m)
		switch {
		case l.timer != nil && l.early && l.timer.Stop():
			l.timer = nil
			woken = append(woken, l)
		case l.low && m.live():
			l.low = false
			ls.ready.promote(l)
		}
	}
	for _, l := range woken {
		ls.queue(l)
	}
}

// queue makes a lane ready to be processed: after those with records of the stream
// if it has nothing but messages of the log.
func (ls *lanes) queue(l *lane) {
	if slices.ContainsFunc(l.held, (*message).live) || slices.ContainsFunc(l.arrived, (*message).live) {
		ls.ready.push(l)
		return
	}
	l.low = true
	ls.ready.pushLow(l)
}

// take begins to process a lane; false: it waits for a large slot first, and is
// ready again once it has one.
func (ls *lanes) take(l *lane) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.low = false
	if l.large && !ls.slot(l) {
		ls.queued = append(ls.queued, l)
		return false
	}
	l.held = append(l.held, l.arrived...)
	l.arrived = nil
	return true
}

// enlarge notes that a conversation that is being processed is large; false: there
// is no slot for it, and it has to wait.
func (ls *lanes) enlarge(l *lane) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.large = true
	return ls.slot(l)
}

func (ls *lanes) slot(l *lane) bool {
	if !l.slotted && ls.slots > 0 {
		ls.slots--
		l.slotted = true
	}
	return l.slotted
}

// leave hands a slot on to the one that has waited longest.
func (ls *lanes) leave(l *lane) {
	if !l.slotted {
		return
	}
	l.slotted = false
	if len(ls.queued) == 0 {
		ls.slots++
		return
	}
	next := ls.queued[0]
	ls.queued = ls.queued[1:]
	next.slotted = true
	ls.queue(next)
}

// rest ends the processing of a lane: it is ready again after a pause, sooner if
// early and a new message arrives, and never if nothing is left to do.
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

// close makes no lane ready any more.
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
