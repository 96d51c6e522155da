package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
)

const (
	// movesPerMember is how many moves a second a conversation of one member
	// could make, so one of N moves that often divided by N. A move writes two
	// index entries for each member, all under one key of the index, which takes
	// 1,000 write units a second; half of them are left for a replay beside it.
	// Source: DynamoDB developer guide, throughput of a partition.
	movesPerMember = 250

	// hopeless is how many turns may fail for a reason that no rule knows, and
	// none get through, before the messages are parted to find the one to set
	// aside. With the pauses between them that takes six seconds.
	hopeless = 10

	memberPoll = 500 * time.Millisecond
)

// takeTurns works on lanes until they are closed.
func (p *Projector) takeTurns(ctx context.Context) {
	for {
		next := p.lanes.ready.pop(1)
		if len(next) == 0 {
			return
		}
		l := next[0]
		if !p.lanes.take(l) {
			continue
		}
		wait, early := p.turn(ctx, l)
		p.lanes.rest(l, wait, early)
	}
}

// turn brings a conversation as far as its messages go and says when to come
// back for what is still held.
func (p *Projector) turn(ctx context.Context, l *lane) (wait time.Duration, early bool) {
	wait, err := p.advance(ctx, l)
	if err == nil {
		p.projecting.Worked(l.group)
		if l.suspects == 0 {
			l.failures, l.baffled = 0, 0
		}
		return wait, true
	}
	p.known.forget(l.group)
	if ctx.Err() != nil {
		return memberPoll, false // stopping
	}
	l.failures++
	var d *damaged
	switch kind := verdict(err); {
	case errors.Is(err, errNoMembers):
		l.failures = 0
		p.conclude(ctx, l, p.giveUp(ctx, l))
		return memberPoll, true
	case kind == backend.KindConditionFailed:
		// Somebody else moved it: look again, at once unless that goes on.
		if l.failures < 3 {
			return 0, false
		}
		if l.failures >= hopeless {
			p.conclude(ctx, l, err)
		}
	case errors.As(err, &d):
		p.conclude(ctx, l, p.expel(ctx, l, func(*entry) bool { return true }, err))
	case kind == backend.KindInvalid, kind == backend.KindUnknown && p.hopeless(l):
		failed := p.narrow(ctx, l, err)
		p.conclude(ctx, l, failed)
		if failed == nil {
			return 0, false
		}
	default:
		p.conclude(ctx, l, err)
	}
	return backoff(l.failures), false
}

// conclude says how a turn ended, for who reads the log.
func (p *Projector) conclude(ctx context.Context, l *lane, err error) {
	if err != nil {
		p.projecting.Failed(ctx, l.group, err)
	} else {
		p.projecting.Worked(l.group)
	}
}

// giveUp sets aside the messages of a conversation that have waited long enough
// for somebody to name its members. Whoever does so then brings them back; and
// if that happened just now, nobody has seen them there, so look once more
// before they are acknowledged.
func (p *Projector) giveUp(ctx context.Context, l *lane) error {
	now := time.Now() // one moment: who gets late while this takes its time is not kept yet
	late := func(e *entry) bool { return now.Sub(e.arrived) >= p.opts.MemberWait }
	for _, e := range l.held {
		if late(e) && e.aside == nil && !e.kept {
			if err := p.keepAside(ctx, e.record, errNoMembers, 1, e.quiet); err != nil {
				return err
			}
			e.kept = true
		}
	}
	if !slices.ContainsFunc(l.held, late) {
		return nil
	}
	if _, err := p.mover.look(ctx, l.group); !errors.Is(err, errNoMembers) {
		return err // the next turn brings them back
	}
	l.held = slices.DeleteFunc(l.held, func(e *entry) bool {
		if late(e) {
			e.drop()
		}
		return late(e)
	})
	return nil
}

// hopeless counts failures for a reason that no rule knows, and reports whether
// there were enough of them. Once messages are parted, each part has one try.
func (p *Projector) hopeless(l *lane) bool {
	l.baffled++
	return l.suspects > 0 || l.baffled >= hopeless
}

// narrow draws the line closer around a message that fails: of those that failed
// together the older half goes first. What fails alone is set aside. Of n
// messages with one that fails, log2(n) parts fail at most, and the others go
// through in their order.
func (p *Projector) narrow(ctx context.Context, l *lane, reason error) error {
	if len(l.held) == 0 {
		return nil // it was not about any message
	}
	if l.suspects == 0 {
		slices.SortFunc(l.held, byPosition)
	}
	if failed := l.part(); failed > 1 {
		l.suspects = failed
		return nil
	}
	first := l.held[0]
	if err := p.expel(ctx, l, func(e *entry) bool { return e == first }, reason); err != nil {
		return err
	}
	l.suspects = 0
	return nil
}

