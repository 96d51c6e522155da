package projection

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// Complete finishes the last move of c, whoever made it and wherever it stopped.
// First every row is put at the head's key, only then are the rows that it left
// deleted: in the other order a member could be without one. After any error c is
// void.
func (p Projection) Complete(ctx context.Context, c *Conversation) error {
	if c.head == nil || c.completed {
		return nil
	}
	if c.head.open {
		if err := p.putAgain(ctx, c); err != nil {
			return err
		}
	}
	if c.head.Old != "" {
		// A row under a key that was left never comes back: puts are fenced.
		// Reading first costs a fifth of deleting what is usually gone.
		left, err := p.table.GetAll(ctx, RowKeys(c.head.at.all(), c.Members, c.head.Old))
		if err != nil {
			return err
		}
		if err := p.table.Delete(ctx, slices.SortedFunc(maps.Keys(left), backend.Key.Compare)); err != nil {
			return err
		}
	}
	if c.head.open {
		if err := p.close(ctx, c); err != nil {
			return err
		}
	}
	c.completed = true
	return nil
}

// transact makes a transaction that may be made again within minutes, with the same
// actions: rows that were put can be damaged, and are put again. So each has a token of
// its own, since the server does nothing for one that it has seen.
func (p Projection) transact(ctx context.Context, actions []backend.Action) error {
	return p.table.Transact(ctx, uuid.NewString(), actions)
}

// putAgain puts all rows at the head's key, while the head stays where it is.
func (p Projection) putAgain(ctx context.Context, c *Conversation) error {
	key := backend.Key{PK: c.Group, SK: c.head.key()}
	item, err := p.table.Get(ctx, key)
	if err != nil {
		return err
	}
	last, err := postroom.MessageFromItem(item)
	if err != nil {
		return &DamagedError{fmt.Errorf("conversation %s: last message %s: %w", c.Group, key.SK, err)}
	}
	for _, chunk := range fenced(check(c.Group, c.head.unchanged()), puts(last, c.Members, c.head.at.all())) {
		if err := p.transact(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}
