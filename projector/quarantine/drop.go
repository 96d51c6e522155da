package quarantine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
)

// droppedPrefix begins the reason of a record that is being dropped. It is seen only
// where that was interrupted: dropping the record again ends it.
const droppedPrefix = "being dropped by an operator; before: "

// Drop removes a record for good, unless it is not any more as it was read: somebody has
// retried or dropped it meanwhile. It reports whether it did. First the record is marked,
// on that condition, so that a retry that is under way does not bring it back; then its
// parts are deleted, the first one last.
func Drop(ctx context.Context, control backend.Table, s *Stored) (dropped bool, err error) {
	table := batch.NewTable(control)
	first, err := table.Get(ctx, s.first)
	if err != nil || first == nil {
		return false, err
	}
	first = maps.Clone(first)
	mark := droppedPrefix + strings.TrimPrefix(s.Reason, droppedPrefix)
	first[attrReason], first[attrWaiting] = item.String(mark), item.Bool(false)
	err = table.Put(ctx, first, same(s.EventID, s.Attempts, s.Reason))
	if changed, ok := errors.AsType[*backend.Error](err); ok && changed.Kind == backend.KindConditionFailed {
		if backend.Text(changed.Item, attrReason) != mark { // otherwise an earlier attempt marked it
			return false, nil
		}
		err = nil
	}
	if err != nil {
		return false, err
	}
	keys := s.keys()
	slices.Reverse(keys)
	for _, key := range keys { // each by itself: a batch has no order
		if err := table.Delete(ctx, []backend.Key{key}); err != nil {
			return false, err
		}
	}
	return true, nil
}
