package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// receiveGrace is what a receive may take longer than it waits for messages.
const receiveGrace = 10 * time.Second

var errNoAnswer = errors.New("the queue did not answer in time")

// receive takes messages in hand until ctx is done, never more than there is
// room for.
func (w *Worker) receive(ctx context.Context, receiver int) {
	who := fmt.Sprint("receiver ", receiver)
	for {
		n := w.hand.reserve(ctx, backend.MaxQueueBatch)
		if n == 0 {
			return
		}
		got, err := w.receiveOnce(ctx, n)
		if err == nil || len(got) > 0 {
			w.hand.admit(receiver, n, got)
			w.receiving.Worked(who)
			continue
		}
		w.hand.unreserve(n)
		pause, _ := w.receiving.Failed(ctx, who, err)
		if trouble.Sleep(ctx, pause, nil) != nil {
			return
		}
	}
}

func (w *Worker) receiveOnce(ctx context.Context, n int) ([]backend.Delivery, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.opts.Wait+receiveGrace, errNoAnswer)
	defer cancel()
	return w.queue.Receive(ctx, n, w.opts.Wait, w.opts.Visibility)
}
