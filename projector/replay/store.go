package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/option"
)

// NotFoundError says that there is no replay of a name.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no replay named %q: `postroom replay list` lists those that there are", e.Name)
}

func isGone(err error) bool {
	_, gone := errors.AsType[*NotFoundError](err)
	return gone
}

// DiffersError says that a replay of the name was created with another definition.
type DiffersError struct{ Name, Difference string }

func (e *DiffersError) Error() string {
	return fmt.Sprintf("there is a replay named %q already, with another %s: give this one another name, or resume that one", e.Name, e.Difference)
}

var (
	// errOvertaken says that somebody else has written the item meanwhile: look again.
	errOvertaken = errors.New("somebody else has written the replay meanwhile")
	// ErrStopped says that somebody has stopped the replay.
	ErrStopped = errors.New("the replay was stopped")
	// ErrDone says that a replay cannot be stopped or resumed, since it is done.
	ErrDone = errors.New("the replay is done")
)

// Create stores a replay, and returns it as it is stored: if it was created before with
// the same definition, as it is by now. With another one the error is a [DiffersError].
func Create(ctx context.Context, control backend.Table, r Replay) (Replay, error) {
	found, err := conditional.Put(ctx, batch.NewTable(control), r.encode(), backend.Condition{Absent: true}, decode)
	switch {
	case err != nil || found == nil:
		return r, err
	case found.Name == "":
		return r, errOvertaken // it was there, and is not any more
	}
	if difference := found.Difference(r.Definition); difference != "" {
		return *found, &DiffersError{r.Name, difference}
	}
	return *found, nil
}

// Load reads a replay. If there is none the error is a [NotFoundError].
func Load(ctx context.Context, control backend.Table, name string) (Replay, error) {
	return load(ctx, batch.NewTable(control), name)
}

func load(ctx context.Context, table batch.Table, name string) (Replay, error) {
	it, err := table.Get(ctx, keyOf(name))
	if err != nil {
		return Replay{}, err
	}
	if it == nil {
		return Replay{}, &NotFoundError{name}
	}
	r, err := decode(it)
	if item.AsDamaged(err) != nil {
		return r, fmt.Errorf("%w: `postroom repair` removes it", err)
	}
	return r, err
}

// List reads all replays, in the order of their names, and the items that are damaged.
func List(ctx context.Context, control backend.Table) ([]Replay, []*item.DamageError, error) {
	return item.DecodeAll(batch.NewTable(control).Query(ctx, backend.Query{PK: partition, Consistent: true}), decode)
}

// Stop has everybody who carries a replay out stop within seconds. It goes on once it is
// resumed. One that is done stays so: the error is [ErrDone].
func Stop(ctx context.Context, control backend.Table, name string) (Replay, error) {
	return update(ctx, control, name, func(r *Replay) error {
		if r.State == Done {
			return ErrDone
		}
		r.State, r.Holder = Stopped, ""
		return nil
	})
}

// Resume has a replay go on, at another rate, up to [MaxRate], unless that is 0. Whoever
// carries it out goes on at that rate. One that is done stays so: the error is [ErrDone].
func Resume(ctx context.Context, control backend.Table, name string, rate int) (Replay, error) {
	if err := option.Check("replay", "rate", rate, 0, MaxRate); err != nil {
		return Replay{}, err
	}
	return update(ctx, control, name, func(r *Replay) error {
		if r.State == Done {
			return ErrDone
		}
		if rate > 0 && rate != r.Rate || r.State == Stopped {
			r.Holder = ""
		}
		if r.State = Running; rate > 0 {
			r.Rate = rate
		}
		return nil
	})
}

// maxUpdates is how often in a row others may come between reading an item and writing
// it: whoever carries the replay out writes once a second.
const maxUpdates = 20

// update changes a replay as it is. Where that changes nothing, whoever carries it out is not
// disturbed by a write.
func update(ctx context.Context, control backend.Table, name string, change func(*Replay) error) (Replay, error) {
	table := batch.NewTable(control)
	for n := 1; ; n++ {
		before, err := load(ctx, table, name)
		if err != nil {
			return before, err
		}
		r := before
		if err := change(&r); err != nil || reflect.DeepEqual(r, before) {
			return before, err
		}
		r.writer = rand.Text()
		r, err = write(ctx, table, before, r)
		if !errors.Is(err, errOvertaken) || n == maxUpdates {
			return r, err
		}
	}
}

// write replaces a replay by what becomes of it, unless somebody has written it since it
// was read: then the error is errOvertaken, unless it was our own write whose answer was
// lost.
func write(ctx context.Context, table batch.Table, before, r Replay) (Replay, error) {
	r.version, r.UpdatedAt = before.version+1, time.Now()
	found, err := conditional.Put(ctx, table, r.encode(), before.unchanged(), decode)
	switch {
	case found == nil:
		return r, err
	case err == nil && found.writer == r.writer && found.version == r.version:
		return r, nil
	}
	return r, errOvertaken
}

// Repair returns how to repair an item of the control table; nil: it is good, or no
// replay. The error is that of a newer format.
func Repair(it backend.Item) (*item.Repair, error) {
	if backend.KeyOf(it).PK != partition {
		return nil, nil
	}
	_, err := decode(it)
	return item.Deletion(item.AsDamaged(err), err, "the replay is forgotten: begin it anew where it is wanted")
}
