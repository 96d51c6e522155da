package lineage

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

// newLeases is the leases of a control table that holds nothing.
func newLeases(t *testing.T) *lease.Store {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.CreateTable(t.Context(), backend.TableSpec{Name: "control", PartitionKey: "PK", SortKey: "SK"}); err != nil {
		t.Fatal(err)
	}
	return &lease.Store{
		Table: batch.Table{Table: b.Table("control"), Retry: retry.Policy{Attempts: 1}}, ID: lease.GroupID{ARN: "arn", Name: "g"},
		Now: time.Now, Writes: new(atomic.Int64),
	}
}

// TestS19CleanUp deletes the lease of a finished shard once nobody needs it: while its
// child waits for somebody to read it, the child could not tell without it that the
// parent was read to its end.
func TestS19CleanUp(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	one := lease.Owner{Worker: "one", Session: "one's session"}
	served := lease.Lease{Shard: "a", Owner: one, Finished: true, FinishedAt: now.Add(-keepFinished - 1)}
	child := func(l lease.Lease) lease.Lease { l.Shard, l.Parent = "b", "a"; return l }
	for name, c := range map[string]struct {
		leases []lease.Lease
		listed []backend.Shard
		want   []string
	}{
		"it has served":                 {[]lease.Lease{served}, nil, nil},
		"it is listed":                  {[]lease.Lease{served}, []backend.Shard{{ID: "a"}}, []string{"a"}},
		"it was finished just now":      {[]lease.Lease{{Shard: "a", Owner: one, Finished: true, FinishedAt: now.Add(-keepFinished)}}, nil, []string{"a"}},
		"it is not finished":            {[]lease.Lease{{Shard: "a", Owner: one}}, nil, []string{"a"}},
		"its child waits":               {[]lease.Lease{served, child(lease.Lease{})}, nil, []string{"a", "b"}},
		"its child is read":             {[]lease.Lease{served, child(lease.Lease{Owner: one})}, nil, []string{"b"}},
		"its child is finished unowned": {[]lease.Lease{served, child(lease.Lease{Finished: true, FinishedAt: now})}, nil, []string{"b"}},
	} {
		s := &Sync{Leases: newLeases(t), Now: func() time.Time { return now }}
		leases := map[string]lease.Lease{}
		for _, l := range c.leases {
			leases[l.Shard] = l
			if _, err := s.Leases.Create(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		err := s.cleanUp(t.Context(), Listing{Shards: c.listed}, leases)
		left, failed := s.Leases.Load(t.Context())
		if err := errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(left))); diff != "" {
			t.Errorf("%s: leases (-want +got):\n%s", name, diff)
		}
	}
}

// TestS24ReadUpTo: of an older stream everything was read up to the least that is said
// of a shard that was not read to its end, and if all were, up to the last of them.
func TestS24ReadUpTo(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	at := func(id string, seconds int, finished bool) lease.Lease {
		l := lease.Lease{Shard: id, Finished: finished, Checkpoint: lease.Position{At: base.Add(time.Duration(seconds) * time.Second)}}
		if finished {
			l.FinishedAt = base.Add(time.Hour)
		}
		return l
	}
	for name, c := range map[string]struct {
		leases []lease.Lease
		want   time.Time
	}{
		"no lease":         {nil, time.Time{}},
		"open shards":      {[]lease.Lease{at("a", 7, false), at("b", 5, false)}, base.Add(5 * time.Second)},
		"a finished shard": {[]lease.Lease{at("a", 7, true)}, base.Add(7 * time.Second)},
		"finished shards":  {[]lease.Lease{at("a", 7, true), at("b", 5, true)}, base.Add(7 * time.Second)},
		"a damaged one": {
			[]lease.Lease{at("a", 7, true), at("b", 5, false), {Shard: "c", Damaged: &item.DamageError{}}}, time.Time{},
		},
		"an open one left": {[]lease.Lease{at("a", 7, true), at("b", 5, false), at("c", 1, true)}, base.Add(5 * time.Second)},
	} {
		all := map[string]lease.Lease{}
		for _, l := range c.leases {
			all[l.Shard] = l
		}
		if got := readUpTo(all); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestS24OlderStreamCannotBeRead: without an answer nothing is recorded of a stream that
// replaces another, and it is looked at again.
func TestS24OlderStreamCannotBeRead(t *testing.T) {
	t.Parallel()
	leases := newLeases(t)
	fails := &backend.Error{Op: "test", Kind: backend.KindUnavailable}
	leases.Table.Table = backend.Intercept(leases.Table.Table, func(context.Context, *backend.TableCall, func(context.Context) error) error {
		return fails
	})
	s := &Sync{Leases: leases, Now: time.Now, Record: func(_ context.Context, loss *LossError) (bool, error) {
		t.Errorf("recorded is %v", loss)
		return true, nil
	}}
	if err := s.reportBeginning(t.Context(), "arn", []string{"old"}, History{}); !errors.Is(err, fails) {
		t.Errorf("error is %v", err)
	}
}
