package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/quarantine"
)

const (
	// window is how many messages may be in flight at once.
	window = 2_000
	// weightBytes is what one place of the window holds: a larger message takes more of
	// them.
	weightBytes = 16 << 10
	// maxChunks is how many chunks may be on their way: one message that takes its time
	// does not keep the others back, and what is done again after a crash is bounded.
	maxChunks = 400
	// perSecond is how many chunks are submitted a second, at most.
	perSecond = 20
)

// newLimiter keeps to the rate of a replay.
func (d Definition) newLimiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(d.Rate), max(1, d.Rate/perSecond))
}

// errRead ends the writing of how far a replay is.
var errRead = errors.New("all is read")

// carrier carries one replay out, from when it took it over until it is done, or somebody
// else takes it over. It reads ahead of what is done; how far the replay is, is the end of
// the contiguous prefix.
type carrier struct {
	*Runner

	selection *selection
	limiter   *rate.Limiter
	moved     chan struct{} // a chunk is done, or how far it is was written

	mu     sync.Mutex
	now    Replay // as it was written last, or is about to be
	saved  time.Time
	chunks []*chunk // submitted and not done, or behind one that is not
}

// chunk is some messages in a row on their way.
type chunk struct {
	last   backend.Key // to go on after
	left   int         // messages in flight
	counts Counts
}

// carryOut takes a replay over and carries it out: from its first write on, the next one of
// whoever did so before fails. The error errOvertaken says that somebody else has written it
// meanwhile.
func (r *Runner) carryOut(ctx context.Context, before Replay) error {
	c := &carrier{Runner: r, limiter: before.newLimiter(), moved: make(chan struct{}, 1), now: before}
	c.now.Holder = r.Worker
	if err := c.save(ctx, false); err != nil {
		return err
	}
	r.Logger.Info("replay taken over", "replay", before.Name, "replayed", before.Counts.Replayed, "of", before.Total)
	working, stop := context.WithCancelCause(ctx)
	var saver sync.WaitGroup
	saver.Go(func() { stop(c.keepSaving(ctx, working)) })
	err := c.readAll(working)
	stop(errRead)
	saver.Wait()
	switch cause := context.Cause(working); {
	case errors.Is(cause, errOvertaken):
		return errOvertaken
	case err == nil && ctx.Err() == nil:
		return c.save(ctx, true)
	case ctx.Err() == nil && !errors.Is(cause, errRead):
		err = cause
	}
	releasing, end := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer end()
	c.now.Holder = ""
	return errors.Join(err, c.save(releasing, false))
}

// keepSaving writes how far the replay is, again and again while it is worked on. A write
// that has begun is not given up because all is read.
func (c *carrier) keepSaving(ctx, working context.Context) error {
	for retry.Sleep(working, saveInterval, nil) == nil {
		if err := c.save(ctx, false); err != nil {
			return err
		}
	}
	return nil
}

// save writes how far the replay is, and at the end that it is done.
func (c *carrier) save(ctx context.Context, done bool) error {
	begun := time.Now()
	c.mu.Lock()
	before, next := c.now, c.now
	next.writer = rand.Text()
	finished := 0
	for finished < len(c.chunks) && c.chunks[finished].left == 0 {
		next.after, next.Counts = c.chunks[finished].last, next.Counts.add(c.chunks[finished].counts)
		finished++
	}
	c.mu.Unlock()
	if done {
		next.State, next.FinishedAt, next.Holder = Done, begun, ""
	}
	written := next
	err := c.loop.Do(ctx, "progress", func(ctx context.Context) (err error) {
		written, err = write(ctx, c.table, before, next)
		return err
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.now, c.saved, c.chunks = written, begun, c.chunks[finished:]
	c.mu.Unlock()
	retry.Wake(c.moved)
	c.Seen(written)
	return nil
}

// readAll has all that is left of the replay processed, and waits until it is.
func (c *carrier) readAll(ctx context.Context) (err error) {
	c.mu.Lock()
	definition, at := c.now.Definition, read{last: c.now.after}
	c.mu.Unlock()
	do := func(ctx context.Context, call func(context.Context) error) error { return c.loop.Do(ctx, "log", call) }
	if c.selection, err = newSelection(ctx, c.Log, do, definition); err != nil {
		return err
	}
	for !at.end {
		if at, err = c.selection.next(ctx, at.last); err != nil {
			return err
		}
		if err := c.process(ctx, at); err != nil {
			return err
		}
	}
	inFlight := func(p *chunk) bool { return p.left > 0 }
	return c.await(ctx, func() bool { return !slices.ContainsFunc(c.chunks, inFlight) })
}

// await waits until something holds of the chunks, or of what was written.
func (c *carrier) await(ctx context.Context, holds func() bool) error {
	for {
		c.mu.Lock()
		ok := holds()
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-c.moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// process has the messages of a page of the log processed, at the rate of the replay.
func (c *carrier) process(ctx context.Context, r read) error {
	for burst := c.limiter.Burst(); ; {
		n := min(burst, len(r.messages))
		some := r.messages[:n]
		r.messages = r.messages[n:]
		p := &chunk{last: r.last, left: n}
		if len(r.messages) > 0 {
			p.last = backend.KeyOf(some[n-1])
		}
		if err := retry.Sleep(ctx, c.limiter.ReserveN(time.Now(), n).Delay(), nil); err != nil {
			return err
		}
		if err := c.await(ctx, func() bool { return len(c.chunks) < maxChunks && time.Since(c.saved) < stale }); err != nil {
			return err
		}
		c.mu.Lock()
		c.chunks = append(c.chunks, p)
		c.mu.Unlock()
		if err := c.submit(ctx, p, some); err != nil || len(r.messages) == 0 {
			return err
		}
	}
}

// submit has messages processed. It waits while too many are in flight.
func (c *carrier) submit(ctx context.Context, p *chunk, messages []backend.Item) error {
	var items []Item
	var weight int64
	for _, it := range messages {
		r := quarantine.LogRecord(it)
		r.Silent = true
		m, err := postroom.MessageFromItem(it)
		if err != nil {
			put := func(ctx context.Context) error { return c.Quarantine.Put(ctx, r, err, 1) }
			if err := c.loop.Do(ctx, r.EventID, put); err != nil {
				return err
			}
			c.done(p, Outcome{Quarantined: true})
			continue
		}
		places := min(1+int64(backend.ItemBytes(it))/weightBytes, window-weight) // all of them must fit
		items = append(items, Item{m, r, c.selection.notify(), func(o Outcome) {
			c.window.Release(places)
			c.done(p, o)
		}})
		weight += places
	}
	if err := c.window.Acquire(ctx, weight); err != nil {
		return err
	}
	err := c.Submit(ctx, items)
	if err != nil {
		c.window.Release(weight) // none was taken over
	}
	return err
}

// notify says which notifications the replay sends; nil: none.
func (d Definition) notify() *Notify {
	if !d.Notify {
		return nil
	}
	return &Notify{d.Name, d.Users}
}

// done notes the end of one message. It is called from whoever ended it.
func (c *carrier) done(p *chunk, o Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.left--
	if p.counts = p.counts.add(o.counts()); p.left == 0 {
		retry.Wake(c.moved)
	}
}
