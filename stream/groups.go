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
	table := batch.Table{Table: control, Retry: once()}
	known, err := lineage.Groups(ctx, table, page.StreamARN)
	if err != nil {
		return nil, err
	}
	var all []GroupStatus
	for _, g := range known {
		if g.ID.ARN != page.StreamARN {
			continue
		}
		one, err := groupStatus(ctx, table, g)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func groupStatus(ctx context.Context, table batch.Table, g lineage.Group) (GroupStatus, error) {
	one := GroupStatus{Group: g.ID.Name, Start: Start(g.History.Start), BegunAt: g.History.FirstReadAt, Until: g.History.Until, DoneAt: g.History.DoneAt}
	workers, err := membership.Member{Table: table, ID: g.ID}.Workers(ctx)
	if err != nil {
		return one, err
	}
	for _, w := range workers {
		if w.Damaged != nil {
			one.Damaged = append(one.Damaged, w.Damaged)
		} else if !w.Expired {
			one.Workers++
		}
	}
	leases := lease.Store{Table: table, ID: g.ID}
	shards, err := leases.Load(ctx)
	if err != nil {
		return one, err
	}
	one.Shards, one.Damaged = len(shards), append(one.Damaged, damagedLeases(shards)...)
	for _, l := range shards {
		if l.Finished {
			one.Finished++
		}
	}
	return one, nil
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