// part is how many of the held messages the next move takes, the first ones: all,
// or half of the suspects.
func (l *lane) part() int {
	if l.suspects == 0 {
		return len(l.held)
	}
	return (l.suspects + 1) / 2
}

// passed notes that a part got through: what is left of the suspects holds the
// one that fails.
func (l *lane) passed(part int) {
	l.held = slices.Clone(l.held[part:])
	l.suspects = max(0, l.suspects-part)
}

func byPosition(a, b *entry) int { return a.message.Position().Compare(b.message.Position()) }

// advance announces the messages of a lane and moves its conversation to the
// newest of them.
func (p *Projector) advance(ctx context.Context, l *lane) (wait time.Duration, err error) {
	if len(l.held) == 0 {
		return 0, nil
	}
	c, cached := p.known.get(l.group)
	if !cached || slices.ContainsFunc(l.held, func(e *entry) bool { return e.seenBefore(c) }) {
		before := c
		if c, err = p.meet(ctx, l); err != nil {
			return 0, err
		}
		if cached {
			c.moved = before.moved // it rests as long as before
		}
	}
	stranger := func(e *entry) bool { return !c.has(e.message.UserUUID) }
	if err := p.expel(ctx, l, stranger, errStranger); err != nil {
		return 0, err
	}
	if len(l.held) == 0 {
		return 0, nil
	}
	p.notify.announce(c.members, slices.DeleteFunc(slices.Clone(l.held), func(e *entry) bool { return e.announced }))
	if len(c.members) > chunkRows && !p.lanes.enlarge(l) {
		p.known.put(c)
		return 0, nil
	}
	if err := p.mover.settle(ctx, c); err != nil {
		return 0, err
	}
	batch := l.held[:l.part()]
	for _, e := range batch {
		e.behind = e.behind || !c.at(e.message.Position())
	}
	if last := newest(batch); !c.at(last.Position()) {
		if wait := p.pace(c); wait > 0 {
			return wait, nil
		}
		if err := p.mover.move(ctx, c, last, time.Now()); err != nil {
			return 0, err
		}
		p.moves.Add(1)
	}
	p.known.put(c)
	l.passed(len(batch))
	p.circuit.projected(len(batch))
	for _, e := range batch {
		if !e.recovered() {
			p.projected.Add(1)
		}
		e.finish()
	}
	return 0, nil
}

// errStranger: the log holds a message of somebody who is not in the
// conversation.
var errStranger = errors.New("the sender is not a member of the conversation")

// pace is how long c must rest before its next move.
func (p *Projector) pace(c *conversation) time.Duration {
	if !p.index || c.moved.IsZero() {
		return 0
	}
	gap := time.Duration(len(c.members)) * time.Second / movesPerMember
	return gap - time.Since(c.moved)
}

// meet looks at a conversation that is not known, or not surely. A look that found
// its members also brings back what was set aside for want of them.
func (p *Projector) meet(ctx context.Context, l *lane) (*conversation, error) {
	c, err := p.mover.look(ctx, l.group)
	if err != nil {
		return nil, err
	}
	for _, e := range l.held {
		e.met = true
	}
	return c, p.bringBack(ctx, l)
}

// bringBack takes up what was set aside of a conversation for want of members.
// It is removed there once it is done, and until then the message that led here
// is not acknowledged: after a crash it leads here again.
func (p *Projector) bringBack(ctx context.Context, l *lane) error {
	found, err := p.aside.waitingOf(ctx, l.group)
	if err != nil {
		return err
	}
	leader := l.held[0]
	for _, w := range found {
		remove := func() error {
			return p.insist(ctx, w.keys[0].SK, func() error { return p.aside.delete(ctx, w.keys) })
		}
		if i := slices.IndexFunc(l.held, func(e *entry) bool { return e.is(&w) }); i >= 0 {
			l.held[i].asideToo(&w, remove)
			continue
		}
		leader.parts.Add(1)
		e := newEntry(w.message, nil, leader.finish)
		e.aside, e.cleanup, e.quiet = &w, remove, w.quiet
		l.held = append(l.held, e)
	}
	return nil
}

// expel sets aside those messages of a lane that are out, and acknowledges them.
func (p *Projector) expel(ctx context.Context, l *lane, out func(*entry) bool, reason error) error {
	var kept []*entry
	var failed error
	suspects := l.suspects
	for i, e := range l.held {
		if failed != nil || !out(e) {
			kept = append(kept, e)
			continue
		}
		if failed = p.refuse(ctx, e, reason, max(1, l.failures)); failed != nil {
			failed = fmt.Errorf("setting a record aside: %w", failed)
			kept = append(kept, e)
			continue
		}
		if i < suspects {
			l.suspects--
		}
		e.drop()
	}
	l.held = kept
	return failed
}
