package projector

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/projection"
)

const (
	// movesPerRow is how many moves a second a conversation of one row
	// could make, so one of N rows moves that often divided by N. A move writes two
	// index entries for each row, all under one key of the index, which takes
	// 1,000 write units a second; half of them are left for a replay beside it.
	// Source: DynamoDB developer guide, throughput of a partition.
	movesPerRow = 250

	// overtaken is how often in a row a condition may fail before that is logged.
	overtaken = 10

	memberPoll = 500 * time.Millisecond
)

// processLanes processes lanes until they are closed.
func (p *Projector) processLanes(ctx context.Context) {
	for {
		next := p.lanes.ready.pop(1)
		if len(next) == 0 {
			return
		}
		l := next[0]
		if !p.lanes.take(l) {
			continue
		}
		wait, early := p.process(ctx, l)
		p.lanes.rest(l, wait, early)
	}
}

// process brings a conversation as far as its messages go and says when to process
// what is still held: after wait, or early, once a new message arrives.
func (p *Projector) process(ctx context.Context, l *lane) (wait time.Duration, early bool) {
	wait, err := p.advance(ctx, l)
	if err == nil {
		p.processing.Succeeded(l.group)
		if l.suspects == 0 {
			l.failures = 0
		}
		return wait, true
	}
	p.cache.Forget(l.group)
	if ctx.Err() != nil {
		return memberPoll, false // stopping
	}
	l.failures++
	var damaged *projection.DamagedError
	var refused *projection.RefusedError
	switch {
	case errors.Is(err, projection.ErrNoMembers):
		l.failures = 0
		p.recordResult(ctx, l, p.quarantineLate(ctx, l))
		return memberPoll, true
	case is(err, backend.KindConditionFailed):
		// Of several reasons this comes first: what was loaded is void, and the other
		// reasons may be with it.
		// Another worker moved it: load it again, at once unless that goes on.
		if l.failures < 3 {
			return 0, false
		}
		if l.failures >= overtaken {
			p.recordResult(ctx, l, err)
		}
	case errors.As(err, &damaged):
		p.recordResult(ctx, l, p.quarantineThose(ctx, l, func(*message) bool { return true }, err))
	case errors.As(err, &refused):
		failed := p.bisect(ctx, l, err)
		p.recordResult(ctx, l, failed)
		if failed == nil {
			return 0, false
		}
	default: // no message is to blame
		p.recordResult(ctx, l, err)
	}
	return p.processing.Pause(l.failures), false
}

// recordResult tells the incident log how processing a lane ended.
func (p *Projector) recordResult(ctx context.Context, l *lane, err error) {
	if err != nil {
		p.processing.Failed(ctx, l.group, err)
	} else {
		p.processing.Succeeded(l.group)
	}
}

// advance enqueues the notifications of a lane's messages and moves its
// conversation to the newest of them.
func (p *Projector) advance(ctx context.Context, l *lane) (wait time.Duration, err error) {
	if len(l.held) == 0 {
		return 0, nil
	}
	p.adoptRetried(ctx, l)
	c, err := p.conversation(ctx, l)
	if err != nil {
		return 0, err
	}
	if !c.Certain() {
		if err := p.open(ctx, l, c); err != nil || !c.Certain() {
			return 0, err
		}
	}
	if err := p.quarantineUnfit(ctx, l, c); err != nil {
		return 0, err
	}
	if len(l.held) == 0 {
		return 0, nil
	}
	p.notifier.enqueue(c.Members, l.held)
	if p.waitsForSlot(l, c) {
		return 0, nil
	}
	if err := p.projection.Complete(ctx, c); err != nil {
		return 0, err
	}
	batch := l.held[:l.batch()]
	for _, m := range batch {
		if !c.Reached(m.Position()) {
			m.fresh = true
		}
	}
	if last := newest(batch); !c.Reached(last.Position()) {
		if wait := p.rest(c); wait > 0 {
			return wait, nil
		}
		if err := p.move(ctx, c, last); err != nil {
			return 0, err
		}
	}
	p.cache.Put(l.group, c, len(c.Members))
	l.passed(len(batch))
	for _, m := range batch {
		if m.retries == nil {
			p.quarantine.Processed(backend.Key{PK: m.GroupUUID, SK: m.Key()})
		}
		if m.live() {
			p.projected.Add(1)
		}
		if posted := m.posted(); m.fresh && !posted.IsZero() && !postroom.IsCanary(l.group) {
			p.visible.Since(posted, time.Now())
		}
		m.leave()
	}
	return 0, nil
}

// open makes the first move of a conversation, which decides who its members are where
// that is not certain: before it nobody is notified as one of them, and no message is
// quarantined as somebody else's. If none of the lane's messages is for the members, it
// moves to the message that names them, whose own record is still to come.
func (p *Projector) open(ctx context.Context, l *lane, c *projection.Conversation) error {
	if p.waitsForSlot(l, c) {
		return nil
	}
	var fit []*message
	for _, m := range l.held[:l.batch()] {
		if c.Has(m.UserUUID) && (m.Members == nil || c.Names(m.Members)) {
			m.fresh = true
			fit = append(fit, m)
		}
	}
	last := c.Opening()
	if len(fit) > 0 {
		last = newest(fit)
	}
	return p.move(ctx, c, last)
}

// waitsForSlot reports whether a conversation is large and has to wait for a slot.
func (p *Projector) waitsForSlot(l *lane, c *projection.Conversation) bool {
	if !c.Large() || p.lanes.enlarge(l) {
		return false
	}
	p.cache.Put(l.group, c, len(c.Members))
	return true
}

func (p *Projector) move(ctx context.Context, c *projection.Conversation, last postroom.Message) error {
	err := p.projection.Move(ctx, c, last, time.Now())
	if err == nil {
		p.moves.Add(1)
	}
	return err
}

// conversation is a lane's conversation, from the cache or loaded. It is loaded
// anew for a message that has just arrived and that the cache says is projected:
// the table may have been replaced by an older one since, and a worker that had
// the message before may have quarantined it and died before it was requeued.
// Whoever loads a conversation with its members requeues what waits for them.
func (p *Projector) conversation(ctx context.Context, l *lane) (*projection.Conversation, error) {
	before, cached := p.cache.Get(l.group)
	seenBefore := func(m *message) bool {
		return before.Reached(m.Position()) && m.in(arrived) && len(m.inQuarantine()) == 0
	}
	if cached && !slices.ContainsFunc(l.held, seenBefore) {
		return before, nil
	}
	c, err := p.projection.Load(ctx, l.group)
	if err != nil {
		return nil, err
	}
	if cached {
		c.MovedAt = before.MovedAt // it rests as long as before
	}
	return c, p.requeueWaiting(ctx, l)
}

// rest is how long c must rest before its next move.
func (p *Projector) rest(c *projection.Conversation) time.Duration {
	if !p.config.Index || c.MovedAt.IsZero() {
		return 0
	}
	gap := time.Duration(c.Rows()) * time.Second / movesPerRow
	return gap - time.Since(c.MovedAt)
}
