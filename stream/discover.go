package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// pagePause keeps listings below the ten DescribeStream calls a second that an
// account has. Source: DynamoDB Streams API reference.
const pagePause = 100 * time.Millisecond

// listing is what one pass over the list of shards found.
type listing struct {
	arn      string
	disabled bool
	shards   []backend.Shard
	complete bool // no page is missing
	pages    int64
}

// list reads the pages of the list of shards. On an error what was found so far
// is returned with it, and used.
func list(ctx context.Context, s backend.Stream) (listing, error) {
	var l listing
	seen := make(map[string]bool)
	for after := ""; ; {
		var page backend.ShardPage
		err := bounded(ctx, func(ctx context.Context) (err error) {
			page, err = s.Shards(ctx, after)
			return err
		})
		l.pages++
		if err != nil {
			return l, err
		}
		if l.arn != "" && page.StreamARN != l.arn {
			return l, fmt.Errorf("list shards: the stream changed from %s to %s meanwhile", l.arn, page.StreamARN)
		}
		l.arn, l.disabled = page.StreamARN, page.Disabled
		l.shards = append(l.shards, page.Shards...)
		if page.Last == "" {
			l.complete = true
			return l, nil
		}
		if seen[page.Last] {
			return l, fmt.Errorf("list shards: the cursor %q came twice", page.Last)
		}
		seen[page.Last] = true
		after = page.Last
		if err := trouble.Sleep(ctx, pagePause, nil); err != nil {
			return l, err
		}
	}
}

// discover lists the shards again and again, and writes a lease for each that is
// new. One worker does it for the fleet.
func (r *run) discover(ctx context.Context) error {
	var m *marks
	lookups := 0
	for {
		next, err := r.discoverOnce(ctx, &m)
		var loss *DataLossError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errReplaced), errors.As(err, &loss):
			return err
		case err == nil && next == expecting && lookups < childLookups:
			next = childPauses(lookups)
			lookups++
		case err == nil:
			if next != expecting { // or it was looked for often enough
				lookups = 0
			}
			next = jitter(r.opt.DiscoverInterval)
		}
		if err == nil {
			r.listTroubles.Worked(r.arn)
		} else if pause, giveUp := failed(ctx, r.listTroubles, r.arn, err); giveUp {
			return err
		} else {
			next = min(jitter(r.opt.DiscoverInterval), pause)
		}
		if trouble.Sleep(ctx, next, nil) != nil {
			return nil
		}
	}
}

// expecting says that more is to be found soon.
const expecting = -1

// errReplaced says that the table has another stream now.
var errReplaced = errors.New("the table's stream was replaced")

