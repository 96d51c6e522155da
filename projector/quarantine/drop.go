package quarantine

import (
	"context"
	"crypto/rand"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
)

// Drop removes a record for good, whole or not at all, if it still is as it was read:
// nobody has retried or dropped it meanwhile, or is owed a notification of it by now. It
// reports whether it did.
func Drop(ctx context.Context, control backend.Table, s *Stored) (dropped bool, err error) {
	return remove(ctx, batch.NewTable(control), s.keys(), same(s.EventID, s.Attempts, s.Reason, s.Silent))
}

// remove removes the parts of a record, all or none, if a condition holds of the first.
func remove(ctx context.Context, table batch.Table, parts []backend.Key, c backend.Condition) (removed bool, err error) {
	actions := make([]backend.Action, len(parts))
	for i, key := range parts {
		actions[i].Delete = key
	}
	actions[0].Condition = c
	err = table.Transact(ctx, rand.Text(), actions)
	if backend.KindOf(err) == backend.KindConditionFailed {
		return false, nil
	}
	return err == nil, err
}
