package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// errTaken says that somebody else wrote an item that was ours: we were declared
// dead, or overtaken.
var errTaken = errors.New("another worker has written what was ours")

// claim is an item that this run keeps alive by raising its counter: its own
// sign of life, which all its leases depend on, or the leadership.
type claim struct {
	*run
	key      backend.Key
	who      string // for the troubles
	troubles *trouble.Work
	shape    func(*sign) // applied to every sign of life; may be nil

	writing exclusive // held over each write of the item
	item    sign      // as it was last written; guarded by writing

	mu      sync.Mutex
	renewed time.Time     // just before the last successful renewal was sent
	lost    bool          // for good
	changed chan struct{} // closed at the next renewal or at the loss
}

// newClaim is a claim that is not made yet.
func newClaim(r *run, key backend.Key, who string, troubles *trouble.Work) *claim {
	return &claim{
		run: r, key: key, who: who, troubles: troubles,
		writing: newExclusive(), changed: make(chan struct{}),
	}
}

// take puts next in the place of cur, on the condition that it is still there,
// and reports whether it is ours now.
func (c *claim) take(ctx context.Context, cur, next sign) (ours bool, err error) {
	condition := cur.unchanged()
	if cur.run == "" {
		condition = backend.Condition{Absent: true}
	}
	var first, sent time.Time
	err = persist(ctx, c.troubles, c.who, true, func(ctx context.Context) error {
		if sent = time.Now(); first.IsZero() {
			first = sent
		}
		_, err := c.control.Put(ctx, next.encode(c.key), condition)
		return err
	})
	found, err := failedCondition(err, decodeSign)
	switch {
	case err != nil:
		return false, err
	case found == nil:
	case found.same(next): // the answer to an earlier attempt was lost
		sent = first
	default:
		return false, nil
	}
	c.writing.Lock()
	c.item = next
	c.writing.Unlock()
	c.confirmed(sent)
	return true, nil
}

// keep renews until ctx is done. It returns errTaken once the item is another's.
func (c *claim) keep(ctx context.Context) error {
	for {
		c.mu.Lock()
		pause := c.opt.LeaseDuration/3 - time.Since(c.renewed)
		c.mu.Unlock()
		if trouble.Sleep(ctx, max(pause, 0), nil) != nil {
			return nil
		}
		err := c.renew(ctx, nil)
		switch {
		case err == nil:
			c.troubles.Worked(c.who)
			continue
		case errors.Is(err, errTaken):
			c.troubles.Worked(c.who)
			return err
		case ctx.Err() != nil:
			return nil
		}
		pause, giveUp := failed(ctx, c.troubles, c.who, err)
		if giveUp {
			return err
		}
		if trouble.Sleep(ctx, min(pause, c.opt.LeaseDuration/10), nil) != nil {
			return nil
		}
	}
}

// renew shows one sign of life, with a change to it if there is one. When it
// succeeds, nobody had written the item by the time of the call. It takes at most
// a third of the lease, so that an attempt that hangs leaves time for others.
func (c *claim) renew(ctx context.Context, change func(*sign)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opt.LeaseDuration/3, errNoAnswer)
	defer cancel()
	c.writing.Lock()
	defer c.writing.Unlock()
	for {
		next := c.item
		next.counter++
		next.renewedAt = c.opt.Now()
		for _, f := range []func(*sign){c.shape, change} {
			if f != nil {
				f(&next)
			}
		}
		if adopted, err := c.put(ctx, next); !adopted {
			return err
		}
	}
}

// put replaces the item by next. Where it finds an earlier write of ours, whose
// answer was lost, it adopts that one, and next has to be made anew.
func (c *claim) put(ctx context.Context, next sign) (adopted bool, err error) {
	sent := time.Now()
	_, err = c.control.Put(ctx, next.encode(c.key), c.item.unchanged())
	found, err := failedCondition(err, decodeSign)
	switch {
	case err != nil:
		return false, err
	case found == nil:
		c.item = next
		c.confirmed(sent)
		return false, nil
	case found.run != c.id || found.dead || found.same(c.item):
		c.lose()
		return false, errTaken
	}
	c.item = *found
	return true, nil
}

// release gives the item up without removing it.
func (c *claim) release(ctx context.Context) error {
	return c.renew(ctx, func(s *sign) { s.worker = "" })
}

// confirmed notes a sign of life that was sent then.
func (c *claim) confirmed(sent time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed = sent
	c.wake()
}

// lose notes that the item is another's.
func (c *claim) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
	c.wake()
}

func (c *claim) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// valid reports whether nobody can have taken the item yet. One that ran out may
// be renewed yet, if nobody was faster.
func (c *claim) valid() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holds()
}

func (c *claim) holds() bool { return !c.lost && time.Since(c.renewed) < c.opt.LeaseDuration }

// hold returns once the claim is valid, and at once if it is. It stands before
// everything that only a living worker may do.
func (c *claim) hold(ctx context.Context) error {
	for {
		c.mu.Lock()
		valid, lost, changed := c.holds(), c.lost, c.changed
		c.mu.Unlock()
		switch {
		case lost:
			return errTaken
		case valid:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failedCondition takes a failed condition for an answer: what was found instead,
// its zero value if there was nothing.
func failedCondition[T any](err error, decode func(backend.Item) (T, error)) (found *T, _ error) {
	var failed *backend.Error
	if !errors.As(err, &failed) || failed.Kind != backend.KindConditionFailed {
		return nil, err
	}
	found = new(T)
	if failed.Item == nil {
		return found, nil
	}
	one, err := decode(failed.Item)
	return &one, err
}
