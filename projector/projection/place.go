package projection

import (
	"context"
	"errors"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/views"
)

// InPlace reports whether a row is a member's, where the head of the conversation is,
// and the head is one that a move can have left there. Only what is not is worth a
// [Projection.Restore] on the row's account.
func (p Projection) InPlace(ctx context.Context, row backend.Key, group string) (bool, error) {
	c, err := p.Load(ctx, group)
	if _, damaged := errors.AsType[*DamagedError](err); damaged || errors.Is(err, ErrNoMembers) {
		return false, nil
	}
	if err != nil || !c.Owns(row) {
		return false, err
	}
	last, err := p.table.Get(ctx, backend.Key{PK: group, SK: c.head.key()})
	if err != nil {
		return false, err
	}
	_, sound := c.shown(last)
	return sound, nil
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
