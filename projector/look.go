package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// errNoMembers: no message in the log says who is in the conversation. The one
// that does may be on its way.
var errNoMembers = errors.New("no message of the conversation names its members")

// conversation is what this worker knows of one conversation. It is good until
// a condition fails, and has one user at a time.
type conversation struct {
	group   string
	head    *head             // nil: nothing is projected yet
	members []postroom.Member // see join
	opener  string            // sort key of the message that names the members
	// settled: this worker saw all rows at head's key put and those at its old
	// key gone. Only then may it move on or acknowledge.
	settled bool
	moved   time.Time // when this worker last moved it; zero: not yet
	first   string    // of an audit: sort key of the first message, readable or not
}

// join sets the members, in the order of their uuids.
func (c *conversation) join(members []postroom.Member) {
	slices.SortFunc(members, func(a, b postroom.Member) int { return strings.Compare(a.UserUUID, b.UserUUID) })
	c.members = members
}

func (c *conversation) has(user string) bool {
	_, ok := slices.BinarySearchFunc(c.members, user, func(p postroom.Member, user string) int {
		return strings.Compare(p.UserUUID, user)
	})
	return ok
}

// at reports whether the fold has come to p or further.
func (c *conversation) at(p postroom.Position) bool {
	return c.head != nil && c.head.last.Compare(p) >= 0
}

// look reads how far a conversation is and who is in it. One query is enough
// unless clocks differed when it was opened. The error is errNoMembers, one
// that no retry mends (*damaged), or the backend's.
func (m *mover) look(ctx context.Context, group string) (*conversation, error) {
	page, err := m.query(ctx, backend.Query{PK: group, Limit: 2, Consistent: true})
	if err != nil {
		return nil, err
	}
	c := &conversation{group: group}
	items := page.Items
	if len(items) > 0 && backend.Text(items[0], backend.AttrSK) == postroom.HeadKey {
		h, err := decodeHead(items[0])
		if err != nil {
			return nil, &damaged{fmt.Errorf("conversation %s: %w", group, err)}
		}
		c.head, c.opener = &h, h.openedBy
		items = items[1:]
	}
	if c.head != nil {
		return c, m.readMembers(ctx, c, items)
	}
	return c, m.findMembers(ctx, c)
}

// readMembers takes the members from the message that the head names, which is
// usually among the items at hand.
func (m *mover) readMembers(ctx context.Context, c *conversation, at []backend.Item) error {
	for _, item := range at {
		if backend.Text(item, backend.AttrSK) == c.opener {
			return c.opened(item)
		}
	}
	item, err := m.get(ctx, backend.Key{PK: c.group, SK: c.opener})
	if err != nil {
		return err
	}
	return c.opened(item)
}

func (c *conversation) opened(item backend.Item) error {
	msg, err := postroom.MessageFromItem(item)
	if err == nil && msg.Members == nil {
		err = errors.New("it names no members")
	}
	if err != nil {
		return &damaged{fmt.Errorf("conversation %s: opening message %s: %w", c.group, c.opener, err)}
	}
	c.join(msg.Members)
	return nil
}

// findMembers takes them from the first message of the log that names any.
// What is damaged there is set aside by its own record.
func (m *mover) findMembers(ctx context.Context, c *conversation) error {
	q := backend.Query{PK: c.group, SKPrefix: postroom.MessagePrefix, Limit: 2, Consistent: true}
	for {
		page, err := m.query(ctx, q)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if msg, err := postroom.MessageFromItem(item); err == nil && msg.Members != nil {
				c.opener = msg.Key()
				c.join(msg.Members)
				return nil
			}
		}
		if page.Last == nil {
			return errNoMembers
		}
		q.After, q.Limit = *page.Last, 0
	}
}

// damaged is a conversation that no retry mends.
type damaged struct{ err error }

func (d *damaged) Error() string { return d.err.Error() }

func (d *damaged) Unwrap() error { return d.err }
