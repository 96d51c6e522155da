package stream

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// fleet is what a run knows of the others. It belongs to the goroutine that
// follows the fleet, but for what is behind the lock.
type fleet struct {
	workers watch                // signs of life
	free    map[string]time.Time // leases that nobody has, since when
	seen    string               // the fleet at the last look at the leases
	look    time.Time            // when the next one is due
	death   time.Time            // when the first of the others counts as dead, if it shows no sign until then
	left    bool                 // free leases were left to others at the last look
	again   atomic.Bool          // leases were written here: look at once

	mu     sync.Mutex
	leader *claim // ours, while this worker leads
	size   int
	parent map[string]bool // shards that are some lease's parent
	calm   time.Time       // since when nothing is to be taken up; zero: something is
	listed bool            // every listed shard has a lease, as far as this worker is to see to it
}

func newFleet() fleet {
	return fleet{workers: watch{}, free: map[string]time.Time{}, listed: true}
}

// calmSince returns since when every readable shard has a living owner.
func (f *fleet) calmSince() (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calm, !f.calm.IsZero() && f.listed
}

func (f *fleet) workersSeen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

func (f *fleet) setCalm(calm bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !calm {
		f.calm = time.Time{}
	} else if f.calm.IsZero() {
		f.calm = time.Now()
	}
}

// isParent reports whether a shard is known to have children.
func (f *fleet) isParent(shard string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.parent[shard]
}

// follow keeps up with the fleet until ctx is done: who lives, who leads, and
// which shards are whose. A round costs one small query; the leases are looked at
// only when something has changed, and now and then.
func (r *run) follow(ctx context.Context) error {
	var leading sync.WaitGroup
	defer leading.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for {
		err := r.round(ctx, &leading)
		pause := r.untilNextRound()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			r.fleetTroubles.Worked("fleet")
		default:
			r.fleet.again.Store(true)
			more, giveUp := failed(ctx, r.fleetTroubles, "fleet", err)
			if giveUp || !r.everRead.Load() && backend.KindOf(err) == backend.KindDenied {
				return err
			}
			pause = max(pause, more)
		}
		if trouble.Sleep(ctx, pause, r.nudge) != nil {
			return nil
		}
	}
}

// untilNextRound is a tenth of the lease duration, about. It is less while there
// are free leases that others are to take, who may have seen it otherwise, and
// where somebody will be dead before: shards wait no longer than they must.
func (r *run) untilNextRound() time.Duration {
	pause := jitter(r.opt.LeaseDuration / 10)
	if r.fleet.left {
		pause /= 3
	}
	if left := time.Until(r.fleet.death); left > 0 {
		pause = min(pause, left)
	}
	return pause
}

func (r *run) round(ctx context.Context, leading *sync.WaitGroup) error {
	r.fleet.left = false
	if !r.self.valid() {
		clear(r.fleet.workers) // who cannot show a sign of life judges nobody by theirs
	}
	signs, err := r.signs(ctx)
	if err != nil {
		return err
	}
	alive, err := r.judge(ctx, signs)
	if err != nil || !r.self.valid() {
		return err
	}
	now := describe(alive)
	due := r.fleet.again.Swap(false) || now != r.fleet.seen || !time.Now().Before(r.fleet.look)
	if err := r.elect(ctx, alive, leading); err != nil || !due {
		return err
	}
	began := time.Now()
	all, err := r.leases.load(ctx)
	if err != nil {
		return err
	}
	// Only now who lives: the owner of a lease may have joined since the last look.
	if signs, err = r.signs(ctx); err != nil {
		return err
	}
	if alive, err = r.judge(ctx, signs); err != nil || !r.self.valid() {
		return err
	}
	if err := r.look(ctx, all, alive, began); err != nil {
		return err
	}
	r.fleet.seen = now
	return nil
}

