package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// leader is this run's claim to lead the fleet; nil: it does not lead.
func (r *run) leader() *claim {
	r.fleet.mu.Lock()
	defer r.fleet.mu.Unlock()
	return r.fleet.leader
}

// elect takes the lead if nobody has it. A worker that does not share the stream,
// of a version from before there were fleets, is waited for. While somebody says
// that it leads, which may be dead and its place taken, that is made sure of
// before each look at the leases.
func (r *run) elect(ctx context.Context, alive []sign, leading *sync.WaitGroup, look bool) error {
	led := slices.ContainsFunc(alive, func(s sign) bool { return s.leads })
	if led && (!look || r.leader() != nil) {
		return nil
	}
	key := ownerKey(r.arn)
	var cur sign
	err := bounded(ctx, func(ctx context.Context) error {
		item, _, err := r.control.Get(ctx, key)
		if err != nil || item == nil {
			return err
		}
		cur, err = decodeSign(item)
		return err
	})
	if err != nil {
		return err
	}
	silent := r.fleet.owner.see(cur, r.opt.LeaseDuration/3) >= max(r.opt.LeaseDuration, cur.lease)
	if cur.worker != "" && !cur.fleet && !silent {
		r.await(cur)
		return nil
	}
	r.fleet.waits = false
	if led || cur.worker != "" && cur.fleet && lives(alive, cur.run) {
		return nil // who leads says so, or will with its next sign of life
	}
	claim := newClaim(r, key, "lead", r.troubles.Work("keeping the lead of the fleet"))
	ours, err := claim.take(ctx, cur, sign{
		worker: r.opt.Worker, run: r.id, epoch: cur.epoch + 1, counter: cur.counter + 1,
		lease: r.opt.LeaseDuration, renewedAt: r.opt.Now(), fleet: true,
	})
	if err != nil || !ours {
		return err
	}
	r.fleet.mu.Lock()
	r.fleet.leader, r.fleet.listed = claim, false
	r.fleet.mu.Unlock()
	leading.Go(func() { r.fail(r.lead(ctx, claim)) })
	return nil
}

// await stands by while a worker lives that reads the stream alone.
func (r *run) await(other sign) {
	if !r.fleet.waits {
		r.opt.Logger.Warn("the stream is read by a worker of a version that does not share it: waiting until it stops",
			"worker", other.worker)
	}
	r.fleet.waits = true
	r.fleet.seen = ""
	r.fleet.setCalm(false)
	r.drop()
}

func lives(alive []sign, run string) bool {
	return slices.ContainsFunc(alive, func(s sign) bool { return s.run == run })
}

// lead does what one worker does for all: it lists the shards, and what the
// options add. It returns when ctx is done or the lead is another's.
func (r *run) lead(ctx context.Context, claim *claim) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.opt.Logger.Info("leads the fleet", "worker", r.opt.Worker)
	_ = r.self.renew(ctx, nil) // which says so, or the next one does
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		r.fail(r.discover(ctx))
		stop()
	})
	if r.opt.Lead != nil {
		work.Go(func() { r.fail(r.opt.Lead(ctx)) })
	}
	err := claim.keep(ctx)
	if !errors.Is(err, errTaken) {
		stop()
		return err
	}
	r.opt.Logger.Warn("the lead of the fleet went to another worker", "worker", r.opt.Worker)
	stop()
	work.Wait()
	r.fleet.mu.Lock()
	r.fleet.leader, r.fleet.listed = nil, true
	r.fleet.mu.Unlock()
	return nil
}
