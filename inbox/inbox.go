package inbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// Bounds of a page's limit.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// ErrRequest says that what was asked for is wrong by itself, such as a user
// that is no uuid. The error says what.
var ErrRequest = errors.New("invalid request")

// Inbox reads one table. It may be used concurrently.
type Inbox struct{ table backend.Table }

// New makes an inbox of a table.
func New(table backend.Table) *Inbox { return &Inbox{table} }

// PageOptions say which page to read, and how.
type PageOptions struct {
	// Limit is the most rows to read, 1 to MaxLimit. Default DefaultLimit.
	Limit int
	// Cursor goes on where the page that it came with ended. Empty: from the newest.
	Cursor string
	// Consistent sees every write that was answered before, at twice the price.
	// Default: what is a moment old may be missing.
	Consistent bool
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	// Cursor asks for what follows; empty: nothing does.
	Cursor string
	// Unreadable is what was read and is no such item. It is left out, so that a
	// damaged item does not make a list unreadable.
	Unreadable []*UnreadableError
	Units      backend.Units
}

// UnreadableError is an item of the table that cannot be read.
type UnreadableError struct {
	Key backend.Key
	Err error // what is wrong with it
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("item %s %s cannot be read: %v", e.Key.PK, e.Key.SK, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }

// Conversations reads a page of a user's conversations, the one with the last
// reply first.
func (in *Inbox) Conversations(ctx context.Context, userUUID string, opts PageOptions) (Page[postroom.Group], error) {
	if err := postroom.CheckUUID(userUUID); err != nil {
		return Page[postroom.Group]{}, fmt.Errorf("%w: user %w", ErrRequest, err)
	}
	l := list{kind: conversations, pk: postroom.InboxKey(userUUID)}
	page, err := read(ctx, in.table, l, opts, postroom.GroupFromItem)
	page.Items = newest(page.Items)
	return page, err
}

// newest keeps the first, so the newest, row of each conversation.
func newest(rows []postroom.Group) []postroom.Group {
	seen := make(map[string]bool, len(rows))
	kept := rows[:0]
	for _, g := range rows {
		if !seen[g.GroupUUID] {
			kept = append(kept, g)
		}
		seen[g.GroupUUID] = true
	}
	return kept
}

// Messages reads a page of a conversation, the newest message first. Since is a
// year, month, day, hour, minute or second in UTC to keep to ("2026",
// "2026-05", "2026-05-21", "2026-05-21T10", …); empty: all of it.
func (in *Inbox) Messages(ctx context.Context, groupUUID, since string, opts PageOptions) (Page[postroom.Message], error) {
	if err := postroom.CheckUUID(groupUUID); err != nil {
		return Page[postroom.Message]{}, fmt.Errorf("%w: conversation %w", ErrRequest, err)
	}
	if err := checkSince(since); err != nil {
		return Page[postroom.Message]{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	l := list{kind: messages, pk: groupUUID, prefix: postroom.MessagePrefix + since}
	return read(ctx, in.table, l, opts, postroom.MessageFromItem)
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
	return fmt.Errorf("since %q is no beginning of a time in UTC, such as 2026, 2026-05 or 2026-05-21T10:30", since)
}

// read reads a page of a list, newest first, and decodes it.
func read[T any](
	ctx context.Context, table backend.Table, l list, opts PageOptions, decode func(backend.Item) (T, error),
) (Page[T], error) {
	if opts.Limit == 0 {
		opts.Limit = DefaultLimit
	}
	if opts.Limit < 1 || opts.Limit > MaxLimit {
		return Page[T]{}, fmt.Errorf("%w: limit %d is not from 1 to %d", ErrRequest, opts.Limit, MaxLimit)
	}
	q := backend.Query{
		PK: l.pk, SKPrefix: l.prefix, Descending: true, Limit: opts.Limit, Consistent: opts.Consistent,
	}
	if opts.Cursor != "" {
		sk, err := l.position(opts.Cursor)
		if err != nil {
			return Page[T]{}, err
		}
		q.After = backend.Key{PK: l.pk, SK: sk}
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

// isRow reports whether an item is a row of somebody's list.
func isRow(item backend.Item) bool {
	return strings.HasPrefix(backend.Text(item, backend.AttrPK), postroom.InboxPrefix)
}
