package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/projector/projection"
)

// errNonMember: the log holds a message of somebody who is not in the
// conversation.
var errNonMember = errors.New("the sender is not a member of the conversation")

// errOtherMembers: the log holds a message that names others than those who would be
// shown it. Nobody is: it may be a claim to the conversation, or it may be meant for
// those whom it names, where somebody else's claim came first.
var errOtherMembers = errors.New("the message names other members than the conversation has: " +
	"who they are was decided when it was opened, and never changes")

// quarantineMessage quarantines a message that cannot be processed, for good.
func (p *Projector) quarantineMessage(ctx context.Context, m *message, reason error, attempts int) error {
	var err error
	switch {
	case m.retries != nil:
		err = p.stay(ctx, m, reason, false)
	case m.kept():
		for _, c := range m.inQuarantine() {
			err = errors.Join(err, p.quarantine.Keep(ctx, c.Kept, reason))
		}
	default:
		err = p.quarantine.Put(ctx, m.record, reason, attempts)
	}
	if err != nil {
		return err
	}
	m.setQuarantined()
	return nil
}

// quarantineThose quarantines those of a lane's messages that cannot be processed.
func (p *Projector) quarantineThose(ctx context.Context, l *lane, broken func(*message) bool, reason error) error {
	var kept []*message
	var failed error
	suspects := l.suspects
	for i, m := range l.held {
		if failed == nil && broken(m) {
			failed = p.quarantineMessage(ctx, m, reason, max(1, l.failures))
			if failed == nil {
				if i < suspects {
					l.suspects--
				}
				m.leave()
				continue
			}
			failed = fmt.Errorf("quarantining a record: %w", failed)
		}
		kept = append(kept, m)
	}
	l.held = kept
	return failed
}

// quarantineUnfit quarantines those of a lane's messages that are not for the members
// of their conversation, which is opened.
func (p *Projector) quarantineUnfit(ctx context.Context, l *lane, c *projection.Conversation) error {
	nonMember := func(m *message) bool { return !c.Has(m.UserUUID) }
	if err := p.quarantineThose(ctx, l, nonMember, errNonMember); err != nil {
		return err
	}
	otherMembers := func(m *message) bool { return m.Members != nil && !c.Names(m.Members) }
	return p.quarantineThose(ctx, l, otherMembers, errOtherMembers)
}

// quarantineLate quarantines the messages of a conversation that have waited long
// enough for somebody to name its members. Whoever loads the conversation with its
// members requeues them. If the members were named just now, nobody has seen them
// in quarantine, so the conversation is loaded once more before they are
// acknowledged.
func (p *Projector) quarantineLate(ctx context.Context, l *lane) error {
	now := time.Now() // one moment: a message that gets late meanwhile is not quarantined yet
	late := func(m *message) bool { return m.retries != nil || now.Sub(m.since) >= p.tuning.MemberWait }
	for _, m := range l.held {
		if !late(m) || m.in(waiting) {
			continue
		}
		var err error
		switch {
		case m.retries != nil:
			err = p.stay(ctx, m, projection.ErrNoMembers, true)
		case m.kept():
			continue
		default:
			err = p.quarantine.PutWaiting(ctx, m.record, projection.ErrNoMembers)
		}
		if err != nil {
			return err
		}
		m.hold()
	}
	if !slices.ContainsFunc(l.held, late) {
		return nil
	}
	if _, err := p.projection.Load(ctx, l.group); !errors.Is(err, projection.ErrNoMembers) {
		return err // processing the lane again requeues them
	}
	l.held = slices.DeleteFunc(l.held, func(m *message) bool {
		if late(m) {
			m.setQuarantined()
			m.leave()
		}
		return late(m)
	})
	return nil
}

// requeueWaiting takes up the messages of a conversation that wait in quarantine.
// Those that are not in the lane already follow the lane's first message, which is
// not acknowledged before they are.
func (p *Projector) requeueWaiting(ctx context.Context, l *lane) error {
	found, err := p.quarantine.WaitingOf(ctx, l.group)
	if err != nil {
		return err
	}
	first := l.held[0]
	for _, w := range found {
		c := p.copied(ctx, w)
		if !slices.ContainsFunc(l.held, func(m *message) bool { return m.adopt(c) }) {
			requeued := first.requeue(c)
			p.trace(requeued)
			l.held = append(l.held, requeued)
		}
	}
	return nil
}
