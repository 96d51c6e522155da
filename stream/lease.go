package stream

import (
	"context"
	"errors"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// leases reads and writes the shards' items of one stream for its owner.
type leases struct {
	control  backend.Table
	arn      string
	own      *ownership
	troubles *trouble.Work
}

// load reads all there are.
func (l *leases) load(ctx context.Context) (all []lease, err error) {
	do := func(ctx context.Context, call func(context.Context) error) error {
		return persist(ctx, l.troubles, "control table", true, call)
	}
	err = eachLease(ctx, l.control, l.arn, do, func(one lease) { all = append(all, one) })
	return all, err
}

// eachLease reads the leases of a stream. How a call is made and repeated is
// the caller's.
func eachLease(ctx context.Context, control backend.Table, arn string,
	do func(ctx context.Context, call func(context.Context) error) error, yield func(lease),
) error {
	q := backend.Query{PK: partition(arn), SKPrefix: shardPrefix, Consistent: true}
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
			one, err := decodeLease(item)
			if err != nil {
				return err
			}
			yield(one)
		}
		if page.Last == nil {
			return nil
		}
		q.After = *page.Last
	}
}

// take makes a lease ours, with the next epoch, on the condition of what was
// read. Where somebody was there in between, ownership is confirmed before the
// next try: a worker that was overtaken must not take a lease back.
func (l *leases) take(ctx context.Context, cur lease) (lease, error) {
	for {
		if err := l.own.hold(ctx); err != nil {
			return lease{}, err
		}
		next := cur
		next.worker, next.run, next.epoch = l.own.worker, l.own.run, cur.epoch+1
		var found *lease
		err := persist(ctx, l.troubles, cur.shard, false, func(ctx context.Context) (err error) {
			found, err = l.put(ctx, next, cur.unchanged())
			return err
		})
		if err != nil || found == nil {
			return next, err
		}
		if found.run == l.own.run {
			return *found, nil // the answer to our own put was lost
		}
		if err := persist(ctx, l.troubles, cur.shard, false, l.own.renew); err != nil {
			return lease{}, err
		}
		cur = *found
	}
}

// save replaces cur, which is ours, by next. It returns what stands in the
// table; a LostError if cur is not ours any more.
func (l *leases) save(ctx context.Context, cur, next lease) (lease, error) {
	for {
		found, err := l.put(ctx, next, cur.unchanged())
		if err != nil {
			return cur, err
		}
		if found == nil {
			return next, nil
		}
		if found.run != l.own.run || found.epoch != cur.epoch || found.same(cur) {
			return cur, l.own.lose(found.worker)
		}
		cur = *found // an earlier write of ours, whose answer was lost
	}
}

// put makes one attempt. Where the condition fails it returns what was found
// instead; an item that is gone is found with epoch zero.
func (l *leases) put(ctx context.Context, next lease, condition backend.Condition) (found *lease, err error) {
	_, err = l.control.Put(ctx, next.encode(leaseKey(l.arn, next.shard)), condition)
	var failed *backend.Error
	if !errors.As(err, &failed) || failed.Kind != backend.KindConditionFailed {
		return nil, err
	}
	if failed.Item == nil {
		return &lease{shard: next.shard, parent: next.parent}, nil
	}
	one, err := decodeLease(failed.Item)
	return &one, err
}

// forget removes finished leases. What could not be removed is tried again with
// the next listing.
func (l *leases) forget(ctx context.Context, shards []string) error {
	for len(shards) > 0 {
		n := min(len(shards), backend.MaxBatchWrite)
		writes := make([]backend.Write, n)
		for i, shard := range shards[:n] {
			writes[i].Delete = leaseKey(l.arn, shard)
		}
		err := bounded(ctx, func(ctx context.Context) error {
			_, _, err := l.control.BatchWrite(ctx, writes)
			return err
		})
		if err != nil {
			return err
		}
		shards = shards[n:]
	}
	return nil
}

// remember notes the stream in the control table, and returns the streams of
// the same table that were read before it, if it is new.
func (l *leases) remember(ctx context.Context, now time.Time) (older []string, err error) {
	key := backend.Key{PK: streamsPK, SK: l.arn}
	err = persist(ctx, l.troubles, "control table", true, func(ctx context.Context) error {
		item, _, err := l.control.Get(ctx, key)
		if err != nil || item != nil {
			return err
		}
		page, err := l.control.Query(ctx, backend.Query{PK: key.PK, SKPrefix: sameTable(l.arn), Consistent: true})
		if err != nil {
			return err
		}
		older = nil
		for _, item := range page.Items {
			older = append(older, backend.KeyOf(item).SK)
		}
		_, err = l.control.Put(ctx, backend.Item{
			backend.AttrPK: text(key.PK), backend.AttrSK: text(key.SK), attrFirstReadAt: stamp(now),
		}, backend.Condition{})
		return err
	})
	return older, err
}
