package replay

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/stream"
)

// errMoved says that the replay is not to go on, or not through the stream.
var errMoved = errors.New("the replay was stopped, or goes on through the log")

const (
	// removeTimeout bounds how long the last worker waits to remove the group.
	removeTimeout = 15 * time.Second
	// drainTimeout bounds the last writes of a worker that stops.
	drainTimeout = 1500 * time.Millisecond
	// lastInterval is the pause between writes while it does.
	lastInterval = 100 * time.Millisecond
)

// follower carries a replay out through the stream, as one worker of a group. The group
// keeps how far it is; the item has what its workers have counted.
type follower struct {
	*Runner

	Definition
	limiter *rate.Limiter
	reader  *stream.Reader
	stop    context.CancelCauseFunc

	mu      sync.Mutex
	counts  Counts           // that the item does not have yet
	counted []*stream.Record // of these
}

// follow reads the stream for a replay until the group has read all of it. A loss of the
// stream, or another group in the place of this one, has the replay go through the log,
// from its beginning.
func (r *Runner) follow(ctx context.Context, now Replay) error {
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := &follower{Runner: r, Definition: now.Definition, limiter: now.newLimiter(), stop: stop}
	f.reader = stream.NewReader(r.Stream, r.Control, f.handle, stream.Options{
		Worker: r.Worker, Group: now.group(), Logger: r.Logger, OnDataLoss: f.lost,
		Start: stream.Start{At: now.Begin.Add(-lateness)}, Until: now.CreatedAt,
	})
	calling, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, giveUp) })()
	var saver sync.WaitGroup
	reading, ended := context.WithCancel(calling)
	saver.Go(func() { f.keepSaving(calling, reading, working) })
	err := f.reader.Run(working)
	stop(errRead)
	ended()
	saver.Wait()
	return f.finish(ctx, calling, context.Cause(working), err)
}

// finish ends what this worker does for the replay, given what ended the work, and the
// error of its reader.
func (f *follower) finish(ctx, calling context.Context, cause, err error) error {
	_, crowded := errors.AsType[*stream.GroupsError](err)
	switch {
	case ctx.Err() != nil:
		_, err := f.save(calling, false)
		return err
	case crowded:
		return f.throughLog(ctx, err)
	case err != nil:
		_, saveErr := f.save(ctx, false)
		return errors.Join(err, saveErr)
	case errors.Is(cause, errMoved):
		return nil
	case !errors.Is(cause, errRead):
		return cause
	}
	now, err := f.save(ctx, true)
	if err == nil && now.State != Stopped { // the group knows that nothing is left to do
		f.forget(ctx)
	}
	return err
}

// handle takes over records of the stream.
func (f *follower) handle(ctx context.Context, records []*stream.Record) error {
	var items []Item
	for _, record := range records {
		if !f.wants(&record.Record) {
			record.Ack()
			continue
		}
		it, err := record.NewImage()
		var m postroom.Message
		if err == nil {
			m, err = postroom.MessageFromItem(it)
		} else {
			it = item.New(record.Key, 1)
		}
		r := quarantine.LogRecord(it)
		r.Silent = true
		done := func(o Outcome) { f.count(o, record) }
		if err == nil {
			items = append(items, Item{m, r, f.notify(), done})
			continue
		}
		put := func(ctx context.Context) error { return f.Quarantine.Put(ctx, r, err, 1) }
		if err := f.loop.Do(ctx, r.EventID, put); err != nil {
			return err
		}
		done(Outcome{Quarantined: true})
	}
	for len(items) > 0 {
		n := min(f.limiter.Burst(), len(items))
		if err := retry.Sleep(ctx, f.limiter.ReserveN(time.Now(), n).Delay(), nil); err != nil {
			return err
		}
		if err := f.Submit(ctx, items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// count counts a message. It is acknowledged once the item has that.
func (f *follower) count(o Outcome, record *stream.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts = f.counts.add(o.counts())
	f.counted = append(f.counted, record)
}

// keepSaving writes what was counted, again and again until the reader has ended, and
// looks whether the replay is to go on. The workers share the rate.
func (f *follower) keepSaving(calling, reading, working context.Context) {
	for {
		pause, wake := saveInterval, working.Done()
		if working.Err() != nil {
			pause, wake = lastInterval, nil // the reader waits for what is not acknowledged
		}
		if retry.Sleep(reading, pause, wake) != nil {
			return
		}
		now, err := f.save(calling, false)
		switch {
		case errors.Is(err, errOvertaken): // by many others: the next time
		case err != nil:
			f.stop(err)
		case now.State != Running || now.Source != Stream:
			f.stop(errMoved)
		default:
			f.limiter.SetLimit(rate.Limit(now.Rate) / rate.Limit(max(1, f.reader.Stats().Workers)))
		}
	}
}

// save adds what was counted to the item, and at the end says that the replay is done.
func (f *follower) save(ctx context.Context, done bool) (now Replay, err error) {
	f.mu.Lock()
	counts, counted := f.counts, f.counted
	f.counts, f.counted = Counts{}, nil
	f.mu.Unlock()
	err = f.loop.Do(ctx, "progress", func(ctx context.Context) (err error) {
		now, err = update(ctx, f.Control, f.Name, func(r *Replay) error {
			if r.Source != Stream {
				return nil // what the stream brought does not count
			}
			r.UpdatedAt = time.Now() // somebody carries it out
			if r.Counts = r.Counts.add(counts); done && r.State == Running {
				r.State, r.FinishedAt = Done, time.Now()
			}
			return nil
		})
		return err
	})
	if err != nil {
		f.mu.Lock()
		f.counts, f.counted = f.counts.add(counts), append(counted, f.counted...)
		f.mu.Unlock()
		return now, err
	}
	for _, record := range counted {
		record.Ack()
	}
	f.Seen(now)
	return now, nil
}

// lost has the replay go through the log, since the stream does not hold all of it.
func (f *follower) lost(ctx context.Context, loss *stream.DataLossError) error {
	if err := f.throughLog(ctx, loss); err != nil {
		return err
	}
	f.stop(errMoved)
	return nil
}

func (f *follower) throughLog(ctx context.Context, reason error) error {
	_, err := update(ctx, f.Control, f.Name, func(r *Replay) error {
		if r.Source == Stream && r.State != Done {
			r.Source, r.Counts, r.Holder = Log, Counts{}, ""
		}
		return nil
	})
	if err == nil {
		f.Logger.Warn("the replay goes through the log instead of the stream, from its beginning", "replay", f.Name, "reason", reason)
	}
	return err
}

// forget removes what the group has kept, if this was its last worker.
func (f *follower) forget(ctx context.Context) {
	ctx, end := context.WithTimeout(ctx, removeTimeout)
	defer end()
	if err := stream.RemoveGroup(ctx, f.Stream, f.Control, f.group()); err != nil {
		f.Logger.Info("the group of the replay is not removed by this worker", "replay", f.Name, "reason", err)
	}
}
