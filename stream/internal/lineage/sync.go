package lineage

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

// ErrReplaced says that the table has another stream now.
var ErrReplaced = errors.New("the table's stream was replaced")

// Sync keeps the leases in accordance with the list of shards. One worker does it
// for the group.
type Sync struct {
	Stream   backend.Stream
	ARN      string
	Leases   *lease.Store
	Interval time.Duration // between two listings
	Writers  int           // how many leases are written at once
	Call     retry.Policy  // of one call of the stream
	Loop     retry.Loop    // of a sync that failed
	Now      func() time.Time
	Logger   *slog.Logger
	Record   Recorder
	Listings *atomic.Int64 // counts pages
	Aside    *item.Aside   // for damaged items
	Start    Start         // where the group begins, unless it has begun
	Until    time.Time     // up to which the group reads, unless it has begun; zero: without end

	// Free is called when leases may be free, so that this worker looks at them.
	Free func()
	// Notify asks the other workers to look at the leases.
	Notify func(ctx context.Context) error
	// Listed is called after each complete listing. It says whether the stream has
	// shards, or will never have any.
	Listed func(ok bool)

	known    *History
	disabled bool // logged
}

// Run syncs until ctx is done, when it returns nil. It returns [ErrReplaced] when
// the table has another stream, [ErrDone] once the group is, [ErrStart], and a [*LossError] that nobody records.
func (s *Sync) Run(ctx context.Context) error {
	defer s.Loop.Succeeded(s.ARN)
	lookups := 0
	for {
		expecting, err := s.once(ctx)
		pause := retry.Jitter(s.Interval)
		var loss *LossError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrReplaced), errors.Is(err, ErrStart), errors.Is(err, ErrDone), errors.As(err, &loss):
			return err
		case errors.Is(err, errOvertaken): // it is read anew
			s.known, pause = nil, min(pause, endPause)
		case err != nil:
			soon, giveUp := s.Loop.Failed(ctx, s.ARN, err)
			if giveUp {
				return err
			}
			pause = min(pause, soon)
		default:
			s.Loop.Succeeded(s.ARN)
			if expecting && lookups < ChildLookups {
				pause = ChildPause(lookups)
				lookups++
			} else if !expecting {
				lookups = 0
			}
		}
		if s.known != nil && !s.known.Until.IsZero() {
			pause = min(pause, max(s.known.Until.Sub(s.Now()), endPause))
		}
		if retry.Sleep(ctx, pause, nil) != nil {
			return nil
		}
	}
}

// once lists the shards and brings the leases in accordance. It reports whether
// more shards are to be expected soon.
func (s *Sync) once(ctx context.Context) (expecting bool, err error) {
	if s.known == nil {
		h, err := s.history(ctx)
		if err != nil {
			return false, err
		}
		s.known = &h
	}
	if !s.known.DoneAt.IsZero() {
		return false, ErrDone
	}
	l, failure := List(ctx, s.Stream, s.Call)
	s.Listings.Add(l.Pages)
	if l.ARN != "" && l.ARN != s.ARN {
		s.Logger.Warn("the stream was switched off and on: going over to the new one", "old", s.ARN, "new", l.ARN)
		return false, ErrReplaced
	}
	if l.ARN == "" {
		return false, failure // not even one page
	}
	leases, err := s.Leases.Load(ctx)
	if err != nil {
		return false, err
	}
	if err := s.create(ctx, l, leases); err != nil {
		return false, err
	}
	if !l.Complete {
		return false, failure
	}
	s.Listed(len(l.Shards) > 0 || l.Disabled)
	if err := s.markListed(ctx); err != nil {
		return false, err
	}
	if err := s.cleanUp(ctx, l, leases); err != nil {
		return false, err
	}
	if s.known.passed(l, leases, s.Now()) {
		return false, s.done(ctx)
	}
	return !l.Disabled && (len(l.Shards) == 0 || childless(leases)), nil
}

// markEvery is how often the time of a complete listing is written.
const markEvery = time.Minute

