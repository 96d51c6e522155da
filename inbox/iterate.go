package inbox

import (
	"context"
	"iter"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// AllConversations yields a user's conversations from opts.Cursor on, the one
// with the last reply first, each once. An *[UnreadableError] is one row, and
// the rest follows; any other error is the last thing yielded.
func (in *Inbox) AllConversations(
	ctx context.Context, userUUID string, opts PageOptions,
) iter.Seq2[postroom.Group, error] {
	return func(yield func(postroom.Group, error) bool) {
		seen := map[string]bool{}
		rows := pages(opts, func(opts PageOptions) (Page[postroom.Group], error) {
			return in.Conversations(ctx, userUUID, opts)
		})
		for g, err := range rows {
			if err == nil && seen[g.GroupUUID] {
				continue
			}
			seen[g.GroupUUID] = true
			if !yield(g, err) {
				return
			}
		}
	}
}

// AllMessages yields the messages of a conversation from opts.Cursor on, the
// newest first; see [Inbox.Messages] for since. An *[UnreadableError] is one
// message, and the rest follows; any other error is the last thing yielded.
func (in *Inbox) AllMessages(
	ctx context.Context, groupUUID, since string, opts PageOptions,
) iter.Seq2[postroom.Message, error] {
	return pages(opts, func(opts PageOptions) (Page[postroom.Message], error) {
		return in.Messages(ctx, groupUUID, since, opts)
	})
}

// pages yields the items of all pages, what is unreadable after the items of
// its page.
func pages[T any](opts PageOptions, read func(PageOptions) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for {
			page, err := read(opts)
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			for _, err := range page.Unreadable {
				if !yield(none, err) {
					return
				}
			}
			if page.Cursor == "" {
				return
			}
			opts.Cursor = page.Cursor
		}
	}
}

// All yields every row of every user's list, in no promised order: a scan of
// the whole table. It yields rows as they are stored, so a conversation on the
// move may be there twice. An *[UnreadableError] is one row, and the rest
// follows; any other error is the last thing yielded.
func (in *Inbox) All(ctx context.Context) iter.Seq2[postroom.Group, error] {
	return func(yield func(postroom.Group, error) bool) {
		scan := backend.Scan{Consistent: true}
		for {
			page, err := in.table.Scan(ctx, scan)
			if err != nil {
				yield(postroom.Group{}, err)
				return
			}
			for _, item := range page.Items {
				if !isRow(item) {
					continue
				}
				g, err := postroom.GroupFromItem(item)
				if err != nil {
					g, err = postroom.Group{}, &UnreadableError{backend.KeyOf(item), err}
				}
				if !yield(g, err) {
					return
				}
			}
			if page.Last == nil {
				return
			}
			scan.After = *page.Last
		}
	}
}
