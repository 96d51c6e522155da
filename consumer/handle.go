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
		err := w.callHandler(ctx, d)
		if err == nil {
			w.hand.succeeded(m)
			continue
		}
		retryIn := w.retryIn(d.ReceiveCount)
		if ctx.Err() != nil {
			retryIn = 0 // cut short by the drain, which is not its fault
		}
		w.logFailure(d, err, retryIn)
		w.hand.failed(m, retryIn)
	}
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

func (w *Worker) logFailure(d backend.Delivery, err error, retryIn time.Duration) {
	attrs := []any{
		"message", d.MessageID, "group", d.GroupID, "receive_count", d.ReceiveCount,
		"retry_in", retryIn, "error", err,
	}
	if p, ok := err.(*panicError); ok { //nolint:errorlint // made in callHandler, never wrapped
		w.log.Error("handler panicked", append(attrs, "stack", string(p.stack))...)
		return
	}
	w.log.Warn("message failed", attrs...)
}

// retryIn is the pause after a message failed, in whole seconds.
func (w *Worker) retryIn(receiveCount int) time.Duration {
	d := trouble.Pause(w.opts.BackoffMin, w.opts.BackoffMax, receiveCount)
	return (d + time.Second - 1).Truncate(time.Second)
}
