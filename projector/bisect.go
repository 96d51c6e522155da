package projector

import (
	"context"
	"slices"
)

// bisect narrows down which message makes a move be refused: of those that failed
// together the older half goes first. A message that fails alone is quarantined.
// Of n messages with one that fails, at most log2(n) batches fail, and the others
// go through in their order.
func (p *Projector) bisect(ctx context.Context, l *lane, reason error) error {
	if len(l.held) == 0 {
		return nil // it was not about any message
	}
	if l.suspects == 0 {
		slices.SortFunc(l.held, byPosition)
	}
	if failed := l.batch(); failed > 1 {
		l.suspects = failed
		return nil
	}
	first := l.held[0]
	if err := p.quarantineThose(ctx, l, func(m *message) bool { return m == first }, reason); err != nil {
		return err
	}
	l.suspects = 0
	return nil
}

// batch is how many of the held messages the next move takes, the first ones: all,
// or half of the suspects.
func (l *lane) batch() int {
	if l.suspects == 0 {
		return len(l.held)
	}
	return (l.suspects + 1) / 2
}

// passed notes that a batch got through: the rest of the suspects holds the one
// that fails.
func (l *lane) passed(batch int) {
	l.held = slices.Clone(l.held[batch:])
	l.suspects = max(0, l.suspects-batch)
}
