package main

import (
	"context"
	"fmt"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// deadLetters counts the messages in the dead-letter queue, if there is one.
func (a *app) deadLetters(ctx context.Context) (n int, there bool, err error) {
	depth, err := a.backend.Queue(postroom.DeadLetterQueue(a.queue)).Depth(ctx)
	if backend.KindOf(err) == backend.KindNotFound {
		return 0, false, nil
	}
	return depth.Visible + depth.InFlight + depth.Delayed, err == nil, err
}

// checkDeadLetters returns an error if there are more dead letters than before.
func (a *app) checkDeadLetters(ctx context.Context, before int) error {
	now, _, err := a.deadLetters(ctx)
	if err != nil || now <= before {
		return err
	}
	return fmt.Errorf("%s notifications failed too often and went to the queue %s; `postroom redrive` moves them back",
		count(now-before), postroom.DeadLetterQueue(a.queue))
}
