package lease

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errLost = &backend.Error{Op: "test", Kind: backend.KindUnavailable, Err: errors.New("the answer was lost")}

// rig is a control table that loses answers when it is told to.
type rig struct {
	t     *testing.T
	table backend.Table
	lose  atomic.Int64 // so many answers to come
}

func newRig(t *testing.T) *rig {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.CreateTable(t.Context(), backend.TableSpec{Name: "control", PartitionKey: "PK", SortKey: "SK"}); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	r.table = backend.Intercept(b.Table("control"), func(ctx context.Context, c *backend.TableCall, next func(context.Context) error) error {
		err := next(ctx)
		if err == nil && c.Op == "Put" && r.lose.Add(-1) >= 0 {
			return errLost
		}
		return err
	})
	return r
}

// store is the leases as one worker writes them.
func (r *rig) store(worker string) *Store {
	return &Store{
		Table: batch.Table{Table: r.table, Retry: retry.Policy{Attempts: 1}}, ID: GroupID{ARN: "arn", Name: "g"},
		Owner: Owner{Worker: worker, Session: worker + "'s session"}, Now: time.Now, Writes: new(atomic.Int64),
	}
}

func (r *rig) acquire(s *Store, l Lease) *Handle {
	r.t.Helper()
	h, err := s.Acquire(r.t.Context(), l)
	if err != nil || h == nil {
		r.t.Fatalf("acquired %v: %v", h, err)
	}
	return h
}

func (r *rig) wants(want string) {
	r.t.Helper()
	all, err := r.store("").Load(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	l := all["s"]
	if got := fmt.Sprintf("%s %d %q %v", l.Worker, l.Epoch, l.Checkpoint.Sequence, l.Finished); got != want {
		r.t.Errorf("the lease is %s, want %s", got, want)
	}
}

func at(sequence string) func() Progress {
	return func() Progress { return Progress{Checkpoint: Position{Sequence: sequence}} }
}

func TestSave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.acquire(r.store("one"), Lease{Shard: "s"})
	for _, c := range []struct {
		lose     int64
		progress Progress
		want     string
	}{
		{0, Progress{Checkpoint: Position{Sequence: "5"}}, `one 1 "5" false`},
		{1, Progress{Checkpoint: Position{Sequence: "6"}}, `one 1 "6" false`}, // written, and not known
		{0, Progress{Checkpoint: Position{Sequence: "7"}}, `one 1 "7" false`}, // finds its own write
		{0, Progress{Checkpoint: Position{Sequence: "7"}, Finished: true}, `one 1 "7" true`},
	} {
		r.lose.Store(c.lose)
		err := h.Save(t.Context(), func() Progress { return c.progress })
		if (err != nil) != (c.lose > 0) {
			t.Errorf("%s: %v", c.want, err)
		}
		r.wants(c.want)
	}
}

func TestLeaseThatIsAnothersIsNotWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.store("one"), r.store("two")
	h := r.acquire(one, Lease{Shard: "s"})
	r.acquire(two, h.Lease())
	if err := h.Save(t.Context(), at("5")); !errors.Is(err, ErrLost) {
		t.Errorf("error is %v", err)
	}
	if h, err := one.Acquire(t.Context(), Lease{Shard: "s"}); h != nil || err != nil {
		t.Errorf("a lease that two has is acquired: %v, %v", h, err)
	}
	r.wants(`two 2 "" false`)
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	for _, lose := range []int64{0, 1} {
		r := newRig(t)
		two := r.store("two")
		h := r.acquire(r.store("one"), Lease{Shard: "s"})
		r.lose.Store(lose)
		err := h.Transfer(t.Context(), at("5"), two.Owner)
		if lose > 0 {
			err = h.Transfer(t.Context(), at("5"), two.Owner)
		}
		if err != nil {
			t.Error(err)
		}
		if err := h.Save(t.Context(), at("6")); err != nil { // it is for the new owner to do again
			t.Error(err)
		}
		r.wants(`two 2 "5" false`)
	}
}

// A lease that an operator deleted, and the same session acquired anew, is not the
// old handle's, whose writes say less.
func TestHandleOfADeletedLease(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.store("one")
	old := r.acquire(one, Lease{Shard: "s"})
	if err := one.Delete(t.Context(), []string{"s"}); err != nil {
		t.Fatal(err)
	}
	if err := old.Save(t.Context(), at("5")); !errors.Is(err, ErrLost) {
		t.Errorf("without the item: %v", err)
	}
	h := r.acquire(one, Lease{Shard: "s"})
	if err := h.Save(t.Context(), at("9")); err != nil {
		t.Fatal(err)
	}
	if err := old.Save(t.Context(), at("5")); !errors.Is(err, ErrLost) {
		t.Errorf("beside the new item: %v", err)
	}
	r.wants(`one 1 "9" false`)
}

// The leader creates the lease of a child while the worker that has read its
// parent is about to acquire it.
func TestAcquireAChildThatTheLeaderHasCreated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	child := Lease{Shard: "s", Parent: "p"}
	if _, err := r.store("leader").Create(t.Context(), child); err != nil {
		t.Fatal(err)
	}
	r.acquire(r.store("one"), child)
	r.wants(`one 2 "" false`)
	found, err := r.store("leader").Create(t.Context(), child)
	if err != nil || found.Worker != "one" {
		t.Errorf("created again: %+v, %v", found, err)
	}
}

// A save that was overtaken is not adopted: by another session that has the item
// anew under the same epoch, or by the same session under a later one, since the
// lease went to another worker and came back.
func TestSaveThatWasOvertaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		overtake func(r *rig, one, two *Store, old *Handle)
		want     string
	}{
		"by a session of the same epoch": {func(r *rig, one, two *Store, old *Handle) {
			if err := one.Delete(t.Context(), []string{"s"}); err != nil {
				t.Fatal(err)
			}
			r.acquire(two, Lease{Shard: "s"})
		}, `two 1 "" false`},
		"by the same session later": {func(r *rig, one, two *Store, old *Handle) {
			if err := r.acquire(two, old.Lease()).Transfer(t.Context(), at(""), one.Owner); err != nil {
				t.Fatal(err)
			}
		}, `one 3 "" false`},
	} {
		r := newRig(t)
		one, two := r.store("one"), r.store("two")
		old := r.acquire(one, Lease{Shard: "s"})
		c.overtake(r, one, two, old)
		if err := old.Save(t.Context(), at("5")); !errors.Is(err, ErrLost) {
			t.Errorf("%s: error is %v", name, err)
		}
		r.wants(c.want)
	}
}

// A lease that is finished stays so, and one that notes a loss is moved back by that
// alone.
func TestWhatIsFoundSaysMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		found, next Lease
		want        bool
	}{
		"as far":              {Lease{Checkpoint: Position{Sequence: "5"}}, Lease{Checkpoint: Position{Sequence: "5"}}, false},
		"further":             {Lease{Checkpoint: Position{Sequence: "10"}}, Lease{Checkpoint: Position{Sequence: "9"}}, true},
		"less far":            {Lease{Checkpoint: Position{Sequence: "9"}}, Lease{Checkpoint: Position{Sequence: "10"}}, false},
		"finished":            {Lease{Finished: true}, Lease{Checkpoint: Position{Sequence: "5"}}, true},
		"both are finished":   {Lease{Finished: true}, Lease{Finished: true}, false},
		"further before loss": {Lease{Checkpoint: Position{Sequence: "10"}}, Lease{Checkpoint: Position{Sequence: "9"}, Lost: "a loss"}, false},
	} {
		if got := c.found.beyond(c.next); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
