package projection

import (
	"context"
	"errors"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/views"
)

// Placed returns a conversation whose head is one that a move can have left there; nil:
// it has none such. A row that it does not own is worth a [Projection.Restore] on the
// row's account. Who remembers a conversation looks again before that: it may have moved.
func (p Projection) Placed(ctx context.Context, group string) (*Conversation, error) {
	c, err := p.Load(ctx, group)
	if _, damaged := errors.AsType[*DamagedError](err); damaged || errors.Is(err, ErrNoMembers) {
		return nil, nil
	}
	if err != nil || c.head == nil {
		return nil, err
	}
	last, err := p.table.Get(ctx, backend.Key{PK: group, SK: c.head.key()})
	if err != nil {
		return nil, err
	}
	if _, sound := c.shown(last); !sound {
		return nil, nil
	}
	return c, nil
}

// Rows returns the keys of all rows of a conversation that can be found without a scan:
// by the index, if the table has it, and otherwise in the lists of members.
func (p Projection) Rows(ctx context.Context, group string, members []postroom.Member, index bool) (rows []backend.Key, err error) {
	queries := []backend.Query{{PK: group, Index: postroom.IndexName}}
	if !index {
		queries = nil
		set, err := p.views.Within(ctx, views.MaxAge)
		if err != nil {
			return nil, err
		}
		for _, v := range set.Views {
			for _, m := range members {
				queries = append(queries, backend.Query{PK: v.InboxKey(m.UserUUID), Consistent: true})
			}
		}
	}
	for _, q := range queries {
		for it, err := range p.table.Query(ctx, q) {
			if err != nil {
				return nil, err
			}
			if key := backend.KeyOf(it); isRow(key, group) {
				rows = append(rows, key)
			}
		}
	}
	return rows, nil
}
