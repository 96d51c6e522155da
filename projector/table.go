package projector

import (
	"context"
	"slices"

	"github.com/postroom/postroom/backend"
)

// The table's calls as a move needs them: retried while that may help, batches
// split and followed until nothing is left unprocessed.

func (m *mover) get(ctx context.Context, key backend.Key) (item backend.Item, err error) {
	err = retry(ctx, func() (e error) {
		item, _, e = m.table.Get(ctx, key)
		return e
	})
	return item, err
}

func (m *mover) query(ctx context.Context, q backend.Query) (page backend.Page, err error) {
	err = retry(ctx, func() (e error) {
		page, e = m.table.Query(ctx, q)
		return e
	})
	return page, err
}

// transact retries with one token, so that an attempt whose answer was lost is
// not made twice.
func (m *mover) transact(ctx context.Context, token string, actions []backend.Action) error {
	return retry(ctx, func() error {
		_, err := m.table.Transact(ctx, token, actions)
		return err
	})
}

// existing returns those of the keys that there is an item under.
func (m *mover) existing(ctx context.Context, keys []backend.Key) ([]backend.Key, error) {
	var found []backend.Key
	for chunk := range slices.Chunk(keys, backend.MaxBatchGet) {
		for n := 0; len(chunk) > 0; n++ {
			var items []backend.Item
			err := retry(ctx, func() (e error) {
				var left []backend.Key
				if items, left, _, e = m.table.BatchGet(ctx, chunk); e == nil {
					chunk = left
				}
				return e
			})
			if err != nil {
				return nil, err
			}
			for _, item := range items {
				found = append(found, backend.KeyOf(item))
			}
			if err := followUp(ctx, len(chunk), n); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (m *mover) delete(ctx context.Context, keys []backend.Key) error {
	for chunk := range slices.Chunk(keys, backend.MaxBatchWrite) {
		writes := make([]backend.Write, len(chunk))
		for i, key := range chunk {
			writes[i].Delete = key
		}
		for n := 0; len(writes) > 0; n++ {
			err := retry(ctx, func() (e error) {
				var left []backend.Write
				if left, _, e = m.table.BatchWrite(ctx, writes); e == nil {
					writes = left
				}
				return e
			})
			if err != nil {
				return err
			}
			if err := followUp(ctx, len(writes), n); err != nil {
				return err
			}
		}
	}
	return nil
}

// followUp waits before the unprocessed rest of a batch is asked for again.
func followUp(ctx context.Context, left, n int) error {
	if left == 0 {
		return nil
	}
	return pause(ctx, backoff(n))
}
