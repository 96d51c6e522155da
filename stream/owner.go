package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// ownership is the right of one run to read the stream.
type ownership struct {
	control  backend.Table
	key      backend.Key
	worker   string
	run      string
	lease    time.Duration
	log      *slog.Logger
	troubles *trouble.Work

	writing exclusive // held over each write of the item
	item    ownerItem // as it was last written; guarded by writing

	mu      sync.Mutex
	renewed time.Time     // just before the last successful renewal was sent
	lost    error         // set once
	changed chan struct{} // closed at the next renewal or at the loss
}

func newOwnership(control backend.Table, arn, run string, o Options, troubles *trouble.Log) *ownership {
	return &ownership{
		control: control, key: ownerKey(arn), worker: o.Worker, run: run, lease: o.LeaseDuration,
		log: o.Logger, troubles: troubles.Work("renewing the ownership of the stream"),
		writing: newExclusive(),
		changed: make(chan struct{}),
	}
}

// acquire takes the stream if nobody lives who has it, and returns the item as
// it was before. Who shows no sign of life is watched for the lease duration on
// our own clock.
func (o *ownership) acquire(ctx context.Context) (before ownerItem, err error) {
	var watched *ownerItem
	var since, sent time.Time
	for {
		cur, err := o.read(ctx)
		if err != nil {
			return ownerItem{}, err
		}
		switch {
		case cur.run == o.run: // the answer to our own put was lost
			o.took(cur, sent)
			return before, nil
		case cur.worker == "": // nobody, or released
		case watched == nil:
			watched, since = &cur, time.Now()
			o.log.Info("watching the stream's owner for a sign of life", "owner", cur.worker)
			fallthrough
		case cur.run == watched.run && cur.counter == watched.counter:
			if left := max(o.lease, cur.lease) - time.Since(since); left > 0 {
				if err := trouble.Sleep(ctx, min(left, o.lease/10), nil); err != nil {
					return ownerItem{}, err
				}
				continue
			}
			o.log.Warn("taking the stream over: its owner shows no sign of life", "owner", cur.worker)
		default:
			return ownerItem{}, &OwnedError{Owner: cur.worker}
		}
		if sent.IsZero() {
			sent = time.Now()
		}
		before = cur
		if err := o.take(ctx, cur); err != nil {
			if backend.KindOf(err) != backend.KindConditionFailed {
				return ownerItem{}, err
			}
			continue // look who it was
		}
		return before, nil
	}
}

// read returns the item; its zero value: there is none.
func (o *ownership) read(ctx context.Context) (cur ownerItem, err error) {
	err = persist(ctx, o.troubles, "owner", true, func(ctx context.Context) error {
		item, _, err := o.control.Get(ctx, o.key)
		if err != nil || item == nil {
			cur = ownerItem{}
			return err
		}
		cur, err = decodeOwner(item)
		return err
	})
	return cur, err
}

// take puts our name in the place of cur.
func (o *ownership) take(ctx context.Context, cur ownerItem) error {
	next := ownerItem{
		worker: o.worker, run: o.run, epoch: cur.epoch + 1, counter: cur.counter + 1,
		lease: o.lease, renewedAt: time.Now(),
	}
	condition := cur.unchanged()
	if cur.epoch == 0 {
		condition = backend.Condition{Absent: true}
	}
	var sent time.Time
	err := persist(ctx, o.troubles, "owner", true, func(ctx context.Context) error {
		sent = time.Now()
		_, err := o.control.Put(ctx, next.encode(o.key), condition)
		return err
	})
	if err == nil {
		o.took(next, sent)
	}
	return err
}

func (o *ownership) took(item ownerItem, sent time.Time) {
	o.writing.Lock()
	o.item = item
	o.writing.Unlock()
	o.confirmed(sent)
	o.log.Info("reading the stream", "worker", o.worker, "epoch", item.epoch)
}

// keep renews until ctx is done. It returns a LostError once another worker has
// taken over.
func (o *ownership) keep(ctx context.Context) error {
	for {
		o.mu.Lock()
		pause := o.lease/3 - time.Since(o.renewed)
		o.mu.Unlock()
		if trouble.Sleep(ctx, max(pause, 0), nil) != nil {
			return nil
		}
		err := o.renew(ctx)
		var lost *LostError
		switch {
		case err == nil:
			o.troubles.Worked("owner")
			continue
		case errors.As(err, &lost):
			return err
		case ctx.Err() != nil:
			return nil
		}
		pause, giveUp := failed(ctx, o.troubles, "owner", err)
		if giveUp {
			return err
		}
		if trouble.Sleep(ctx, min(pause, o.lease/10), nil) != nil {
			return nil
		}
	}
}

// renew shows one sign of life. When it succeeds, nobody had taken the stream
// over by the time of the call. It takes at most a third of the lease, so that
// an attempt that hangs leaves time for others.
func (o *ownership) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.lease/3, errNoAnswer)
	defer cancel()
	o.writing.Lock()
	defer o.writing.Unlock()
	for {
		next := o.item
		next.counter++
		next.renewedAt = time.Now()
		if adopted, err := o.put(ctx, next); !adopted {
			return err
		}
	}
}

// put replaces the item by next. Where it finds an earlier write of ours, whose
// answer was lost, it adopts that one, and next has to be made anew.
func (o *ownership) put(ctx context.Context, next ownerItem) (adopted bool, err error) {
	sent := time.Now()
	_, err = o.control.Put(ctx, next.encode(o.key), o.item.unchanged())
	if err == nil {
		o.item = next
		o.confirmed(sent)
		return false, nil
	}
	var failed *backend.Error
	if !errors.As(err, &failed) || failed.Kind != backend.KindConditionFailed {
		return false, err
	}
	var found ownerItem
	if failed.Item != nil {
		if found, err = decodeOwner(failed.Item); err != nil {
			return false, err
		}
	}
	if found.run != o.run || found.same(o.item) {
		return false, o.lose(found.worker)
	}
	o.item = found
	return true, nil
}

// release lets the next worker start at once.
func (o *ownership) release(ctx context.Context) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	for {
		next := o.item
		next.worker = ""
		next.renewedAt = time.Now()
		adopted, err := o.put(ctx, next)
		if !adopted || o.item.worker == "" {
			return err
		}
	}
}

// confirmed notes a sign of life that was sent then.
func (o *ownership) confirmed(sent time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.renewed = sent
	o.wake()
}

// lose notes that the stream is another's, and returns the error that says so.
func (o *ownership) lose(to string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost == nil {
		o.lost = &LostError{Owner: to}
		o.wake()
	}
	return o.lost
}

func (o *ownership) wake() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// state returns how things stand: whether the lease runs, and the loss, if any.
// A lease that has run out may be renewed yet, if nobody was faster.
func (o *ownership) state() (valid bool, changed <-chan struct{}, lost error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost == nil && time.Since(o.renewed) < o.lease, o.changed, o.lost
}

// hold returns once the lease runs, and at once if it does. It stands before
// everything that only the owner may do.
func (o *ownership) hold(ctx context.Context) error {
	for {
		valid, changed, lost := o.state()
		if lost != nil || valid {
			return lost
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
