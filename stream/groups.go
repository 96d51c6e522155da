package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
)

// GroupStatus is one group that reads a stream, or has read it.
type GroupStatus struct {
	Group   string
	Start   Start     // where it began, with the time that this means
	BegunAt time.Time // by the clock of the worker that led it first
	Until   time.Time // up to which it reads; zero: without end
	DoneAt  time.Time // when it had, and all was acknowledged; zero: it has not
	// Workers is how many have a heartbeat; those that have crashed have one until
	// another worker of the group expires them.
	Workers  int
	Shards   int            // that it knows
	Finished int            // of them: read to the end, and all acknowledged
	Damaged  []*DamageError // items of the group that cannot be read
}

// ReadGroups returns the groups that read the table's stream, or have read it, in the
// order of their names. It disturbs none.
func ReadGroups(ctx context.Context, s backend.Stream, control backend.Table) ([]GroupStatus, error) {
	page, err := s.Shards(ctx, "")
	if err != nil {
		return nil, err
	}
	return readGroups(ctx, control, page.StreamARN, nil)
}

// Groups returns what [ReadGroups] returns of the stream, and reads nothing again that s
// holds of its own group.
func (s *Status) Groups(ctx context.Context, control backend.Table) ([]GroupStatus, error) {
	return readGroups(ctx, control, s.StreamARN, s)
}

// readGroups reads the groups of a stream, but for what is known of one; nil: nothing is.
func readGroups(ctx context.Context, control backend.Table, arn string, known *Status) ([]GroupStatus, error) {
	table := batch.Table{Table: control, Retry: once()}
	groups, err := lineage.Groups(ctx, table, arn)
	if err != nil {
		return nil, err
	}
	var all []GroupStatus
	for _, g := range groups {
		if g.ID.ARN != arn {
			continue
		}
		one := GroupStatus{Group: g.ID.Name, Start: Start(g.History.Start), BegunAt: g.History.FirstReadAt, Until: g.History.Until, DoneAt: g.History.DoneAt}
		if known != nil && known.Group == g.ID.Name {
			known.sumUp(&one)
		} else if err := one.read(ctx, table, g.ID); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// sumUp takes from the status of a group what is said of it among others.
func (s *Status) sumUp(one *GroupStatus) {
	one.Workers, one.Shards, one.Damaged = len(s.Workers), s.leases, s.Damaged
	for _, sh := range s.Shards {
		if sh.Finished {
			one.Finished++
		}
	}
}

// read reads the workers and leases of a group.
func (one *GroupStatus) read(ctx context.Context, table batch.Table, id lease.GroupID) error {
	workers, err := membership.Member{Table: table, ID: id}.Workers(ctx)
	if err != nil {
		return err
	}
	for _, w := range workers {
		if w.Damaged != nil {
			one.Damaged = append(one.Damaged, w.Damaged)
		} else if !w.Expired {
			one.Workers++
		}
	}
	leases := lease.Store{Table: table, ID: id}
	shards, err := leases.Load(ctx)
	if err != nil {
		return err
	}
	one.Shards, one.Damaged = len(shards), append(one.Damaged, damagedLeases(shards)...)
	for _, l := range shards {
		if l.Finished {
			one.Finished++
		}
	}
	return nil
}

// GroupAliveError says that a group cannot be removed, since a worker of it is alive.
type GroupAliveError struct{ Group, Worker string }

func (e *GroupAliveError) Error() string {
	return fmt.Sprintf("group %s: its worker %s is alive: stop all its workers first", e.Group, e.Worker)
}

// RemoveGroup deletes all that a group keeps in the control table of the streams of a
// table: a group of that name begins anew. While a worker of it is alive it returns a
// [GroupAliveError]; where one has crashed, it waits until the lease duration is over.
// None may be started meanwhile. It may be called again after an error, and of a group
// that there is not it does nothing. The default group cannot be removed.
func RemoveGroup(ctx context.Context, s backend.Stream, control backend.Table, group string) error {
	if err := CheckGroup(group); err != nil {
		return err
	}
	if group == DefaultGroup {
		return fmt.Errorf("the group %s cannot be removed: it would begin anew, and do everything again that the stream holds", group)
	}
	page, err := s.Shards(ctx, "")
	if err != nil {
		return err
	}
	table := batch.Table{Table: control, Retry: policy()}
	known, err := lineage.Groups(ctx, table, page.StreamARN)
	if err != nil {
		return err
	}
	for _, g := range known {
		if g.ID.Name != group {
			continue
		}
		if err := removeGroup(ctx, table, g.ID); err != nil {
			return err
		}
	}
	return nil
}

// removeGroup deletes what a group keeps of one stream. Its history is the last, so that
// the group is still known if this is interrupted.
func removeGroup(ctx context.Context, table batch.Table, id lease.GroupID) error {
	quiet := membership.NewWatch(membership.Member{Table: table, ID: id, LeaseDuration: defaultLease})
	for {
		alive, silent, err := quiet.Look(ctx)
		switch {
		case err != nil:
			return err
		case alive != "":
			return &GroupAliveError{Group: id.Name, Worker: alive}
		case silent:
			var keys []backend.Key
			for it, err := range table.Query(ctx, backend.Query{PK: id.Partition(), Consistent: true}) {
				if err != nil {
					return err
				}
				keys = append(keys, backend.KeyOf(it))
			}
			if err := table.Delete(ctx, keys); err != nil {
				return err
			}
			return table.Delete(ctx, []backend.Key{lineage.HistoryKey(id)})
		}
		if err := retry.Sleep(ctx, time.Second, nil); err != nil {
			return err
		}
	}
}
