package inbox

import (
	"context"
	"iter"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
)

// AllConversations yields a user's conversations from opts.Cursor on, the one with the
// latest reply first, each once. An *[UnreadableError] stands for one item, and the
// iteration goes on; any other error ends it.
func (in *Inbox) AllConversations(
	ctx context.Context, userUUID string, opts PageOptions,
) iter.Seq2[postroom.Group, error] {
	return func(yield func(postroom.Group, error) bool) {
		seen := map[string]bool{}
		entries := pages(opts, func(opts PageOptions) (Page[postroom.Group], error) {
			return in.Conversations(ctx, userUUID, opts)
		})
		for g, err := range entries {
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

// AllMessages yields the messages of a conversation from opts.Cursor on, the newest
// first; see [Inbox.Messages] for since. An *[UnreadableError] stands for one item, and
// the iteration goes on; any other error ends it.
func (in *Inbox) AllMessages(
	ctx context.Context, groupUUID, since string, opts PageOptions,
) iter.Seq2[postroom.Message, error] {
	return pages(opts, func(opts PageOptions) (Page[postroom.Message], error) {
		return in.Messages(ctx, groupUUID, since, opts)
	})
}

// pages yields the items of all pages, and after the items of each page the errors of
// its unreadable ones.
func pages[T any](opts PageOptions, read func(PageOptions) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		opts := opts // each iteration begins where the first one began
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

// All yields every inbox entry of every user, in no particular order: it scans the whole
// table. It goes by the view that readers read when it begins, and fails if that is dropped
// meanwhile. It yields entries as they are stored, so a conversation that moves may appear
// twice in a user's list. An *[UnreadableError] stands for one entry, and the iteration
// goes on; any other error ends it.
func (in *Inbox) All(ctx context.Context) iter.Seq2[postroom.Group, error] {
	return func(yield func(postroom.Group, error) bool) {
		set, err := in.views.Within(ctx, pointerAge)
		if err != nil {
			yield(postroom.Group{}, err)
			return
		}
		view := set.LiveView()
		for item, err := range batch.NewTable(in.table).Scan(ctx, backend.Scan{Consistent: true}) {
			if err != nil {
				yield(postroom.Group{}, err)
				return
			}
			if !view.Holds(backend.KeyOf(item)) {
				continue
			}
			g, err := view.GroupFromItem(item)
			if err != nil {
				g, err = postroom.Group{}, &UnreadableError{backend.KeyOf(item), err}
			}
			if !yield(g, err) {
				return
			}
		}
		if err := in.kept(ctx, view); err != nil {
			yield(postroom.Group{}, err)
		}
	}
}
