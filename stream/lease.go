package stream

import (
	"context"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// leases reads and writes the shards' items of one stream.
type leases struct {
	control  backend.Table
	arn      string
	troubles *trouble.Work
}

// load reads all there are.
func (l *leases) load(ctx context.Context) (all map[string]lease, err error) {
	all = make(map[string]lease)
	do := func(ctx context.Context, call func(context.Context) error) error {
		return persist(ctx, l.troubles, "leases", false, call)
	}
	err = eachLease(ctx, l.control, l.arn, do, func(one lease) { all[one.shard] = one })
	return all, err
}

// eachLease reads the leases of a stream. How a call is made and repeated is
// the caller's.
func eachLease(ctx context.Context, control backend.Table, arn string,
	do func(ctx context.Context, call func(context.Context) error) error, yield func(lease),
) error {
	return eachItem(ctx, control, backend.Query{PK: partition(arn), SKPrefix: shardPrefix, Consistent: true}, do,
		func(item backend.Item) error {
			one, err := decodeLease(item)
			if err == nil {
				yield(one)
			}
			return err
		})
}

func eachItem(ctx context.Context, control backend.Table, q backend.Query,
	do func(ctx context.Context, call func(context.Context) error) error, yield func(backend.Item) error,
) error {
	for {
		var page backend.Page
		err := do(ctx, func(ctx context.Context) (err error) {
			page, err = control.Query(ctx, q)
			return err
		})
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := yield(item); err != nil {
				return err
			}
		}
		if page.Last == nil {
			return nil
		}
		q.After = *page.Last
	}
}

// put replaces cur by next if it is still there, and returns what stands there
// then: next, or what was found instead. An item that is gone is found with
// epoch zero.
func (l *leases) put(ctx context.Context, cur, next lease) (found lease, err error) {
	_, err = l.control.Put(ctx, next.encode(leaseKey(l.arn, next.shard)), cur.unchanged())
	other, err := failedCondition(err, decodeLease)
	switch {
	case err != nil:
		return cur, err
	case other == nil:
		return next, nil
	}
	if other.epoch == 0 {
		other.shard, other.parent = next.shard, next.parent
	}
	return *other, nil
}

// forget removes finished leases.
func (l *leases) forget(ctx context.Context, shards []string) error {
	keys := make([]backend.Key, len(shards))
	for i, shard := range shards {
		keys[i] = leaseKey(l.arn, shard)
	}
	return remove(ctx, l.control, keys)
}

// remove deletes items; what is not processed in one go stays.
func remove(ctx context.Context, control backend.Table, keys []backend.Key) error {
	for len(keys) > 0 {
		n := min(len(keys), backend.MaxBatchWrite)
		writes := make([]backend.Write, n)
		for i, key := range keys[:n] {
			writes[i].Delete = key
		}
		err := bounded(ctx, func(ctx context.Context) error {
			_, _, err := control.BatchWrite(ctx, writes)
			return err
		})
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}
