// Package batch splits what is to be read, written or sent into batches that a
// server takes, and follows each batch until nothing of it is left undone.
package batch

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// Table makes the calls of a table with a retry policy. It splits batches to the
// size that a table takes, repeats what a batch left unprocessed, and reads
// queries to their end. It is safe for concurrent use.
type Table struct {
	Table backend.Table
	Retry retry.Policy
}

// NewTable returns a table whose calls are made up to five times, with pauses that
// grow from 20 ms to 2 s, while that may help: on conflicts, on throttling, and
// where no answer came.
func NewTable(t backend.Table) Table {
	return Table{t, retry.Policy{
		Min: 20 * time.Millisecond, Max: 2 * time.Second, Attempts: 5,
		Final: func(err error) bool { return !backend.Retryable(err) },
	}}
}

// Get reads one item, nil if there is none.
func (t Table) Get(ctx context.Context, key backend.Key) (item backend.Item, err error) {
	err = t.Retry.Do(ctx, func(ctx context.Context) (err error) {
		item, _, err = t.Table.Get(ctx, key)
		return err
	})
	return item, err
}

// Query returns the items of all pages. The first error ends the sequence.
func (t Table) Query(ctx context.Context, q backend.Query) iter.Seq2[backend.Item, error] {
	return items(func(after backend.Page) (backend.Page, error) {
		q := q // ranging again begins anew
		if after.Last != nil {
			q.After, q.AfterIndex = *after.Last, after.LastIndex
		}
		return t.Page(ctx, q)
	})
}

// Scan returns the items of all pages of a scan. The first error ends the sequence.
func (t Table) Scan(ctx context.Context, s backend.Scan) iter.Seq2[backend.Item, error] {
	return items(func(after backend.Page) (page backend.Page, err error) {
		s := s // ranging again begins anew
		if after.Last != nil {
			s.After = *after.Last
		}
		err = t.Retry.Do(ctx, func(ctx context.Context) (err error) {
			page, err = t.Table.Scan(ctx, s)
			return err
		})
		return page, err
	})
}

// items returns the items of all pages, given how to read the page after another one.
func items(read func(after backend.Page) (backend.Page, error)) iter.Seq2[backend.Item, error] {
	return func(yield func(backend.Item, error) bool) {
		for page := (backend.Page{}); ; {
			var err error
			if page, err = read(page); err != nil {
				yield(nil, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Last == nil {
				return
			}
		}
	}
}

// Page reads one page of a query.
func (t Table) Page(ctx context.Context, q backend.Query) (page backend.Page, err error) {
	err = t.Retry.Do(ctx, func(ctx context.Context) (err error) {
		page, err = t.Table.Query(ctx, q)
		return err
	})
	return page, err
}

// Put writes one item under a condition.
func (t Table) Put(ctx context.Context, item backend.Item, c backend.Condition) error {
	return t.Retry.Do(ctx, func(ctx context.Context) error {
		_, err := t.Table.Put(ctx, item, c)
		return err
	})
}

// Transact makes a transaction. All attempts use one token, so that one whose
// answer was lost is not made twice.
func (t Table) Transact(ctx context.Context, token string, actions []backend.Action) error {
	return t.Retry.Do(ctx, func(ctx context.Context) error {
		_, err := t.Table.Transact(ctx, token, actions)
		return err
	})
}

// GetAll reads the items under the keys; the missing ones are not in the result.
func (t Table) GetAll(ctx context.Context, keys []backend.Key) (map[backend.Key]backend.Item, error) {
	found := make(map[backend.Key]backend.Item, len(keys))
	for chunk := range slices.Chunk(keys, backend.MaxBatchGet) {
		err := t.all(ctx, func(ctx context.Context) (left int, err error) {
			items, unprocessed, _, err := t.Table.BatchGet(ctx, chunk)
			if err != nil {
				return 0, err
			}
			for _, item := range items {
				found[backend.KeyOf(item)] = item
			}
			chunk = unprocessed
			return len(chunk), nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Delete removes the items under the keys, present or not.
func (t Table) Delete(ctx context.Context, keys []backend.Key) error {
	for chunk := range slices.Chunk(keys, backend.MaxBatchWrite) {
		writes := make([]backend.Write, len(chunk))
		for i, key := range chunk {
			writes[i].Delete = key
		}
		err := t.all(ctx, func(ctx context.Context) (left int, err error) {
			unprocessed, _, err := t.Table.BatchWrite(ctx, writes)
			if err != nil {
				return 0, err
			}
			writes = unprocessed
			return len(writes), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// all makes a batch call until it leaves nothing unprocessed, with growing pauses.
func (t Table) all(ctx context.Context, call func(context.Context) (left int, err error)) error {
	for n := 1; ; n++ {
		var left int
		err := t.Retry.Do(ctx, func(ctx context.Context) (err error) {
			left, err = call(ctx)
			return err
		})
		if err != nil || left == 0 {
			return err
		}
		if err := retry.Sleep(ctx, t.Retry.Pause(n), nil); err != nil {
			return err
		}
	}
}