func (r *run) discoverOnce(ctx context.Context, m **marks) (next time.Duration, err error) {
	if *m == nil {
		known, err := r.recall(ctx)
		if err != nil {
			return 0, err
		}
		*m = &known
	}
	l, failure := list(ctx, r.stream)
	r.count.listings.Add(l.pages)
	if l.arn != "" && l.arn != r.arn {
		r.opt.Logger.Warn("the stream was switched off and on: going over to the new one", "old", r.arn, "new", l.arn)
		return 0, errReplaced
	}
	if l.arn == "" {
		return 0, failure // not even one page
	}
	known, err := r.leases.load(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.lease(ctx, l, known, **m); err != nil {
		return 0, err
	}
	if !l.complete {
		return 0, failure
	}
	r.fleet.mu.Lock()
	r.fleet.listed = len(l.shards) > 0 || l.disabled
	r.fleet.mu.Unlock()
	if now := r.opt.Now(); now.Sub((*m).listedAt) > markEvery {
		(*m).listedAt = now
		if err := (*m).write(ctx, r.control, r.arn); err != nil {
			return 0, err
		}
	}
	if err := r.forget(ctx, l, known); err != nil {
		return 0, err
	}
	if !l.disabled && (len(l.shards) == 0 || childless(known)) {
		return expecting, nil
	}
	return 0, nil
}

// lease writes a free lease for each shard that is new, parents first. A shard
// whose parent is neither known nor listed waits for a complete listing to say
// that the parent is gone: so whoever sees a lease without its parent's may
// begin.
func (r *run) lease(ctx context.Context, l listing, known map[string]lease, m marks) error {
	if l.disabled {
		r.disabled.Do(func() {
			r.opt.Logger.Warn("the stream is switched off: what it holds is read, and no more will come", "stream", r.arn)
		})
	}
	began := 0 // leases, written or not: an answer may be lost
	var err error
	for _, generation := range generations(l, known) {
		began += len(generation)
		if err = r.introduceAll(ctx, generation, known, m); err != nil {
			break
		}
	}
	if began > 0 || slices.ContainsFunc(slices.Collect(maps.Values(known)), lease.nobodys) {
		// Whoever wrote a free lease may have died before it told anybody.
		r.stirred()
		r.fleet.setCalm(false)
		r.fleet.again.Store(true)
		signal(r.nudge)
	}
	if began > 0 {
		return errors.Join(err, r.ring(ctx))
	}
	return err
}

// introduceAll introduces the shards of one generation, and adds their leases to
// those known.
func (r *run) introduceAll(ctx context.Context, generation []backend.Shard, known map[string]lease, m marks) error {
	var group errgroup.Group
	group.SetLimit(writers)
	written := make([]lease, len(generation))
	for i, s := range generation {
		group.Go(func() (err error) {
			written[i], err = r.introduce(ctx, s, known, m)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, one := range written {
		known[one.shard] = one
	}
	return nil
}

// generations returns the listed shards without a lease, each generation after
// its parents'.
func generations(l listing, known map[string]lease) (all [][]backend.Shard) {
	fresh := map[string]backend.Shard{}
	for _, s := range l.shards {
		if _, ok := known[s.ID]; !ok {
			fresh[s.ID] = s
		}
	}
	for len(fresh) > 0 {
		var generation []backend.Shard
		for _, s := range fresh {
			_, parentFresh := fresh[s.Parent]
			_, parentKnown := known[s.Parent]
			if !parentFresh && (parentKnown || l.complete || s.Parent == "") || s.Parent == s.ID {
				generation = append(generation, s)
			}
		}
		if len(generation) == 0 {
			break // the rest waits for a complete listing
		}
		slices.SortFunc(generation, func(a, b backend.Shard) int { return cmp.Compare(a.ID, b.ID) })
		for _, s := range generation {
			delete(fresh, s.ID)
		}
		all = append(all, generation)
		if !l.complete {
			// The children of what is written now follow with the next listing.
			known = maps.Clone(known)
			for _, s := range generation {
				known[s.ID] = lease{shard: s.ID}
			}
		}
	}
	return all
}

// introduce writes the free lease of one shard, and returns what stands there.
func (r *run) introduce(ctx context.Context, s backend.Shard, known map[string]lease, m marks) (lease, error) {
	var loss *DataLossError
	parent, ok := known[s.Parent]
	next := lease{shard: s.ID, parent: s.Parent, epoch: 1, done: position{at: m.since(r.opt)}, original: m.listedAt.IsZero()}
	switch {
	case ok:
		next.done.at = latest(next.done.at, parent.done.at)
	case s.Parent != "" && !m.listedAt.IsZero():
		loss = &DataLossError{
			StreamARN: r.arn, Shard: s.Parent, AfterTime: m.since(r.opt), Until: r.opt.Now(),
			Reason: "it came and went unread",
		}
		next.done.at = latest(m.since(r.opt), r.oldest()) // what is older is in it
		r.incident(loss)
		if r.opt.OnDataLoss != nil {
			if err := r.opt.OnDataLoss(ctx, loss); err != nil {
				return next, err
			}
		}
		next.lost = note(r.opt.Now(), loss)
	}
	var found lease
	err := bounded(ctx, func(ctx context.Context) (err error) {
		found, err = r.leases.put(ctx, lease{shard: s.ID}, next)
		return err
	})
	r.count.saves.Add(1)
	if err == nil && loss != nil && r.opt.OnDataLoss == nil {
		return found, loss
	}
	return found, err
}

// childless reports whether a finished shard's children are not found yet.
func childless(known map[string]lease) bool {
	parents := map[string]bool{}
	for _, l := range known {
		parents[l.parent] = true
	}
	for id, l := range known {
		if l.finished && !parents[id] && !l.finishedAt.IsZero() {
			return true
		}
	}
	return false
}

// forgetAfter is how long a finished shard is remembered: it can be listed for
// longer than the 24 hours of its records. Source: Flink's connector.
const forgetAfter = 48 * time.Hour

// forget removes the leases that have served: of finished shards that have left
// the listing a while ago, and whose children are under way.
func (r *run) forget(ctx context.Context, l listing, known map[string]lease) error {
	needed := map[string]bool{}
	for _, s := range l.shards {
		needed[s.ID] = true
	}
	for _, l := range known {
		if !l.finished && l.worker == "" {
			needed[l.parent] = true
		}
	}
	var served []string
	for id, l := range known {
		if l.finished && !needed[id] && r.opt.Now().Sub(l.finishedAt) > forgetAfter {
			served = append(served, id)
		}
	}
	return r.leases.forget(ctx, served)
}
