package main

import (
	"cmp"
	"context"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/redrive"
)

// explainDeadLetters looks for a message's notifications among the dead letters, or says
// that there are some in which they could be found.
func (a *app) explainDeadLetters(ctx context.Context, e *explanation, look bool) error {
	n, _, err := a.deadLetters(ctx)
	if err != nil || n == 0 {
		return err
	}
	if !look {
		e.find("%s dead letters are in %s, and were not looked at: --dead-letters looks for the message among them", count(n), postroom.DeadLetterQueue(a.queue))
		return nil
	}
	wanted := map[string]*explainedNotification{}
	for i := range e.Message.Notifications {
		wanted[e.Message.Notifications[i].ID] = &e.Message.Notifications[i]
	}
	dead, queue := a.backend.Queue(postroom.DeadLetterQueue(a.queue)), a.backend.Queue(a.queue)
	report, err := redrive.Run(ctx, dead, queue, redrive.Options{
		DryRun: true, Rate: 10_000,
		Filter: func(d backend.Delivery) bool { return wanted[newLetter(d).ID] != nil },
		Each: func(one redrive.Outcome) {
			found := wanted[newLetter(one.DeadLetter).ID]
			if found == nil {
				return
			}
			found.State = "dead_letter"
			reason := cmp.Or(one.DeadLetter.Attributes[consumer.ReasonAttribute], "it failed too often")
			e.miss("the notification of %s is a dead letter: %s; %s redrive --filter id=%s", found.Recipient, reason, a.commandLine(), found.ID)
		},
	})
	if err == nil && report.Unseen > 0 {
		e.find("%s dead letters were not seen: they are behind others of their recipient, or were received by somebody else", count(report.Unseen))
	}
	return err
}
