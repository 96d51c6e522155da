package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/projection"
)

const (
	// readers is how many segments of a scan are read at the same time.
	readers = 4
	// sampled is how many segments a sample consists of: enough that they lie all over
	// the table, and few calls where it is small.
	sampled = 16
	// maxSegments is the limit of a parallel scan. Source: DynamoDB API reference, Scan.
	maxSegments = 1_000_000

	// LeastSample is the least share of a table that can be a sample.
	LeastSample = float64(sampled) / maxSegments
)

// look looks at everything that there is to look at, once.
func (v *verifier) look(ctx context.Context) error {
	switch {
	case len(v.opts.Groups) > 0:
		for _, group := range v.opts.Groups {
			if err := v.lookAt(ctx, group); err != nil {
				return err
			}
		}
		return nil
	case len(v.opts.Users) > 0:
		set, err := v.views.Within(ctx, views.MaxAge)
		if err != nil {
			return err
		}
		for _, user := range v.opts.Users {
			if err := v.list(ctx, set, user, func(key backend.Key) error { return v.row(ctx, key) }); err != nil {
				return err
			}
		}
		return nil
	case v.opts.Sample > 0:
		segments, err := sample(v.opts.Sample, v.opts.Seed)
		if err != nil {
			return err
		}
		return v.scanAll(ctx, segments)
	}
	var all []backend.Scan
	for i := range readers {
		all = append(all, backend.Scan{Segment: i, Segments: readers, Consistent: true})
	}
	return v.scanAll(ctx, all)
}

// lookAt looks at one conversation. Without the index its rows in wrong places can only
// be found in the lists of its members.
func (v *verifier) lookAt(ctx context.Context, group string) error {
	c, err := v.conversation(ctx, group)
	if err != nil || v.opts.Index {
		return err
	}
	rows, err := v.projection.Rows(ctx, group, c.members, false)
	for _, key := range rows {
		if !c.owns(key) {
			v.suspectRow(key, group)
		}
	}
	return err
}

// list reads the keys of a user's rows in all views.
func (v *verifier) list(ctx context.Context, set views.Set, user string, each func(backend.Key) error) error {
	for _, view := range set.Views {
		for it, err := range v.table.Query(ctx, backend.Query{PK: view.InboxKey(user), Consistent: true}) {
			if err == nil {
				err = each(backend.KeyOf(it))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// sample draws the segments of a share of the table.
func sample(share float64, seed uint64) ([]backend.Scan, error) {
	if !(share >= LeastSample && share <= 1) {
		return nil, fmt.Errorf("a sample of %g of the table: it must be from %g to 1", share, LeastSample)
	}
	n := int(math.Round(sampled / share))
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	chosen := map[int]bool{}
	var scans []backend.Scan
	for len(scans) < sampled {
		if i := rng.IntN(n); !chosen[i] {
			chosen[i] = true
			scans = append(scans, backend.Scan{Segment: i, Segments: n, Consistent: true})
		}
	}
	slices.SortFunc(scans, func(a, b backend.Scan) int { return a.Segment - b.Segment })
	return scans, nil
}

// scanAll looks at all items of segments, a few segments at the same time.
func (v *verifier) scanAll(ctx context.Context, segments []backend.Scan) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, s := range segments {
		g.Go(func() error {
			for item, err := range v.table.Scan(ctx, s) {
				if err == nil {
					err = v.item(ctx, item)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// glance reports whether a row is where its conversation's head is, without reading the
// log: what it does not like is inspected.
func (v *verifier) glance(ctx context.Context, key backend.Key, group string) (bool, error) {
	if c, ok := v.cache.Get(group); ok {
		return c.owns(key), nil
	}
	c, err := v.projection.Load(ctx, group)
	_, damaged := errors.AsType[*projection.DamagedError](err)
	if damaged || errors.Is(err, projection.ErrNoMembers) {
		return false, nil
	}
	return err == nil && c.Owns(key), err
}
