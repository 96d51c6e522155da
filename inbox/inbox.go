package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/views"
)

// The default and the maximum of a page's limit.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// ErrRequest says that a request is invalid, for example because the user is not a
// uuid. The error says why.
var ErrRequest = errors.New("invalid request")

// Inbox reads one table. It may be used concurrently.
type Inbox struct {
	table backend.Table
	views *views.Known
}

// New returns the inbox of a table.
func New(table backend.Table) *Inbox { return &Inbox{table, views.NewKnown(table)} }

// PageOptions select the page to read. Zero means the default.
type PageOptions struct {
	// Limit is how many items to read at most, 1 to MaxLimit. Default DefaultLimit.
	Limit int
	// Cursor continues after the page that returned it. Default: from the newest.
	Cursor string
	// Consistent shows every write that was acknowledged before, at twice the price.
	// Default: the writes of the last moment may be missing.
	Consistent bool
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	// Cursor asks for the next page; it is empty at the end.
	Cursor string
	// Unreadable has the items that could not be decoded. They are left out, so that a
	// damaged item does not make a whole list unreadable.
	Unreadable []*UnreadableError
	Units      backend.Units
}

// UnreadableError says that an item of the table cannot be decoded.
type UnreadableError struct {
	Key backend.Key
	Err error // what is wrong
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("item %s %s cannot be read: %v", e.Key.PK, e.Key.SK, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }

// Conversations reads a page of a user's conversations, the one with the latest reply
// first.
func (in *Inbox) Conversations(ctx context.Context, userUUID string, opts PageOptions) (Page[postroom.Group], error) {
	if err := postroom.CheckUUID(userUUID); err != nil {
		return Page[postroom.Group]{}, fmt.Errorf("%w: user %w", ErrRequest, err)
	}
	page, err := in.live(ctx, func(view postroom.View) (Page[postroom.Group], error) {
		// A cursor is a place in every view: it is bound to the user's list, and goes on in
		// the view that is read by now.
		l := list{kind: conversations, pk: postroom.InboxKey(userUUID)}
		return read(ctx, in.table, l, view.InboxKey(userUUID), opts, view.GroupFromItem)
	})
	page.Items = newest(page.Items)
	return page, err
}

// newest keeps the first entry of each conversation, which is the newest.
func newest(entries []postroom.Group) []postroom.Group {
	seen := make(map[string]bool, len(entries))
	return slices.DeleteFunc(entries, func(g postroom.Group) bool {
		again := seen[g.GroupUUID]
		seen[g.GroupUUID] = true
		return again
	})
}

// Messages reads a page of a conversation, the newest message first. With since it
// reads only the messages of a year, month, day, hour, minute or second in UTC
// ("2026", "2026-05", "2026-05-21", "2026-05-21T10", …).
func (in *Inbox) Messages(ctx context.Context, groupUUID, since string, opts PageOptions) (Page[postroom.Message], error) {
	if err := postroom.CheckUUID(groupUUID); err != nil {
		return Page[postroom.Message]{}, fmt.Errorf("%w: conversation %w", ErrRequest, err)
	}
	if err := checkSince(since); err != nil {
		return Page[postroom.Message]{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	l := list{kind: messages, pk: groupUUID, prefix: postroom.MessagePrefix + since}
	return read(ctx, in.table, l, l.pk, opts, postroom.MessageFromItem)
}

func checkSince(since string) error {
	if since == "" {
		return nil
	}
	for _, layout := range []string{
		"2006", "2006-01", "2006-01-02", "2006-01-02T15", "2006-01-02T15:04", "2006-01-02T15:04:05",
	} {
		if t, err := time.Parse(layout, since); err == nil && t.Format(layout) == since {
			return nil
		}
	}
	return fmt.Errorf("since %.60q is not the beginning of a time in UTC, such as 2026, 2026-05 or 2026-05-21T10:30", since)
}

// read reads and decodes a page of a list from a partition, newest first.
func read[T any](
	ctx context.Context, table backend.Table, l list, pk string, opts PageOptions, decode func(backend.Item) (T, error),
) (Page[T], error) {
	option.Default(&opts.Limit, DefaultLimit)
	if err := option.Check("inbox", "Limit", opts.Limit, 1, MaxLimit); err != nil {
		return Page[T]{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	q := backend.Query{
		PK: pk, SKPrefix: l.prefix, Descending: true, Limit: opts.Limit, Consistent: opts.Consistent,
	}
	if opts.Cursor != "" {
		sk, err := l.position(opts.Cursor)
		if err != nil {
			return Page[T]{}, err
		}
		q.After = backend.Key{PK: pk, SK: sk}
	}
	found, err := table.Query(ctx, q)
	if err != nil {
		return Page[T]{}, err
	}
	page := Page[T]{Items: make([]T, 0, len(found.Items)), Units: found.Units}
	if found.Last != nil {
		page.Cursor = l.cursor(found.Last.SK)
	}
	for _, item := range found.Items {
		v, err := decode(item)
		if err != nil {
			page.Unreadable = append(page.Unreadable, &UnreadableError{backend.KeyOf(item), err})
			continue
		}
		page.Items = append(page.Items, v)
	}
	return page, nil
}
