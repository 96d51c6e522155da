package projector

import (
	"context"
	"slices"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// retrying is a table whose calls are made again while that may help, whose
// batches are split and followed until nothing is left unprocessed.
type retrying struct{ table backend.Table }

func (t retrying) get(ctx context.Context, key backend.Key) (item backend.Item, err error) {
	err = retry(ctx, func() (e error) {
		item, _, e = t.table.Get(ctx, key)
		return e
	})
	return item, err
}

func (t retrying) query(ctx context.Context, q backend.Query) (page backend.Page, err error) {
	err = retry(ctx, func() (e error) {
		page, e = t.table.Query(ctx, q)
		return e
	})
	return page, err
}

// transact retries with one token, so that an attempt whose answer was lost is
// not made twice.
func (t retrying) transact(ctx context.Context, token string, actions []backend.Action) error {
	return retry(ctx, func() error {
		_, err := t.table.Transact(ctx, token, actions)
		return err
	})
}

// getAll returns what there is under the keys.
func (t retrying) getAll(ctx context.Context, keys []backend.Key) (map[backend.Key]backend.Item, error) {
	found := make(map[backend.Key]backend.Item, len(keys))
	for chunk := range slices.Chunk(keys, backend.MaxBatchGet) {
		for n := 1; len(chunk) > 0; n++ {
			var items []backend.Item
			err := retry(ctx, func() (e error) {
				var left []backend.Key
				if items, left, _, e = t.table.BatchGet(ctx, chunk); e == nil {
					chunk = left
				}
				return e
			})
			if err != nil {
				return nil, err
			}
			for _, item := range items {
				found[backend.KeyOf(item)] = item
			}
			if err := followUp(ctx, len(chunk), n); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (t retrying) delete(ctx context.Context, keys []backend.Key) error {
	for chunk := range slices.Chunk(keys, backend.MaxBatchWrite) {
		writes := make([]backend.Write, len(chunk))
		for i, key := range chunk {
			writes[i].Delete = key
		}
		for n := 1; len(writes) > 0; n++ {
			err := retry(ctx, func() (e error) {
				var left []backend.Write
				if left, _, e = t.table.BatchWrite(ctx, writes); e == nil {
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

// followUp waits before the unprocessed rest of a batch is asked for again, the
// nth time.
func followUp(ctx context.Context, left, n int) error {
	if left == 0 {
		return nil
	}
	return trouble.Sleep(ctx, backoff(n), nil)
}
