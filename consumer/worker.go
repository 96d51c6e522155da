package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/trouble"
)

// Handler does what a message asks for.
type Handler interface {
	// Handle handles one message. With nil the message is done and will be
	// deleted; with an error it comes again after a pause that grows with its
	// receive count, unless the error is an [Instruction]. Calls overlap, but
	// for messages of one group. Handle must return soon after ctx is done, which
	// happens only when a drain runs out of time.
	Handle(ctx context.Context, d backend.Delivery) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, d backend.Delivery) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, d backend.Delivery) error { return f(ctx, d) }

// Options of a [Worker]. Zero means the default.
type Options struct {
	// Concurrency is how many handlers run at once. Default 16.
	Concurrency int
	// Receivers is how many calls to the queue wait for messages at once. One
	// brings at most ten messages a round trip. Default 2.
	Receivers int
	// MaxBuffered bounds the messages in hand: waiting, being handled, and not
	// yet settled. Default ten for each handler.
	MaxBuffered int
	// MaxBufferedBytes bounds their bodies and attributes: no receive begins
	// while there are more, and each may bring ten of at most 1 MiB each.
	// Default 64 MiB.
	MaxBufferedBytes int
	// DeadLetters is where messages go at once that a handler gives up with
	// [DeadLetter]: the queue's own dead-letter queue. Default: none, and they
	// get there by their receive count.
	DeadLetters backend.Queue
	// Visibility is for how long a message is hidden at a time, in whole
	// seconds from 1 s to 12 h; a message of a crashed worker comes again after
	// at most this. Default 30 s.
	Visibility time.Duration
	// Wait is how long a receive waits for a message, in whole seconds up to
	// 20 s. Default 20 s.
	Wait time.Duration
	// BackoffMin and BackoffMax bound the pause after a failure: the first lies
	// between half of BackoffMin and BackoffMin, each further one is twice as
	// long up to BackoffMax, and all are rounded up to whole seconds. Defaults
	// 2 s and 5 min.
	BackoffMin, BackoffMax time.Duration
	// DrainTimeout bounds the time between the end of Run's context and its
	// return; handlers are cancelled after three quarters of it. Default 8 s:
	// less than the 10 s that Docker waits before it kills.
	DrainTimeout time.Duration
	// Logger takes failures and what became of a drain. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.Concurrency, 16)
	option.Default(&o.Receivers, 2)
	option.Default(&o.MaxBuffered, 10*o.Concurrency)
	option.Default(&o.MaxBufferedBytes, 64<<20)
	option.Default(&o.Visibility, 30*time.Second)
	option.Default(&o.Wait, backend.MaxWait)
	option.Default(&o.BackoffMin, 2*time.Second)
	option.Default(&o.BackoffMax, 5*time.Minute)
	option.Default(&o.DrainTimeout, 8*time.Second)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return o, errors.Join(
		option.Check("consumer", "Concurrency", o.Concurrency, 1, 1<<16),
		option.Check("consumer", "Receivers", o.Receivers, 1, 1<<10),
		option.Check("consumer", "MaxBuffered", o.MaxBuffered, 1, 1<<20),
		option.Check("consumer", "MaxBufferedBytes", o.MaxBufferedBytes, 1, 1<<40),
		option.Check("consumer", "Visibility", o.Visibility, time.Second, backend.MaxVisibility),
		option.Check("consumer", "Wait", o.Wait, time.Second, backend.MaxWait),
		option.Check("consumer", "BackoffMin", o.BackoffMin, time.Millisecond, backend.MaxVisibility),
		option.Check("consumer", "BackoffMax", o.BackoffMax, o.BackoffMin, backend.MaxVisibility),
		option.Check("consumer", "DrainTimeout", o.DrainTimeout, time.Millisecond, backend.MaxVisibility),
		wholeSeconds("Visibility", o.Visibility),
		wholeSeconds("Wait", o.Wait),
	)
}

func wholeSeconds(name string, d time.Duration) error {
	if d%time.Second != 0 {
		return fmt.Errorf("consumer: option %s is %v, must be whole seconds", name, d)
	}
	return nil
}

// Worker works one queue. Its methods may be called concurrently.
type Worker struct {
	queue   backend.Queue
	handler Handler
	opts    Options
	log     *slog.Logger
	hand    *hand
	started atomic.Bool

	troubles                                        *trouble.Log
	receiving, extending, deleting, giving, burying *trouble.Work
}

