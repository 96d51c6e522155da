package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
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

const filterHelp = `A filter is KEY=VALUE, each key once:
  recipient=UUID           the recipient of the notification
  message_group_uuid=UUID  the conversation
  id=ID                    the id of the event, or of the queue's message
  reason=TEXT              part of the reason for which a handler dead-lettered it
  since=TIME, before=TIME  when it was sent, such as 2026-05-21T10:30:00Z`

// deadLetterFilter reports whether a dead letter matches. If it is not a notification,
// n is empty.
type deadLetterFilter func(d backend.Delivery, n postroom.Notification) bool

// parseFilters combines the filters. Without any, everything matches.
func parseFilters(texts []string) (func(backend.Delivery) bool, error) {
	var all []deadLetterFilter
	var keys []string
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, usagef("--filter is %q, must be KEY=VALUE", text)
		}
		if slices.Contains(keys, key) {
			return nil, usagef("--filter %s is given twice; a dead letter must match every filter", key)
		}
		f, err := parseFilter(key, value)
		if err != nil {
			return nil, err
		}
		all, keys = append(all, f), append(keys, key)
	}
	return func(d backend.Delivery) bool {
		n, _ := postroom.DecodeNotification(d.Body)
		return !slices.ContainsFunc(all, func(f deadLetterFilter) bool { return !f(d, n) })
	}, nil
}

func parseFilter(key, value string) (deadLetterFilter, error) {
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
		return func(_ backend.Delivery, n postroom.Notification) bool { return n.Subject == value }, nil
	case "message_group_uuid":
		return func(_ backend.Delivery, n postroom.Notification) bool { return n.Data.GroupUUID == value }, nil
	case "id":
		return func(d backend.Delivery, n postroom.Notification) bool { return n.ID == value || d.MessageID == value }, nil
	case "reason":
		return func(d backend.Delivery, _ postroom.Notification) bool {
			return strings.Contains(d.Attributes[consumer.ReasonAttribute], value)
		}, nil
	case "since":
		return func(d backend.Delivery, _ postroom.Notification) bool { return !d.SentAt.Before(at) }, nil
	case "before":
		return func(d backend.Delivery, _ postroom.Notification) bool { return d.SentAt.Before(at) }, nil
	}
	return nil, usagef("--filter %q is unknown, must be recipient, message_group_uuid, id, reason, since or before", key)
}
