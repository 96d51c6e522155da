package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

// deadLetters counts the messages in the dead-letter queue, if there is one.
func (a *app) deadLetters(ctx context.Context) (n int, there bool, err error) {
	return lettersIn(ctx, a.backend.Queue(postroom.DeadLetterQueue(a.queue)))
}

func lettersIn(ctx context.Context, dead backend.Queue) (n int, there bool, err error) {
	depth, err := dead.Depth(ctx)
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

const filterHelp = `A filter is KEY=VALUE, each key once:
  recipient=UUID           the recipient of the notification
  message_group_uuid=UUID  the conversation
  id=ID                    the id of the event, or of the queue's message
  reason=TEXT              part of the reason for which a handler dead-lettered it
  since=TIME, before=TIME  when it was sent, such as 2026-05-21T10:30:00Z`

// letter is a dead letter, with the notification that it is; if it is none, that is empty.
type letter struct {
	backend.Delivery
	postroom.Notification
}

func newLetter(d backend.Delivery) letter {
	n, _ := postroom.DecodeNotification(d.Body)
	return letter{d, n}
}

func parseLetterFilter(key, value string) (func(letter) bool, error) {
	var at time.Time
	var err error
	switch key {
	case "recipient", "message_group_uuid":
		err = postroom.CheckUUID(value)
	case "since", "before":
		at, err = postroom.ParseAnyTime(value)
	}
	if err != nil {
		return nil, usagef("--filter %s: %w", key, err)
	}
	switch key {
	case "recipient":
		return func(l letter) bool { return l.Subject == value }, nil
	case "message_group_uuid":
		return func(l letter) bool { return l.Data.GroupUUID == value }, nil
	case "id":
		return func(l letter) bool { return l.ID == value || l.MessageID == value }, nil
	case "reason":
		return func(l letter) bool {
			return strings.Contains(l.Attributes[consumer.ReasonAttribute], value)
		}, nil
	case "since":
		return func(l letter) bool { return !l.SentAt.Before(at) }, nil
	case "before":
		return func(l letter) bool { return l.SentAt.Before(at) }, nil
	}
	return nil, usagef("--filter %q is unknown, must be recipient, message_group_uuid, id, reason, since or before", key)
}
