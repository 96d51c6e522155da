package consumer

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// handle hands messages to the handler, one at a time, until a drain.
func (w *Worker) handle(ctx context.Context) {
	for {
		m, d := w.hand.next()
		if m == nil {
			return
		}
		w.hand.concluded(m, w.judge(ctx, d, w.callHandler(ctx, d)))
	}
}

// judge decides what is to become of a message that a handler had, and logs what
// was no success.
func (w *Worker) judge(ctx context.Context, d backend.Delivery, err error) fate {
	if err == nil {
		return fate{verdict: handled}
	}
	f := fate{verdict: hidden, hide: w.retryIn(d.ReceiveCount)}
	switch i := instructionOf(err); {
	case ctx.Err() != nil: // cut short by the drain, which is not its fault
		f.hide = 0
	case i == nil:
	case i.verb == drop:
		f = fate{verdict: dropped}
	case i.verb == deadLetter && w.opts.DeadLetters != nil:
		f = fate{verdict: letter, reason: i.reason()}
	case i.verb == retry:
		f.hide = wholeSecondsUp(i.after)
	}
	w.logFailure(d, err, f)
	return f
}

// panicError is a handler's panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }

func (w *Worker) callHandler(ctx context.Context, d backend.Delivery) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return w.handler.Handle(ctx, d)
}

func (w *Worker) logFailure(d backend.Delivery, err error, f fate) {
	attrs := []any{"message", d.MessageID, "group", d.GroupID, "receive_count", d.ReceiveCount, "error", err}
	if p, ok := err.(*panicError); ok { //nolint:errorlint // made in callHandler, never wrapped
		w.log.Error("handler panicked", append(attrs, "retry_in", f.hide, "stack", string(p.stack))...)
		return
	}
	switch f.verdict {
	case dropped:
		w.log.Warn("message dropped unhandled", attrs...)
	case letter:
		w.log.Warn("message goes to the dead-letter queue", attrs...)
	default:
		w.log.Warn("message failed", append(attrs, "retry_in", f.hide)...)
	}
}

// retryIn is the pause after a message failed, in whole seconds.
func (w *Worker) retryIn(receiveCount int) time.Duration {
	return wholeSecondsUp(trouble.Pause(w.opts.BackoffMin, w.opts.BackoffMax, receiveCount))
}

func wholeSecondsUp(d time.Duration) time.Duration {
	return min(d+time.Second-1, backend.MaxVisibility).Truncate(time.Second)
}
