package main

import (
	"context"
	"strings"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer/dedup"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/stream"
)

// explainedMessage is one message on its way.
type explainedMessage struct {
	Key           string                  `json:"key"`
	Bytes         int                     `json:"bytes"` // as an item
	User          string                  `json:"user_uuid"`
	Projected     bool                    `json:"projected"` // the head is at it or past it
	TraceParent   string                  `json:"traceparent,omitempty"`
	Record        *explainedRecord        `json:"record"`   // null: it was not found in the stream
	Searched      bool                    `json:"searched"` // the whole stream was
	Notifications []explainedNotification `json:"notifications"`
}

// explainedRecord is a message's record in the stream.
type explainedRecord struct {
	Shard     string `json:"shard"`
	Sequence  string `json:"sequence"`
	CreatedAt string `json:"created_at"`
	Passed    bool   `json:"passed"` // by the checkpoint: it is projected, and everybody is notified
	Worker    string `json:"worker,omitempty"`
}

type explainedNotification struct {
	Recipient string `json:"recipient"`
	ID        string `json:"id"`
	// State is handled, being_handled, dead_letter if it was found among these, or
	// not_known: not handled yet, or by a consumer that remembers in its own memory, or
	// longer ago than it is remembered.
	State string `json:"state"`
}

func (a *app) explainMessage(ctx context.Context, e *explanation, uuid string, o explainOptions) error {
	it, err := a.findMessage(ctx, e.Group, uuid)
	if err != nil {
		return err
	}
	if it == nil {
		e.miss("the conversation has no message %s", uuid)
		return nil
	}
	key := backend.KeyOf(it).SK
	x := &explainedMessage{Key: key, Bytes: backend.ItemBytes(it), Projected: e.Opened && key <= e.Head, Notifications: []explainedNotification{}}
	e.Message = x
	if err := a.explainRecord(ctx, e, backend.KeyOf(it), o.reads); err != nil {
		return err
	}
	m, err := postroom.MessageFromItem(it)
	if err != nil {
		e.miss("the message cannot be read: %v", err)
		return nil
	}
	x.User, x.TraceParent = m.UserUUID, m.TraceParent
	if !x.Projected {
		e.miss("the message is not projected yet")
	}
	if err := a.explainNotifications(ctx, e, m); err != nil {
		return err
	}
	return a.explainDeadLetters(ctx, e, o.deadLetters)
}

// findMessage reads a conversation from its newest message back to one.
func (a *app) findMessage(ctx context.Context, group, uuid string) (backend.Item, error) {
	q := backend.Query{PK: group, SKPrefix: postroom.MessagePrefix, Descending: true, Consistent: true}
	for it, err := range batch.NewTable(a.table()).Query(ctx, q) {
		if err != nil || strings.HasSuffix(backend.KeyOf(it).SK, "#"+uuid) {
			return it, err
		}
	}
	return nil, nil
}

// explainRecord looks for a message's record in all shards of the stream, and whether
// the projectors have passed it.
func (a *app) explainRecord(ctx context.Context, e *explanation, key backend.Key, reads int) error {
	source := a.backend.Stream(a.global.table)
	s, err := a.streamStatus(ctx)
	if err != nil || reads == 0 {
		return err
	}
	x := e.Message
	x.Searched = true
	for _, sh := range s.Shards {
		if !sh.Listed {
			continue
		}
		record, complete, err := findRecord(ctx, source, s.StreamARN, sh.Shard, key, &reads)
		if err != nil {
			a.log.Warn("cannot read a shard to look for the message", "shard", sh.Shard, "error", err)
		}
		x.Searched = x.Searched && complete
		if record == nil {
			continue
		}
		x.Searched = true
		x.Record = &explainedRecord{
			Shard: sh.Shard, Sequence: record.Sequence, CreatedAt: formatTime(record.CreatedAt), Worker: sh.Worker,
			Passed: sh.Finished || sh.Checkpoint != "" && backend.CompareSequence(record.Sequence, sh.Checkpoint) <= 0,
		}
		if !x.Record.Passed {
			e.miss("its record in shard %s, made %s, is not done: %s", sh.Shard, ago(record.CreatedAt), whoReads(sh))
		}
		return nil
	}
	if x.Searched {
		e.find("its record is not in the stream any more: it was posted more than a day ago, or was restored")
	} else {
		e.find("its record was not found in the part of the stream that was read: give more --reads")
	}
	return nil
}

func whoReads(sh stream.ShardStatus) string {
	if sh.Worker == "" {
		return "nobody has read the shard"
	}
	return "the shard is, or was last, read by " + sh.Worker
}

// findRecord reads a shard from the trim horizon on until it finds the record of an item,
// or there is no more. It reports whether it came to the tip, or to the end, or found it.
func findRecord(ctx context.Context, s backend.Stream, arn, shard string, key backend.Key, reads *int) (*backend.Record, bool, error) {
	iterator, err := s.Iterator(ctx, arn, shard, backend.Position{Type: backend.TrimHorizon})
	for empty := 0; err == nil && *reads > 0; *reads-- {
		var page backend.RecordPage
		if page, err = s.Records(ctx, iterator, backend.MaxRecords); err != nil {
			break
		}
		for i := range page.Records {
			if page.Records[i].Key == key && page.Records[i].Event == backend.Insert {
				return &page.Records[i], true, nil
			}
		}
		if len(page.Records) > 0 {
			empty = 0
		} else {
			empty++
		}
		const enough = 3 // empty pages in a row: more may follow, but most likely do not
		if page.Next == "" || page.Tip || empty == enough {
			return nil, true, nil
		}
		iterator = page.Next
	}
	return nil, false, err
}

// explainNotifications looks up what the consumers that share a table remember.
func (a *app) explainNotifications(ctx context.Context, e *explanation, m postroom.Message) error {
	store, handled := dedup.NewTable(a.control()), 0
	for _, user := range postroom.Recipients(e.members, m.UserUUID) {
		n := explainedNotification{Recipient: user, ID: postroom.NotificationID(m, user), State: "not_known"}
		claim, err := store.Look(ctx, a.handledID(postroom.Notification{ID: n.ID}))
		if err != nil {
			return err
		}
		switch claim.State {
		case dedup.Done:
			n.State = "handled"
			handled++
		case dedup.Busy:
			n.State = "being_handled"
		}
		e.Message.Notifications = append(e.Message.Notifications, n)
	}
	if e.members == nil {
		return nil
	}
	e.find("%s of %s recipients were notified as far as is remembered in the table; a consumer without --dedup table remembers nothing there",
		count(handled), count(len(e.Message.Notifications)))
	return nil
}
