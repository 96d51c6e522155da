package lease

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/conditional"
)

// Store reads and writes the leases of one stream on behalf of one session.
type Store struct {
	Table  batch.Table
	ID     GroupID
	Owner  Owner            // this session; not needed to read
	Now    func() time.Time // the wall clock, for FinishedAt
	Writes *atomic.Int64    // counts the writes that were answered
}

// Load reads all leases, by shard, the damaged ones included.
func (s *Store) Load(ctx context.Context) (map[string]Lease, error) {
	all := make(map[string]Lease)
	for it, err := range s.Table.Query(ctx, backend.Query{PK: s.ID.Partition(), SKPrefix: shardPrefix, Consistent: true}) {
		if err != nil {
			return nil, err
		}
		one, err := Decode(it)
		if err != nil {
			return nil, err
		}
		all[one.Shard] = one
	}
	return all, nil
}

// Create writes the lease of a shard that has none, and returns the lease that
// the shard has then: another worker may have been faster.
func (s *Store) Create(ctx context.Context, l Lease) (Lease, error) {
	l.Epoch = 1
	return s.put(ctx, Lease{Shard: l.Shard}, l)
}

// Acquire makes this session the owner of a lease that was read, or of the lease of
// a shard that has none yet (Epoch 0). If the lease has changed meanwhile and is
// free, it is acquired as it is now: the leader may have created it. Acquire
// returns nil if another session has the lease, or nothing is left to acquire.
func (s *Store) Acquire(ctx context.Context, cur Lease) (*Handle, error) {
	for {
		next := cur
		next.Owner, next.Epoch = s.Owner, cur.Epoch+1
		found, err := s.put(ctx, cur, next)
		switch {
		case err != nil:
			return nil, err
		case found.OwnedBy(s.Owner.Session) && !found.Finished:
			return s.Handle(found), nil
		case found.Damaged != nil || found.Worker != "" || found.Finished || found.Epoch == 0 || found.Epoch == cur.Epoch:
			return nil, nil
		}
		cur = found
	}
}

// Delete removes leases.
func (s *Store) Delete(ctx context.Context, shards []string) error {
	keys := make([]backend.Key, len(shards))
	for i, shard := range shards {
		keys[i] = Key(s.ID, shard)
	}
	return s.Table.Delete(ctx, keys)
}

// put replaces cur by next if it is still there, and returns the lease that is
// there then: next, or what was found instead, with epoch 0 if that is nothing.
func (s *Store) put(ctx context.Context, cur, next Lease) (Lease, error) {
	found, err := conditional.Put(ctx, s.Table, next.Encode(s.ID), cur.unchanged(), Decode)
	if err != nil {
		return cur, err
	}
	s.Writes.Add(1)
	switch {
	case found == nil:
		return next, nil
	case found.Epoch == 0 && found.Damaged == nil:
		found.Shard, found.Parent = next.Shard, next.Parent
	}
	return *found, nil
}
