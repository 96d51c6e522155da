package projector

import (
	"context"
	"fmt"
	"slices"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// audit holds single conversations against their log. It shares nothing with
// the mover but the vocabulary: it folds the log, not the stream.
type audit struct {
	retrying

	index bool
}

// finding is what an audit says of one conversation.
type finding struct {
	conversation *conversation
	newest       postroom.Position // that there is to project; zero: nothing
	differences  []Difference
}

// head is how far the conversation is projected; the zero position: not at all.
func (f *finding) head() postroom.Position {
	if f.conversation.head == nil {
		return postroom.Position{}
	}
	return f.conversation.head.last
}

func (f *finding) add(kind DifferenceKind, user, format string, args ...any) {
	f.differences = append(f.differences, Difference{
		kind, f.conversation.group, user, fmt.Sprintf(format, args...),
	})
}

func (a audit) inspect(ctx context.Context, group string) (*finding, error) {
	f := &finding{conversation: &conversation{group: group}}
	log, err := a.readLog(ctx, f)
	if err != nil {
		return nil, err
	}
	c := f.conversation
	c.join(membersOf(c, log))
	if c.members == nil {
		if c.head != nil {
			f.add(HeadWrong, "", "the opening message %s names no members or is gone", c.head.openedBy)
		}
		return f, nil
	}
	last := a.fold(f, log)
	if last == nil {
		return f, nil
	}
	f.newest = last.Position()
	switch {
	case c.head == nil:
		f.add(HeadMissing, "", "the newest message is %s", last.Key())
		return f, nil
	case c.head.last != last.Position():
		f.add(HeadWrong, "", "the head is at %s, the newest message is %s",
			postroom.MessageKey(c.head.last.CreatedAt, c.head.last.MessageUUID), last.Key())
		return f, nil
	}
	if err := a.compareRows(ctx, f, *last); err != nil || !a.index {
		return f, err
	}
	return f, a.compareIndex(ctx, f)
}

// readLog reads the head and every message of a conversation.
func (a audit) readLog(ctx context.Context, f *finding) ([]postroom.Message, error) {
	var log []postroom.Message
	q := backend.Query{PK: f.conversation.group, Consistent: true}
	for {
		page, err := a.query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			key := backend.KeyOf(item)
			if key.SK == postroom.HeadKey {
				h, err := decodeHead(item)
				if err != nil {
					f.add(Unreadable, "", "%v", err)
					continue
				}
				f.conversation.head = &h
				continue
			}
			if f.conversation.first == "" && isMessage(key) {
				f.conversation.first = key.SK
			}
			if m, err := postroom.MessageFromItem(item); err == nil {
				log = append(log, m)
			}
		}
		if page.Last == nil {
			return log, nil
		}
		q.After = *page.Last
	}
}

// membersOf takes the members from the message that the head names, or from the
// first one that names any.
func membersOf(c *conversation, log []postroom.Message) []postroom.Member {
	for _, m := range log {
		if c.head != nil && m.Key() == c.head.openedBy || c.head == nil && m.Members != nil {
			return m.Members
		}
	}
	return nil
}

// fold returns the newest message of a member; nil: there is none.
func (a audit) fold(f *finding, log []postroom.Message) *postroom.Message {
	var last *postroom.Message
	keys := map[string]string{}
	for _, m := range log {
		if other, ok := keys[m.MessageUUID]; ok {
			f.add(UUIDTwice, m.UserUUID, "message %s is there as %s and as %s", m.MessageUUID, other, m.Key())
		}
		keys[m.MessageUUID] = m.Key()
		if !f.conversation.has(m.UserUUID) {
			continue
		}
		if last == nil || m.Position().Compare(last.Position()) > 0 {
			last = &m
		}
	}
	return last
}

func (a audit) compareRows(ctx context.Context, f *finding, last postroom.Message) error {
	want := postroom.Groups(last, f.conversation.members)
	keys := rowKeys(f.conversation.members, f.conversation.head.row(f.conversation.group))
	items, err := a.getAll(ctx, keys)
	if err != nil {
		return err
	}
	for i, g := range want {
		item, ok := items[keys[i]]
		if !ok {
			f.add(RowMissing, g.UserUUID, "no row at %s", keys[i].SK)
			continue
		}
		if got, err := postroom.GroupFromItem(item); err != nil {
			f.add(Unreadable, g.UserUUID, "row at %s: %v", keys[i].SK, err)
		} else if got != g {
			f.add(RowWrong, g.UserUUID, "row at %s is %+v, want %+v", keys[i].SK, got, g)
		}
	}
	return nil
}

// compareIndex holds the index against the members: it lists each of them once,
// at the head's row.
func (a audit) compareIndex(ctx context.Context, f *finding) error {
	c := f.conversation
	var users []string
	q := backend.Query{PK: c.group, Index: postroom.IndexName}
	for {
		page, err := a.query(ctx, q)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			user := backend.Text(item, postroom.AttrUserUUID)
			users = append(users, user)
			if key := backend.KeyOf(item); !c.owns(key) {
				f.add(IndexWrong, user, "the index lists a row at %s", key.SK)
			}
		}
		if page.Last == nil {
			break
		}
		q.After, q.AfterIndex = *page.Last, page.LastIndex
	}
	for _, p := range c.members {
		if !slices.Contains(users, p.UserUUID) {
			f.add(IndexWrong, p.UserUUID, "the index does not list the row")
		}
	}
	return nil
}
