package lineage

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

func TestS3LeasesAreCreatedParentsFirst(t *testing.T) {
	t.Parallel()
	shards := func(pairs ...string) (all []backend.Shard) { // "child<parent"
		for _, p := range pairs {
			s := backend.Shard{ID: p[:1]}
			if len(p) > 1 {
				s.Parent = p[2:]
			}
			all = append(all, s)
		}
		return all
	}
	for name, c := range map[string]struct {
		listed   []backend.Shard
		known    []string
		complete bool
		want     string
	}{
		"all known":                    {shards("a", "b<a"), []string{"a", "b"}, true, "[]"},
		"three generations":            {shards("c<b", "b<a", "a", "d<a"), nil, true, "[[a] [b d] [c]]"},
		"a parent that is gone":        {shards("b<a"), nil, true, "[[b]]"},
		"or may be on a missing page":  {shards("b<a", "c<b", "d"), nil, false, "[[d]]"},
		"a known parent":               {shards("b<a", "c<b"), []string{"a"}, false, "[[b] [c]]"},
		"its own parent":               {shards("a<a"), nil, true, "[[a]]"},
		"a circle waits for ever":      {shards("a<b", "b<a"), nil, true, "[]"},
		"nothing is listed":            {nil, nil, true, "[]"},
		"a parent on the same page":    {shards("b<a", "a"), nil, false, "[[a] [b]]"},
		"the child of a child of gone": {shards("c<b", "b<a"), nil, true, "[[b] [c]]"},
	} {
		known := map[string]lease.Lease{}
		for _, id := range c.known {
			known[id] = lease.Lease{Shard: id}
		}
		got := [][]string{}
		for _, generation := range (Listing{Shards: c.listed, Complete: c.complete}).newGenerations(known) {
			var ids []string
			for _, s := range generation {
				ids = append(ids, s.ID)
			}
			got = append(got, ids)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
		if len(known) != len(c.known) {
			t.Errorf("%s: the leases were changed", name)
		}
	}
}

// TestLeasesMayBeFree: this worker looks at the leases where one was created, or has
// none to read its shard, and not otherwise.
func TestLeasesMayBeFree(t *testing.T) {
	t.Parallel()
	one := lease.Owner{Worker: "one", Session: "one's session"}
	for name, c := range map[string]struct {
		listed         []backend.Shard
		leases         map[string]lease.Lease
		free, notified int
	}{
		"a new shard":     {[]backend.Shard{{ID: "a"}}, map[string]lease.Lease{}, 1, 1},
		"nobody reads it": {[]backend.Shard{{ID: "a"}}, map[string]lease.Lease{"a": {Shard: "a"}}, 1, 0},
		"one reads it":    {[]backend.Shard{{ID: "a"}}, map[string]lease.Lease{"a": {Shard: "a", Owner: one}}, 0, 0},
	} {
		free, notified := 0, 0
		s := &Sync{
			Leases: newLeases(t), Writers: 1, Now: time.Now, known: &History{ListedAt: time.Now()}, Free: func() { free++ },
			Notify: func(context.Context) error { notified++; return nil },
		}
		if err := s.create(t.Context(), Listing{Shards: c.listed, Complete: true}, c.leases); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if free != c.free || notified != c.notified {
			t.Errorf("%s: free %d times, others notified %d times, want %d and %d", name, free, notified, c.free, c.notified)
		}
	}
}
