package consumer

// lane is the messages of one group, handled one after the other. A message
// without a group has a lane of its own.
type lane struct {
	key     string
	waiting []*held
	busy    bool // one is being handled
}

// enqueue puts m at the end of its lane.
func (h *hand) enqueue(m *held) {
	key := m.GroupID
	if key == "" {
		key = "\x00" + m.MessageID // no group has this character in its name
	}
	m.lane = h.lanes[key]
	if m.lane == nil {
		m.lane = &lane{key: key}
		h.lanes[key] = m.lane
	}
	m.state = waiting
	m.lane.waiting = append(m.lane.waiting, m)
	if !m.lane.busy && len(m.lane.waiting) == 1 {
		h.makeReady(m.lane)
	}
}

func (h *hand) makeReady(l *lane) {
	h.ready = append(h.ready, l)
	h.work.Signal()
}

// take begins the first message of the lane that has been ready for longest.
func (h *hand) take() *held {
	l := h.ready[0]
	h.ready[0] = nil
	h.ready = h.ready[1:]
	m := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	l.busy = true
	m.state = handling
	return m
}

// free lets a lane go on after one of its messages.
func (h *hand) free(l *lane) {
	l.busy = false
	if len(l.waiting) > 0 {
		h.makeReady(l)
		return
	}
	delete(h.lanes, l.key)
}

// giveBackLane gives back what waits in a lane, in order.
func (h *hand) giveBackLane(l *lane) {
	for _, m := range l.waiting {
		h.acknowledge(m, fate{verdict: givenBack})
	}
	l.waiting = nil
}

// drain gives back what no handler has begun. After it next returns nothing.
func (h *hand) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for key, l := range h.lanes {
		h.giveBackLane(l)
		if !l.busy {
			delete(h.lanes, key)
		}
	}
	h.ready = nil
	h.work.Broadcast()
}