// describe is different when somebody came, went or wrote leases.
func describe(alive []sign) string {
	var b strings.Builder
	for _, s := range alive {
		fmt.Fprintf(&b, "%s %d\n", s.run, s.changes)
	}
	return b.String()
}

// signs reads the signs of life.
func (r *run) signs(ctx context.Context) (all []sign, err error) {
	q := backend.Query{PK: partition(r.arn), SKPrefix: workerPrefix, Consistent: true}
	err = eachItem(ctx, r.control, q, bounded, func(item backend.Item) error {
		s, err := decodeSign(item)
		all = append(all, s)
		return err
	})
	return all, err
}

// judge returns the signs of those who live, this worker first. Who shows none
// for the lease duration, on our own clock, is declared dead, and lives until the
// control table says so too.
func (r *run) judge(ctx context.Context, signs []sign) (alive []sign, err error) {
	alive = []sign{{run: r.id, worker: r.opt.Worker, leads: r.leader() != nil}}
	known := map[string]bool{}
	r.fleet.death = time.Time{}
	for _, s := range signs {
		known[s.run] = true
		silent, most := r.fleet.workers.see(s, r.opt.LeaseDuration/3), max(r.opt.LeaseDuration, s.lease)
		switch {
		case s.run == r.id:
			continue
		case s.dead:
			if err := remove(ctx, r.control, []backend.Key{workerKey(r.arn, s.run)}); err != nil {
				return nil, err
			}
			continue
		case silent < most:
			if at := time.Now().Add(most - silent); r.fleet.death.IsZero() || at.Before(r.fleet.death) {
				r.fleet.death = at
			}
		case r.self.valid():
			if buried, err := r.bury(ctx, s); err != nil {
				return nil, err
			} else if buried {
				continue
			}
		}
		alive = append(alive, s)
	}
	for run := range r.fleet.workers {
		if !known[run] {
			delete(r.fleet.workers, run)
		}
	}
	r.fleet.mu.Lock()
	r.fleet.size = len(alive)
	r.fleet.mu.Unlock()
	return alive, nil
}

// bury declares a worker dead: one write that all its leases depend on. It makes
// that worker's next sign of life fail, so that it knows. It returns false if the
// worker has shown a sign meanwhile, and lives.
func (r *run) bury(ctx context.Context, s sign) (bool, error) {
	key := workerKey(r.arn, s.run)
	dead := s
	dead.dead, dead.counter = true, -1
	_, err := r.control.Put(ctx, dead.encode(key), s.unchanged())
	found, err := failedCondition(err, decodeSign)
	switch {
	case err != nil:
		return false, err
	case found != nil: // the worker itself, another's declaration, or nothing since it left
		return found.dead || found.run == "", nil
	}
	r.opt.Logger.Warn("a worker sent no heartbeat: its session was expired, and its shards are free", "worker", s.worker, "session", s.run)
	return true, remove(ctx, r.control, []backend.Key{key})
}

// look holds what was written since it began against what is done here, and does
// this worker's part of the plan.
func (r *run) look(ctx context.Context, all map[string]lease, alive []sign, began time.Time) error {
	r.reconcile(all, began)
	v := view{leases: all}
	parents := make(map[string]bool, len(all))
	for _, l := range all {
		parents[l.parent] = true
	}
	r.fleet.mu.Lock()
	r.fleet.parent = parents
	r.fleet.mu.Unlock()
	names := map[string]string{}
	for _, s := range alive {
		v.workers = append(v.workers, s.run)
		names[s.run] = s.worker
	}
	p := v.plan()
	waiting := 0 // shards whose turn has not come
	for _, l := range all {
		if !l.finished && !v.readable(l) {
			waiting++
		}
	}
	for shard, to := range p.give {
		if all[shard].run == r.id {
			r.give(shard, to, names[to])
		}
	}
	left, err := r.takeUp(ctx, all, p.take)
	r.fleet.left = left > 0
	r.fleet.setCalm(err == nil && left+waiting == 0)
	switch {
	case left > 0, len(p.give) > 0:
		r.fleet.look = time.Now()
	case waiting > 0:
		r.fleet.look = time.Now().Add(r.opt.LeaseDuration / 3)
	default:
		r.fleet.look = time.Now().Add(jitter(r.opt.DiscoverInterval))
	}
	return err
}

