package consumer

import (
	"context"
	"fmt"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// receive receives messages until ctx is done, never more than there is room for.
func (w *Worker) receive(ctx context.Context, receiver int) {
	who := fmt.Sprint("receiver ", receiver)
	for {
		room := w.inFlight.reserve(ctx)
		if room == 0 {
			return
		}
		brought, err := retry.Once(ctx, w.receiving.Policy, func(ctx context.Context) ([]backend.Delivery, error) {
			return w.queue.Receive(ctx, room, w.opts.Wait, w.opts.Visibility)
		})
		if err == nil {
			w.inFlight.admit(receiver, room, brought)
			w.receiving.Succeeded(who)
			continue
		}
		w.inFlight.unreserve(room)
		if !again(ctx, w.receiving, who, err) {
			return
		}
	}
}

// again pauses before a failed call is made again. It returns false once ctx is
// done: a call that has not got through by the end of a drain has not succeeded,
// and the log must not say so.
func again(ctx context.Context, loop retry.Loop, who string, err error) bool {
	pause, _ := loop.Failed(ctx, who, err)
	return retry.Sleep(ctx, pause, nil) == nil
}
