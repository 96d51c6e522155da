package rebuild

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/option"
)

const (
	// kept is how many rebuilds that have ended are remembered.
	kept = 20
	// segments is how many parts of the table a rebuild reads side by side.
	segments = 4
)

// errOvertaken says that somebody else has written a rebuild's item meanwhile: look
// again.
var errOvertaken = errors.New("the rebuild is carried out by another worker, or was stopped or resumed")

// Start asks for a rebuild at a rate of so many capacity units a second, 1 to [MaxRate].
// The leader of the worker group, or whoever runs [Rebuilder.Lead], carries out those
// that were asked for one after the other. Expected is as [Estimate] says.
func Start(ctx context.Context, control backend.Table, scope Scope, rate int, expected int64) (Job, error) {
	scope, err := scope.normal()
	if err := errors.Join(err, option.Check("rebuild", "rate", rate, 1, MaxRate)); err != nil {
		return Job{}, err
	}
	now := time.Now()
	j := Job{
		ID: strings.ToLower(rand.Text()[:8]), Scope: scope, Rate: rate, State: Running, AskedAt: now, UpdatedAt: now,
		Expected: expected, writer: rand.Text(),
	}
	if len(scope.Groups) == 0 {
		j.segments = make([]longscan.Segment, segments)
	}
	s := store{batch.NewTable(control)}
	if err := s.forget(ctx); err != nil {
		return Job{}, err
	}
	return j, s.write(ctx, j, backend.Condition{Absent: true})
}

// Read returns all rebuilds in the order in which they were asked for, and those items
// that are damaged.
func Read(ctx context.Context, control backend.Table) ([]Job, []*item.DamageError, error) {
	return store{batch.NewTable(control)}.read(ctx)
}

// Stop stops a rebuild: whoever carries it out notices that within about a second. One
// that has ended is left as it is.
func Stop(ctx context.Context, control backend.Table, id string) (Job, error) {
	return change(ctx, control, id, func(j *Job) bool {
		if j.State != Running {
			return false
		}
		j.State, j.EndedAt = Stopped, time.Now()
		return true
	})
}

// Resume has a rebuild that was stopped go on where it was, at a rate; 0: the same as
// before. One that runs goes on at the rate. One that is done is left as it is.
func Resume(ctx context.Context, control backend.Table, id string, rate int) (Job, error) {
	if err := option.Check("rebuild", "rate", rate, 0, MaxRate); err != nil {
		return Job{}, err
	}
	return change(ctx, control, id, func(j *Job) bool {
		if j.State == Done || j.State == Running && (rate == 0 || rate == j.Rate) {
			return false
		}
		option.Default(&rate, j.Rate)
		j.State, j.EndedAt, j.Rate = Running, time.Time{}, rate
		return true
	})
}

// UnknownError means that there is no rebuild of that name.
type UnknownError struct{ ID string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no rebuild %q", e.ID) }

// change changes a rebuild, whoever else writes it meanwhile.
func change(ctx context.Context, control backend.Table, id string, how func(*Job) bool) (Job, error) {
	s, writer := store{batch.NewTable(control)}, rand.Text()
	for {
		it, err := s.table.Get(ctx, Job{ID: id}.key())
		if err != nil {
			return Job{}, err
		}
		if it == nil {
			return Job{}, &UnknownError{id}
		}
		j, err := decode(it)
		if err != nil {
			return Job{}, err
		}
		before := j.unchanged()
		if !how(&j) {
			return j, nil
		}
		j.version++
		j.writer, j.Worker = writer, ""
		if err := s.write(ctx, j, before); !errors.Is(err, errOvertaken) {
			return j, err
		}
	}
}

// store is the part of the control table that rebuilds own.
type store struct{ table batch.Table }

func (s store) read(ctx context.Context) ([]Job, []*item.DamageError, error) {
	all, damaged, err := item.DecodeAll(s.table.Query(ctx, backend.Query{PK: partition, Consistent: true}), decode)
	slices.SortStableFunc(all, func(a, b Job) int { return a.AskedAt.Compare(b.AskedAt) })
	return all, damaged, err
}

// write writes a rebuild. The error is errOvertaken if the condition fails, unless it was
// our own write whose answer was lost.
func (s store) write(ctx context.Context, j Job, c backend.Condition) error {
	found, err := conditional.Put(ctx, s.table, j.encode(), c, decode)
	switch {
	case found == nil:
		return err
	case err == nil && found.writer == j.writer && found.version == j.version && found.State == j.State:
		return nil
	}
	return errOvertaken
}

// forget deletes the rebuilds that ended longest ago, so that only so many are left.
func (s store) forget(ctx context.Context) error {
	all, _, err := s.read(ctx)
	if err != nil {
		return err
	}
	ended := slices.DeleteFunc(all, func(j Job) bool { return j.State == Running })
	slices.SortStableFunc(ended, func(a, b Job) int { return b.EndedAt.Compare(a.EndedAt) })
	var old []backend.Key
	for _, j := range ended[min(kept, len(ended)):] {
		old = append(old, j.key())
	}
	return s.table.Delete(ctx, old)
}

// Repair returns how to repair an item of the control table; nil: it is good, or not a
// rebuild. The error is that of a newer format.
func Repair(it backend.Item) (*item.Repair, error) {
	if key := backend.KeyOf(it); key.PK != partition {
		return nil, nil
	}
	_, err := decode(it)
	return item.Deletion(item.AsDamaged(err), err, "the rebuild is forgotten: start it again")
}