// takeUp takes the free leases that are to be ours, and those that whoever was to
// take them has left alone for a lease duration. It returns how many are left.
func (r *run) takeUp(ctx context.Context, all map[string]lease, take map[string]string) (left int, err error) {
	for shard := range r.fleet.free {
		if take[shard] == "" {
			delete(r.fleet.free, shard)
		}
	}
	var group errgroup.Group
	group.SetLimit(writers)
	var took sync.Map
	for shard, run := range take {
		since, ok := r.fleet.free[shard]
		if !ok {
			since = time.Now()
			r.fleet.free[shard] = since
		}
		if run != r.id && time.Since(since) < r.opt.LeaseDuration {
			left++
			continue
		}
		group.Go(func() error {
			err := bounded(ctx, func(ctx context.Context) error { return r.take(ctx, all[shard]) })
			if err == nil {
				took.Store(shard, true)
			}
			return err
		})
	}
	err = group.Wait()
	shards := 0
	took.Range(func(shard, _ any) bool {
		delete(r.fleet.free, shard.(string))
		shards++
		return true
	})
	if shards > 0 {
		r.opt.Logger.Info("acquired shards", "shards", shards, "of", len(all))
	}
	return left, err
}

// take makes a lease ours, if it is as it was seen, and begins to read.
func (r *run) take(ctx context.Context, cur lease) error {
	next := cur
	next.worker, next.run, next.epoch = r.opt.Worker, r.id, cur.epoch+1
	found, err := r.leases.put(ctx, cur, next)
	if err != nil {
		return err
	}
	r.count.saves.Add(1)
	if found.run == r.id && !found.finished {
		r.count.taken.Add(1)
		r.begin(found)
	}
	return nil
}

// reconcile mends what differs between the leases, as they stood when the look
// began or later, and what is read here.
func (r *run) reconcile(all map[string]lease, began time.Time) {
	for _, s := range r.held() {
		if l := all[s.id]; l.run != r.id && s.begun.Before(began) {
			s.forfeit()
		}
	}
	r.mu.Lock()
	maps.DeleteFunc(r.over, func(_ string, at time.Time) bool { return at.Before(began) })
	var begin []lease
	for shard, l := range all {
		_, over := r.over[shard] // it may have stood there like this before it was let go
		if l.run == r.id && l.worker != "" && !l.finished && r.shards[shard] == nil && !over {
			begin = append(begin, l)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(begin, func(a, b lease) int { return strings.Compare(a.shard, b.shard) })
	for _, l := range begin {
		r.count.received.Add(1)
		r.begin(l)
	}
	if len(begin) > 0 {
		r.opt.Logger.Info("received shards", "shards", len(begin), "of", len(all))
	}
}

// begin starts to read a shard whose lease is ours.
func (r *run) begin(l lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shards[l.shard] != nil || r.reads.Err() != nil {
		return
	}
	s := newShard(r, l)
	r.shards[l.shard] = s
	r.stirred()
	r.queue.add(s)
}

// give asks for a shard to be handed over.
func (r *run) give(shard, to, worker string) {
	r.mu.Lock()
	s := r.shards[shard]
	r.mu.Unlock()
	if s != nil && s.giveTo(to, worker) {
		r.queue.wake(s)
	}
}

// ring tells the others that leases were written which they should look at.
func (r *run) ring(ctx context.Context) error {
	return r.self.renew(ctx, func(s *sign) { s.changes++ })
}

// drop stops reading everything, without a word in the control table: what is
// ours there by the next look is read on from its checkpoint.
func (r *run) drop() {
	for _, s := range r.held() {
		s.dismiss()
	}
}
