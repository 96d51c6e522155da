package consumer

// lane is the messages of one group, handled one after the other. A message
// without a group has a lane of its own.
type lane struct {
	key     string
	waiting []*message
	busy    bool // one of its messages is being handled
}

// enqueue appends m to its lane.
func (f *inFlight) enqueue(m *message) {
	key := m.GroupID
	if key == "" {
		key = "\x00" + m.MessageID // no group has this character in its name
	}
	m.lane = f.lanes[key]
	if m.lane == nil {
		m.lane = &lane{key: key}
		f.lanes[key] = m.lane
	}
	m.state = waiting
	m.lane.waiting = append(m.lane.waiting, m)
	if !m.lane.busy && len(m.lane.waiting) == 1 {
		f.makeReady(m.lane)
	}
}

func (f *inFlight) makeReady(l *lane) {
	f.ready = append(f.ready, l)
	f.work.Signal()
}

// dequeue takes the first message of the lane that has been ready for longest.
func (f *inFlight) dequeue() *message {
	l := f.ready[0]
	f.ready[0] = nil
	f.ready = f.ready[1:]
	m := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	l.busy = true
	m.state = handling
	return m
}

// advance lets a lane go on after one of its messages.
func (f *inFlight) advance(l *lane) {
	l.busy = false
	if len(l.waiting) > 0 {
		f.makeReady(l)
		return
	}
	delete(f.lanes, l.key)
}

// releaseLane releases the messages that wait in a lane, in order.
func (f *inFlight) releaseLane(l *lane) {
	for _, m := range l.waiting {
		f.decide(m, disposition{action: released})
	}
	l.waiting = nil
}

// drain releases every message that no handler has begun. From then on next
// returns nil.
func (f *inFlight) drain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.draining = true
	for key, l := range f.lanes {
		f.releaseLane(l)
		if !l.busy {
			delete(f.lanes, key)
		}
	}
	f.ready = nil
	f.work.Broadcast()
}
