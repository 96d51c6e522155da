package lineage

import (
	"cmp"
	"context"
	"slices"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
)

// Group is a group and its history of one stream.
type Group struct {
	ID      lease.GroupID
	History History // what can be read of it
}

// Groups returns the groups that have read a stream of the table that this one is of, by
// their names, and each for its streams in the order of their ARNs.
func Groups(ctx context.Context, table batch.Table, arn string) (all []Group, err error) {
	for _, prefix := range []string{tableOf(arn), groupPrefix} {
		for it, err := range table.Query(ctx, backend.Query{PK: streamsPK, SKPrefix: prefix, Consistent: true}) {
			if err != nil {
				return nil, err
			}
			id := parseHistoryKey(backend.KeyOf(it))
			if tableOf(id.ARN) != tableOf(arn) {
				continue // of another table
			}
			h, err := DecodeHistory(it)
			if err != nil && item.AsDamaged(err) == nil {
				return nil, err
			}
			all = append(all, Group{id, h})
		}
	}
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.ID.Name, b.ID.Name), cmp.Compare(a.ID.ARN, b.ID.ARN))
	})
	return all, nil
}