// Bounds of the pause after a failed call to the queue. The longer is how long
// it takes at most to notice that an outage is over.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// New makes a worker. An option out of its bounds is an error that names it.
func New(q backend.Queue, h Handler, o Options) (*Worker, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	troubles := trouble.NewLog(o.Logger, minPause, maxPause)
	return &Worker{
		queue: q, handler: h, opts: o, log: o.Logger, hand: newHand(o),
		troubles:  troubles,
		receiving: troubles.Work("receiving messages"),
		extending: troubles.Work("extending visibility"),
		deleting:  troubles.Work("deleting messages"),
		giving:    troubles.Work("giving messages back"),
		burying:   troubles.Work("sending dead letters"),
	}, nil
}

// Run works the queue until ctx is done, and then drains. It returns nil after
// a drain, whatever that had to leave; what became of the messages stands in
// its last log line and in [Worker.Stats]. An error means that it did not
// start: the queue cannot be used, or Run was called before.
//
// A handler that has not returned by the end of the drain is abandoned.
func (w *Worker) Run(ctx context.Context) error {
	if w.started.Swap(true) {
		return errors.New("consumer: Run was called before")
	}
	if _, err := w.queue.Depth(ctx); err != nil {
		return fmt.Errorf("consumer: the queue cannot be used: %w", err)
	}
	// Handlers and calls to the queue outlive ctx until the drain ends them.
	handling, stopHandling := context.WithCancel(context.WithoutCancel(ctx))
	settling, stopSettling := context.WithCancel(context.WithoutCancel(ctx))
	extending, stopExtending := context.WithCancel(settling)
	defer stopHandling()
	defer stopSettling()
	defer stopExtending()

	var receivers, handlers, extender, burier, settlers sync.WaitGroup
	for i := range w.opts.Receivers {
		receivers.Go(func() { w.receive(ctx, i) })
	}
	for range w.opts.Concurrency {
		handlers.Go(func() { w.handle(handling) })
	}
	extender.Go(func() { w.extend(extending) })
	burier.Go(func() { w.bury(settling) })
	settlers.Go(func() { w.settle(settling, w.deleting, w.hand.deletes, parallelDeletes, w.delete) })
	settlers.Go(func() { w.settle(settling, w.giving, w.hand.changes, 1, w.giveBack) })

	<-ctx.Done()
	began := time.Now()
	defer time.AfterFunc(w.opts.DrainTimeout*3/4, stopHandling).Stop()
	defer time.AfterFunc(w.opts.DrainTimeout, stopSettling).Stop()
	w.hand.drain()
	waitFor(settling, &receivers)
	waitFor(settling, &handlers)
	w.hand.endBurials()
	waitFor(settling, &burier)
	stopExtending()
	waitFor(settling, &extender)
	w.hand.end()
	waitFor(settling, &settlers)
	w.troubles.Close()
	w.logStopped(time.Since(began))
	return nil
}

func (w *Worker) logStopped(took time.Duration) {
	s := w.Stats()
	level, text := slog.LevelInfo, "consumer stopped"
	if s.InFlight > 0 {
		level, text = slog.LevelWarn, "consumer stopped with messages in hand; they come again"
	}
	w.log.Log(context.Background(), level, text,
		"received", s.Received, "delivered", s.Delivered, "failed", s.Failed,
		"dropped", s.Dropped, "dead_lettered", s.DeadLettered, "duplicates", s.Duplicates, "deleted", s.Deleted, "delete_failed", s.DeleteFailed,
		"given_back", s.GivenBack, "in_flight", s.InFlight, "took", took.Round(time.Millisecond))
}

// waitFor waits for a group, or until ctx is done and its members are left to
// themselves.
func waitFor(ctx context.Context, group *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		// Calls that end with ctx get the moment they need to return.
		select {
		case <-done:
		case <-time.After(abandonAfter):
		}
	}
}

// abandonAfter is the grace for what has been cancelled at the end of a drain.
const abandonAfter = 50 * time.Millisecond

// Stats counts what a worker did since it was made.
type Stats struct {
	Received     int64 // messages received, repeated ones included
	Delivered    int64 // handled to success
	Failed       int64 // handled with an error or a panic
	Dropped      int64 // deleted unhandled: see [Drop]
	DeadLettered int64 // sent to the dead-letter queue: see [DeadLetter]
	Duplicates   int64 // received again while in hand or after handling: dropped
	Deleted      int64 // deleted from the queue
	DeleteFailed int64 // handled, but the queue refused to delete: it comes again
	GivenBack    int64 // returned to the queue unhandled
	Extended     int64 // extensions of a message's visibility
	InFlight     int64 // in hand now
	// InFlightBytes is the size of those, bodies and attributes.
	InFlightBytes int64
}

// Stats returns the counts so far.
func (w *Worker) Stats() Stats { return w.hand.snapshot() }

// IdleSince tells since when there has been nothing to do: no message is in
// hand and the last receive of every receiver came back empty. It is false
// while there is, or before the first receives have returned.
func (w *Worker) IdleSince() (time.Time, bool) { return w.hand.idleSince() }
