package quarantine

import (
	"context"
	"crypto/rand"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
)

// Drop removes a record for good, whole or not at all, if it still is as it was read:
// nobody has retried or dropped it meanwhile. It reports whether it did.
func Drop(ctx context.Context, control backend.Table, s *Stored) (dropped bool, err error) {
	var actions []backend.Action
	for i, key := range s.keys() {
		actions = append(actions, backend.Action{Delete: key})
		if i == 0 {
			actions[0].Condition = same(s.EventID, s.Attempts, s.Reason)
		}
	}
	err = batch.NewTable(control).Transact(ctx, rand.Text(), actions)
	if backend.KindOf(err) == backend.KindConditionFailed {
		return false, nil
	}
	return err == nil, err
}
