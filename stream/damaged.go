package stream

import (
	"cmp"
	"slices"

	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/shard"
)

// DamageError is an item of the control table that cannot be read, since somebody has
// changed it. As an error it names the item, and what is wrong with it. If it Blocks,
// it is the lease of a shard, and neither that shard nor its children are read.
type DamageError = item.DamageError

// Damaged returns the items that this worker has found to be damaged when it last
// read them, in the order of their keys. All are left aside, and logged once. It may
// be called concurrently with Run.
func (r *Reader) Damaged() []*DamageError { return r.aside.All() }

// suspension is that of a shard whose lease can be read, and has a checkpoint that the
// stream does not know.
type suspension struct {
	checkpoint string
	damage     *item.DamageError
}

// suspend stops reading a shard until its lease has another checkpoint.
func (s *session) suspend(one *shard.Shard, damage *item.DamageError) {
	s.mu.Lock()
	s.suspended[one.ID] = suspension{one.Checkpoint(), damage}
	s.mu.Unlock()
	s.stopReading(one)
	retry.Wake(s.lookNow)
}

// leaveAside makes the leases of suspended shards damaged ones, and notes all that are
// damaged.
func (s *session) leaveAside(leases map[string]lease.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, d := range s.suspended {
		if leases[id].Checkpoint.Sequence == d.checkpoint && leases[id].OwnedBy(s.self.Session) {
			leases[id] = lease.Lease{Shard: id, Parent: leases[id].Parent, Damaged: d.damage}
		} else {
			delete(s.suspended, id)
		}
	}
	s.aside.Set("leases", damagedLeases(leases))
}

// damagedLeases returns those of all leases that are damaged.
func damagedLeases(leases map[string]lease.Lease) (all []*item.DamageError) {
	for _, l := range leases {
		if l.Damaged != nil {
			all = append(all, l.Damaged)
		}
	}
	slices.SortFunc(all, func(a, b *item.DamageError) int { return cmp.Compare(a.Key.SK, b.Key.SK) })
	return all
}
