package replay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/quarantine"
)

const (
	// saveInterval is how often whoever carries a replay out writes how far it is. What
	// was done since is done again after a crash. It is also how soon a replay that is
	// stopped stops.
	saveInterval = time.Second
	// takeover is how long a replay may stand unwritten before another worker carries it
	// out. It compares no clocks: the other has seen it stand for so long.
	takeover = 5 * time.Second
	// stale is how long nothing may have been written before nothing more is submitted:
	// less than takeover, so that a worker that was frozen looks first whether the replay
	// is still its own.
	stale = 3 * time.Second
	// patience is how long an error is retried that only a person can fix.
	patience = time.Minute
	// releaseTimeout bounds the last write of a worker that stops.
	releaseTimeout = 800 * time.Millisecond
)

// Item is one message that is to be processed again.
type Item struct {
	Message postroom.Message
	Record  quarantine.Record
	// Notify is the replay whose notifications are sent; nil: none are.
	Notify *Notify
	// Done is to be called once, when the message is processed, from any goroutine.
	Done func(Outcome)
}

// Notify says which notifications a replay sends again.
type Notify struct {
	Replay string   // the name
	Users  []string // only to these; empty: to all recipients
}

// Outcome is what became of a message.
type Outcome struct {
	Projected   bool // it had not been before
	Notified    int  // notifications of the replay
	Quarantined bool
}

func (o Outcome) counts() Counts {
	c := Counts{Replayed: 1, Notified: int64(o.Notified)}
	switch {
	case o.Quarantined:
		c.Quarantined = 1
	case o.Projected:
		c.Projected = 1
	}
	return c
}

// Config is what replays work on. All of it is required but Seen.
type Config struct {
	Worker  string        // the name of this one, for people
	Log     backend.Table // of the messages
	Control backend.Table
	Stream  backend.Stream
	// Submit takes over messages to process. It may block while too many are in
	// flight, until ctx is done; with an error it has taken over none. Calls overlap.
	Submit     func(ctx context.Context, items []Item) error
	Quarantine *quarantine.Quarantine // of messages that cannot be decoded
	Incidents  *incident.Log
	Logger     *slog.Logger
	// Seen is called with the replay each time it was read or written, from one
	// goroutine at a time. It must not block. Nil: nobody wants to know.
	Seen func(Replay)
}

// Runner carries replays out. Any number of them may run one replay: they share the shards
// of the stream; of the log one of them reads, and another takes over when it dies.
type Runner struct {
	Config

	table  batch.Table // the control table
	loop   retry.Loop
	window *semaphore.Weighted
}

// NewRunner makes no call.
func NewRunner(c Config) *Runner {
	if c.Seen == nil {
		c.Seen = func(Replay) {}
	}
	return &Runner{
		Config: c, table: batch.NewTable(c.Control),
		loop:   retry.Loop{Policy: policy(), Operation: c.Incidents.Operation("replaying")},
		window: semaphore.NewWeighted(window),
	}
}

// policy repeats calls for as long as it takes, unless only a person can help.
func policy() retry.Policy {
	return retry.Policy{
		Min: 20 * time.Millisecond, Max: 2 * time.Second, Patience: patience,
		Final: func(err error) bool {
			_, tripped := errors.AsType[*quarantine.BreakerError](err)
			return isGone(err) || tripped || errors.Is(err, errOvertaken)
		},
	}
}

// Run carries a replay out until it is done, or waits beside the worker that does. It
// returns nil once it is done, or when ctx is; [ErrStopped] when somebody stops it; and an
// error that no retry fixes.
func (r *Runner) Run(ctx context.Context, name string) error {
	var seen Replay
	var since time.Time // when it was first seen so
	for {
		now, err := r.load(ctx, name)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		r.Seen(now)
		switch {
		case now.State == Done:
			return nil
		case now.State == Stopped:
			return ErrStopped
		case now.Source == Stream:
			if err := r.follow(ctx, now); err != nil || ctx.Err() != nil {
				return unlessDone(ctx, err)
			}
			continue
		case now.Holder == "", seen.version == now.version && seen.writer == now.writer && time.Since(since) >= takeover:
			if err := r.carryOut(ctx, now); ctx.Err() != nil || err != nil && !errors.Is(err, errOvertaken) {
				return unlessDone(ctx, err)
			}
			continue
		case seen.version != now.version || seen.writer != now.writer:
			seen, since = now, time.Now()
		}
		if retry.Sleep(ctx, saveInterval, nil) != nil {
			return nil
		}
	}
}

// unlessDone is an error that did not come because ctx is done.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (r *Runner) load(ctx context.Context, name string) (now Replay, err error) {
	err = r.loop.Do(ctx, name, func(ctx context.Context) (err error) {
		now, err = load(ctx, r.table, name)
		return err
	})
	return now, err
}
