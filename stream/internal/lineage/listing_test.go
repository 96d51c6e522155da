package lineage

import (
	"fmt"
	"testing"

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
