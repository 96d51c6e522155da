package lineage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

// pagePause keeps listings below the ten DescribeStream calls a second that an
// account has. Source: DynamoDB Streams API reference.
const pagePause = 100 * time.Millisecond

// Listing is what one pass over the list of shards found.
type Listing struct {
	ARN      string
	Disabled bool // the stream is switched off
	Shards   []backend.Shard
	Complete bool // no page is missing
	Pages    int64
}

// List reads the pages of the list of shards, each with one call of the policy. On
// an error it returns with it what was found so far.
func List(ctx context.Context, s backend.Stream, call retry.Policy) (Listing, error) {
	var l Listing
	seen := make(map[string]bool)
	for after := ""; ; {
		page, err := retry.Once(ctx, call, func(ctx context.Context) (backend.ShardPage, error) { return s.Shards(ctx, after) })
		l.Pages++
		if err != nil {
			return l, err
		}
		if l.ARN != "" && page.StreamARN != l.ARN {
			return l, fmt.Errorf("list shards: the stream changed from %s to %s meanwhile", l.ARN, page.StreamARN)
		}
		l.ARN, l.Disabled = page.StreamARN, page.Disabled
		l.Shards = append(l.Shards, page.Shards...)
		if page.Last == "" {
			l.Complete = true
			return l, nil
		}
		if seen[page.Last] {
			return l, fmt.Errorf("list shards: the cursor %q came twice", page.Last)
		}
		seen[page.Last] = true
		after = page.Last
		if err := retry.Sleep(ctx, pagePause, nil); err != nil {
			return l, err
		}
	}
}

// newGenerations returns the listed shards without a lease, each generation after
// its parents'. A shard whose parent is neither known nor listed waits for a
// complete listing to say that the parent is gone.
func (l Listing) newGenerations(known map[string]lease.Lease) (all [][]backend.Shard) {
	fresh := map[string]backend.Shard{}
	for _, s := range l.Shards {
		if _, ok := known[s.ID]; !ok {
			fresh[s.ID] = s
		}
	}
	for len(fresh) > 0 {
		var generation []backend.Shard
		for _, s := range fresh {
			_, parentFresh := fresh[s.Parent]
			_, parentKnown := known[s.Parent]
			if !parentFresh && (parentKnown || l.Complete || s.Parent == "") || s.Parent == s.ID {
				generation = append(generation, s)
			}
		}
		if len(generation) == 0 {
			break // the rest waits
		}
		slices.SortFunc(generation, func(a, b backend.Shard) int { return cmp.Compare(a.ID, b.ID) })
		if !l.Complete { // their children's parents are known from here on
			known = maps.Clone(known)
		}
		for _, s := range generation {
			delete(fresh, s.ID)
			if !l.Complete {
				known[s.ID] = lease.Lease{Shard: s.ID}
			}
		}
		all = append(all, generation)
	}
	return all
}

// childless reports whether the children of a finished shard are not known yet.
func childless(known map[string]lease.Lease) bool {
	parents := Parents(known)
	for id, l := range known {
		if l.Finished && !parents[id] {
			return true
		}
	}
	return false
}

// Parents returns the shards that are some lease's parent.
func Parents(known map[string]lease.Lease) map[string]bool {
	parents := make(map[string]bool, len(known))
	for _, l := range known {
		parents[l.Parent] = true
	}
	return parents
}
