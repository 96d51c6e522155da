package consumer

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/internal/tracing"
)

// handle hands messages to the handler, one at a time, until a drain.
func (w *Worker) handle(ctx context.Context) {
	for {
		m, d := w.inFlight.next()
		if m == nil {
			return
		}
		err := w.callHandler(ctx, d)
		outcome := w.dispositionAfter(ctx, d, err)
		if err != nil {
			w.logFailure(d, err, outcome)
		}
		w.inFlight.finish(m, outcome)
	}
}

// dispositionAfter returns the disposition of a message whose handler returned
// err.
func (w *Worker) dispositionAfter(ctx context.Context, d backend.Delivery, err error) disposition {
	i := instructionOf(err)
	switch {
	case err == nil:
		return disposition{action: handled}
	case ctx.Err() != nil: // the drain cut it short, which is not the message's fault
		return disposition{action: hidden}
	case i == nil, i.action == deadLettered && w.opts.DeadLetters == nil:
		return disposition{action: hidden, hide: w.backoff(d.ReceiveCount)}
	}
	return disposition{action: i.action, hide: wholeSecondsUp(i.after), reason: i.reason()}
}

// panicError is a handler's panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }

func (w *Worker) callHandler(ctx context.Context, d backend.Delivery) (err error) {
	ctx, span := w.trace(ctx, d)
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
		tracing.End(span, err)
	}()
	return w.handler.Handle(ctx, d)
}

func (w *Worker) logFailure(d backend.Delivery, err error, after disposition) {
	attrs := []any{"message", d.MessageID, "group", d.GroupID, "receive_count", d.ReceiveCount, "error", incident.Brief(err)}
	if p, ok := err.(*panicError); ok { //nolint:errorlint // made in callHandler, never wrapped
		w.opts.Logger.Error("handler panicked", append(attrs, "retry_in", after.hide, "stack", string(p.stack))...)
		return
	}
	switch after.action {
	case dropped:
		w.opts.Logger.Warn("message dropped unhandled", attrs...)
	case deadLettered:
		w.opts.Logger.Warn("message goes to the dead-letter queue", attrs...)
	default:
		w.opts.Logger.Warn("message failed", append(attrs, "retry_in", after.hide)...)
	}
}

// backoff returns the pause after a message failed, in whole seconds.
func (w *Worker) backoff(receiveCount int) time.Duration {
	return wholeSecondsUp(retry.Policy{Min: w.opts.BackoffMin, Max: w.opts.BackoffMax}.Pause(receiveCount))
}

func wholeSecondsUp(d time.Duration) time.Duration {
	return min(d+time.Second-1, backend.MaxVisibility).Truncate(time.Second)
}
