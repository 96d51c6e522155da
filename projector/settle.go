package projector

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// settle finishes the last move of c, whoever made it and wherever it stopped.
// First every row is there at the head's key, only then the rows it left go:
// in the other order a member could be without one. After any error what is
// known of c is void.
func (m *mover) settle(ctx context.Context, c *conversation) error {
	if c.head == nil || c.settled {
		return nil
	}
	if c.head.open {
		if err := m.putAgain(ctx, c); err != nil {
			return err
		}
	}
	if c.head.old != "" {
		// A row under a key that was left never comes back: puts are fenced.
		// Reading first costs a fifth of deleting what is usually gone.
		behind, err := m.getAll(ctx, rowKeys(c.members, c.head.old))
		if err != nil {
			return err
		}
		if err := m.delete(ctx, slices.SortedFunc(maps.Keys(behind), compareKeys)); err != nil {
			return err
		}
	}
	if c.head.open {
		if err := m.close(ctx, c); err != nil {
			return err
		}
	}
	c.settled = true
	return nil
}

// putAgain puts all rows at the head's key, while the head stays where it is.
func (m *mover) putAgain(ctx context.Context, c *conversation) error {
	key := backend.Key{
		PK: c.group,
		SK: postroom.MessageKey(c.head.last.CreatedAt, c.head.last.MessageUUID),
	}
	item, err := m.get(ctx, key)
	if err != nil {
		return err
	}
	last, err := postroom.MessageFromItem(item)
	if err != nil {
		return &damaged{fmt.Errorf("conversation %s: last message %s: %w", c.group, key.SK, err)}
	}
	for i, chunk := range fenced(c.group, *c.head, rows(last, c.members)) {
		if err := m.transact(ctx, "s"+tokens(c, *c.head)(i)[1:], chunk); err != nil {
			return err
		}
	}
	return nil
}
