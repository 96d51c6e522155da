package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/internal/tracing"
)

// Handler does what a message asks for.
type Handler interface {
	// Handle handles one message. After nil the message is deleted. After an error
	// it comes again, after a pause that grows with its receive count, unless the
	// error is an [Instruction]. Calls overlap, except for messages of one group.
	// Handle must return soon after ctx is done, which happens only when a drain
	// runs out of time.
	Handle(ctx context.Context, d backend.Delivery) error
}

// HandlerFunc makes a function a [Handler].
type HandlerFunc func(ctx context.Context, d backend.Delivery) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, d backend.Delivery) error { return f(ctx, d) }

const (
	// callTimeout bounds a call to the queue, beyond the time that a receive waits
	// for messages.
	callTimeout = 10 * time.Second
	// abandonAfter is how long a cancelled goroutine may take to return at the end
	// of a drain.
	abandonAfter = 50 * time.Millisecond
)

// Worker works one queue. Its methods may be called concurrently.
type Worker struct {
	queue    backend.Queue
	handler  Handler
	opts     Options
	inFlight *inFlight
	tracer   trace.Tracer
	started  atomic.Bool

	incidents                                                *incident.Log
	receiving, extending, deleting, releasing, deadLettering retry.Loop
}

// New returns a worker. An option that is out of bounds is an error that names it.
func New(q backend.Queue, h Handler, o Options) (*Worker, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	incidents := incident.NewLog(o.Logger)
	loop := func(operation string, timeout time.Duration) retry.Loop {
		policy := retry.Policy{
			Min: 100 * time.Millisecond, Max: 5 * time.Second,
			Timeout: timeout, Patience: retry.Forever,
		}
		return retry.Loop{Policy: policy, Operation: incidents.Operation(operation)}
	}
	return &Worker{
		queue: q, handler: h, opts: o, inFlight: newInFlight(o, 10*o.Concurrency), tracer: tracing.Tracer(o.TracerProvider),
		incidents:     incidents,
		receiving:     loop("receiving messages", o.Wait+callTimeout),
		extending:     loop("extending visibility", o.Visibility/4),
		deleting:      loop("deleting messages", callTimeout),
		releasing:     loop("releasing messages", callTimeout),
		deadLettering: loop("sending dead letters", callTimeout),
	}, nil
}

// Run works the queue until ctx is done, and then drains. It returns nil after a
// drain, even if that had to leave messages in flight; the last log line and
// [Worker.Stats] say how many. An error means that Run did not start: the queue
// cannot be used, or Run was called before.
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

	var receivers, handlers, extender, deadLetters, settlers sync.WaitGroup
	for i := range w.opts.Receivers {
		receivers.Go(func() { w.receive(ctx, i) })
	}
	for range w.opts.Concurrency {
		handlers.Go(func() { w.handle(handling) })
	}
	extender.Go(func() { w.extend(extending) })
	deadLetters.Go(func() { w.deadLetter(settling) })
	settlers.Go(func() { w.settle(settling, w.deleting, w.inFlight.deletes, parallelDeletes, w.delete) })
	settlers.Go(func() { w.settle(settling, w.releasing, w.inFlight.changes, 1, w.hide) })

	<-ctx.Done()
	began := time.Now()
	defer time.AfterFunc(w.opts.DrainTimeout*3/4, stopHandling).Stop()
	defer time.AfterFunc(w.opts.DrainTimeout, stopSettling).Stop()
	w.inFlight.drain()
	waitFor(settling, &receivers)
	waitFor(settling, &handlers)
	w.inFlight.closeDeadLetters()
	waitFor(settling, &deadLetters)
	stopExtending()
	waitFor(settling, &extender)
	w.inFlight.closeSettling()
	waitFor(settling, &settlers)
	w.incidents.Close()
	w.logStopped(time.Since(began))
	return nil
}

func (w *Worker) logStopped(took time.Duration) {
	s := w.Stats()
	level, text := slog.LevelInfo, "consumer stopped"
	if s.InFlight > 0 {
		level, text = slog.LevelWarn, "consumer stopped with messages in flight, which come again"
	}
	w.opts.Logger.Log(context.Background(), level, text,
		"received", s.Received, "delivered", s.Delivered, "failed", s.Failed,
		"dropped", s.Dropped, "dead_lettered", s.DeadLettered, "duplicates", s.Duplicates, "deleted", s.Deleted, "delete_failed", s.DeleteFailed,
		"released", s.Released, "in_flight", s.InFlight, "took", took.Round(time.Millisecond).String())
}

// waitFor waits for a group. Once ctx is done it abandons goroutines that do not
// return at once.
func waitFor(ctx context.Context, group *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(abandonAfter):
		}
	}
}

// Stats returns the counts so far.
func (w *Worker) Stats() Stats { return w.inFlight.snapshot() }

// IdleSince returns since when there has been nothing to do: no message is in
// flight and the latest receive of every receiver was empty. It returns false
// while there is work, and before the first receives have returned.
func (w *Worker) IdleSince() (time.Time, bool) { return w.inFlight.idleSince() }

// AskedSince returns when the oldest receive began that the queue has not
// answered. If that is longer ago than Options.Wait and some seconds, the queue
// does not answer. It is zero while no receive is under way: before Run, and while
// there is no room for more messages.
func (w *Worker) AskedSince() time.Time {
	w.inFlight.mu.Lock()
	defer w.inFlight.mu.Unlock()
	return w.inFlight.askedSince
}
