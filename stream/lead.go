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

// elect takes the lead if nobody has it. The lock is read only while no living
// worker says that it leads.
func (r *run) elect(ctx context.Context, alive []sign, leading *sync.WaitGroup) error {
	if slices.ContainsFunc(alive, func(s sign) bool { return s.leads }) {
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
	if cur.worker != "" && lives(alive, cur.run) {
		return nil // who leads says so, or will with its next sign of life
	}
	claim := newClaim(r, key, "lead", r.troubles.Work("renewing the leader's lock"))
	ours, err := claim.take(ctx, cur, sign{
		worker: r.opt.Worker, run: r.id, epoch: cur.epoch + 1, counter: cur.counter + 1,
		lease: r.opt.LeaseDuration, renewedAt: r.opt.Now(),
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

func lives(alive []sign, run string) bool {
	return slices.ContainsFunc(alive, func(s sign) bool { return s.run == run })
}

// lead does what one worker does for all: it lists the shards, and what the
// options add. It returns when ctx is done or the lead is another's.
func (r *run) lead(ctx context.Context, claim *claim) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.opt.Logger.Info("leads the worker group", "worker", r.opt.Worker)
	_ = r.self.renew(ctx, nil) // which says so, or the next one does
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		r.fail(r.discover(ctx))
		stop()
	})
	if r.opt.OnLead != nil {
		work.Go(func() { r.fail(r.opt.OnLead(ctx)) })
	}
	err := claim.keep(ctx)
	if !errors.Is(err, errTaken) {
		stop()
		return err
	}
	r.opt.Logger.Warn("another worker leads the worker group now", "worker", r.opt.Worker)
	stop()
	work.Wait()
	r.fleet.mu.Lock()
	r.fleet.leader, r.fleet.listed = nil, true
	r.fleet.mu.Unlock()
	return nil
}