func (s *Sync) markListed(ctx context.Context) error {
	now := s.Now()
	if now.Sub(s.known.ListedAt) <= markEvery {
		return nil
	}
	next := *s.known
	next.ListedAt = now
	return s.update(ctx, next)
}

// update replaces the history that is known.
func (s *Sync) update(ctx context.Context, next History) error {
	if err := s.write(ctx, s.known.unchanged(s.Leases.ID), next); err != nil {
		return err
	}
	*s.known = next
	return nil
}

// create writes a free lease for each shard that has none, parents first, and adds
// them to the leases.
func (s *Sync) create(ctx context.Context, l Listing, leases map[string]lease.Lease) error {
	if l.Disabled && !s.disabled {
		s.disabled = true
		s.Logger.Warn("the stream is switched off: what it holds is read, and no more will come", "stream", s.ARN)
	}
	begun := false // also if the write failed: its answer may be lost
	var err error
	for _, generation := range l.newGenerations(leases) {
		begun = true
		if err = s.createAll(ctx, generation, leases); err != nil {
			break
		}
	}
	free := begun
	for _, one := range leases { // its writer may have died before it notified anybody
		free = free || one.Unowned()
	}
	if free {
		s.Free()
	}
	if begun {
		return errors.Join(err, s.Notify(ctx))
	}
	return err
}

func (s *Sync) createAll(ctx context.Context, generation []backend.Shard, leases map[string]lease.Lease) error {
	var group errgroup.Group
	group.SetLimit(s.Writers)
	written := make([]lease.Lease, len(generation))
	for i, shard := range generation {
		group.Go(func() (err error) {
			written[i], err = s.createOne(ctx, shard, leases)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, one := range written {
		leases[one.Shard] = one
	}
	return nil
}

// createOne writes the free lease of one shard, and returns the lease that the
// shard has then.
func (s *Sync) createOne(ctx context.Context, shard backend.Shard, leases map[string]lease.Lease) (lease.Lease, error) {
	since := s.known.since()
	next := lease.Lease{
		Shard: shard.ID, Parent: shard.Parent, AtFirstStart: s.known.ListedAt.IsZero(),
		Checkpoint: lease.Position{At: since}, Start: s.known.Start.of(shard.ID), Until: s.known.Until,
	}
	parent, known := leases[shard.Parent]
	if known {
		next.Checkpoint.At = Latest(since, parent.Checkpoint.At)
	}
	youngest := s.known.Until
	if known || shard.Parent == "" || next.AtFirstStart || !youngest.IsZero() && !since.Before(youngest) {
		return s.Leases.Create(ctx, next)
	}
	loss := &LossError{
		StreamARN: s.ARN, Shard: shard.Parent, AfterTime: since, Until: UpTo(s.Now(), s.known.Until), Reason: "it came and went unread",
	}
	next.Checkpoint.At = Latest(since, Untrimmed(s.Now())) // what is older is part of the loss
	recorded, err := s.Record(ctx, loss)
	if err != nil {
		return next, err
	}
	next.Lost = loss.Note(s.Now())
	found, err := s.Leases.Create(ctx, next)
	if err == nil && !recorded {
		err = loss
	}
	return found, err
}

// keepFinished is how long the lease of a finished shard is kept at least: the
// shard can be listed for longer than the 24 hours of its records.
// Source: Flink's connector.
const keepFinished = 48 * time.Hour

// cleanUp deletes leases that have served: of finished shards that have left the
// listing a while ago, and whose children were acquired. As long as a lease is
// damaged, and may be a child, all stay.
func (s *Sync) cleanUp(ctx context.Context, l Listing, leases map[string]lease.Lease) error {
	needed := map[string]bool{}
	for _, shard := range l.Shards {
		needed[shard.ID] = true
	}
	for _, one := range leases {
		if one.Damaged != nil {
			return nil
		}
		if !one.Finished && one.Worker == "" {
			needed[one.Parent] = true
		}
	}
	var served []string
	for id, one := range leases {
		if one.Finished && !needed[id] && s.Now().Sub(one.FinishedAt) > keepFinished {
			served = append(served, id)
		}
	}
	return s.Leases.Delete(ctx, served)
}
