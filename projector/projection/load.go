package projection

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/views"
)

// ErrNoMembers means that no message in the log names the conversation's members.
// The one that does may be on its way.
var ErrNoMembers = errors.New("no message of the conversation names its members")

// DamagedError means that a conversation cannot be projected, however often that
// is tried: its head or the message that opened it is unreadable.
type DamagedError struct{ Err error }

func (d *DamagedError) Error() string { return d.Err.Error() }

// Unwrap returns the cause.
func (d *DamagedError) Unwrap() error { return d.Err }

// Projection is the heads and rows of a table. It is safe for concurrent use on
// distinct conversations.
type Projection struct {
	table batch.Table
	views *views.Known
	by    string // see By
}

// New returns the projection that a table holds. It makes no call.
func New(t backend.Table) Projection {
	return Projection{table: batch.NewTable(t), views: views.NewKnown(t)}
}

// Through returns the projection with its calls made through another table, as which the
// same table is seen. Both share what they know of the table's views.
func (p Projection) Through(t backend.Table) Projection {
	p.table = batch.NewTable(t)
	return p
}

// By returns the projection with the name of a worker, which the heads that it moves keep,
// for people: its first [maxName] bytes.
func (p Projection) By(worker string) Projection {
	p.by = batch.Clean(worker, maxName)
	return p
}

// beforeHead sorts just before the key of a head: items of others may come before that.
const beforeHead = "HEAC~"

// Load reads how far a conversation is projected and who its members are. One
// query is enough unless clocks differed when it was opened. The error is
// ErrNoMembers, a *DamagedError, or the backend's.
func (p Projection) Load(ctx context.Context, group string) (*Conversation, error) {
	q := backend.Query{PK: group, After: backend.Key{PK: group, SK: beforeHead}, Limit: 2, Consistent: true}
	page, err := p.table.Page(ctx, q)
	if err != nil {
		return nil, err
	}
	c := &Conversation{Group: group}
	items := page.Items
	if len(items) > 0 && backend.Text(items[0], backend.AttrSK) == postroom.HeadKey {
		h, err := DecodeHead(items[0])
		if errors.Is(err, postroom.ErrNewerView) {
			return nil, fmt.Errorf("conversation %s: %w", group, err)
		}
		if err != nil {
			return nil, &DamagedError{fmt.Errorf("conversation %s: %w", group, err)}
		}
		c.head, c.opener = &h, h.OpenedBy
		return c, p.readMembers(ctx, c, items[1:])
	}
	return c, p.findMembers(ctx, c, page)
}

// readMembers takes the members from the message that the head names, which is
// usually among the items at hand.
func (p Projection) readMembers(ctx context.Context, c *Conversation, items []backend.Item) error {
	for _, item := range items {
		if backend.Text(item, backend.AttrSK) == c.opener {
			return c.opened(item)
		}
	}
	item, err := p.table.Get(ctx, backend.Key{PK: c.Group, SK: c.opener})
	if err != nil {
		return err
	}
	return c.opened(item)
}

func (c *Conversation) opened(item backend.Item) error {
	m, err := postroom.MessageFromItem(item)
	if err == nil && m.Members == nil {
		err = errors.New("it names no members")
	}
	if err != nil {
		return &DamagedError{fmt.Errorf("conversation %s: opening message %s: %w", c.Group, c.opener, err)}
	}
	c.Members = postroom.SortedMembers(m.Members)
	return nil
}

// findMembers takes the members from the first message of the log that names
// any, beginning with the page at hand. A damaged message there is quarantined when
// its own record comes.
func (p Projection) findMembers(ctx context.Context, c *Conversation, page backend.Page) error {
	for {
		for _, item := range page.Items {
			if m, err := postroom.MessageFromItem(item); err == nil && m.Members != nil {
				c.opener, c.opening = m.Key(), m
				c.Members = postroom.SortedMembers(m.Members)
				return nil
			}
		}
		if page.Last == nil {
			return ErrNoMembers
		}
		q := backend.Query{PK: c.Group, SKPrefix: postroom.MessagePrefix, Consistent: true}
		if strings.HasPrefix(page.Last.SK, postroom.MessagePrefix) { // and not an item of others
			q.After = *page.Last
		}
		var err error
		if page, err = p.table.Page(ctx, q); err != nil {
			return err
		}
	}
}
