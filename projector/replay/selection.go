package replay

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/views"
)

const (
	// pageItems bounds how many items of the log are read at once.
	pageItems = 250
	// readUnits is how many read units a second reading the log takes at most. What is
	// done with the messages is bounded by the rate of the replay.
	readUnits = 1_000
	// endOfMessages is a sort key behind those of all messages of a conversation.
	endOfMessages = "MSG$"
)

// selection reads the messages of a replay from the log, page by page: those of some
// conversations by a query each, in the order of their uuids, otherwise by a scan.
type selection struct {
	Definition

	log    backend.Table // at a bounded rate
	do     caller
	chosen bool     // of groups; otherwise all of the log
	groups []string // in their order
}

// caller makes a call, again and again if it fails.
type caller func(ctx context.Context, call func(context.Context) error) error

// newSelection finds the conversations of a replay. Those of a user are the ones of which
// the user has a row that readers read. They are read upwards, as rows move, so that none
// is missed.
func newSelection(ctx context.Context, log backend.Table, do caller, d Definition) (*selection, error) {
	log = longscan.NewPace(readUnits).Table(log)
	s := &selection{Definition: d, log: log, do: do, groups: d.Groups, chosen: len(d.Groups)+len(d.Users) > 0}
	if len(d.Users) == 0 {
		return s, nil
	}
	theirs := map[string]bool{}
	for _, user := range d.Users {
		err := do(ctx, func(ctx context.Context) error {
			set, err := views.Read(ctx, log)
			if err != nil {
				return err
			}
			for it, err := range batch.NewTable(log).Query(ctx, backend.Query{PK: set.LiveView().InboxKey(user), Consistent: true}) {
				if err != nil {
					return err
				}
				if _, group, err := postroom.ParseRowKey(backend.KeyOf(it).SK); err == nil {
					theirs[group] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(d.Groups) == 0 {
		s.groups = slices.Sorted(maps.Keys(theirs))
		return s, nil
	}
	s.groups = slices.DeleteFunc(slices.Clone(d.Groups), func(group string) bool { return !theirs[group] })
	return s, nil
}

// read is a page of the log.
type read struct {
	messages []backend.Item // that are to be replayed
	last     backend.Key    // to go on after
	end      bool           // nothing is left
}

// next reads the page after a key; zero: the first.
func (s *selection) next(ctx context.Context, after backend.Key) (read, error) {
	if !s.chosen {
		return s.scan(ctx, after)
	}
	for _, group := range s.groups {
		if group < after.PK || group == after.PK && after.SK == endOfMessages {
			continue
		}
		return s.query(ctx, group, after)
	}
	return read{last: after, end: true}, nil
}

// query reads a page of a conversation, whose messages are in the order of their times.
func (s *selection) query(ctx context.Context, group string, after backend.Key) (read, error) {
	q := backend.Query{
		PK: group, SKPrefix: postroom.MessagePrefix, Limit: pageItems, Consistent: true,
		// Messages of that very time have longer keys.
		After: backend.Key{PK: group, SK: postroom.MessagePrefix + postroom.FormatTime(s.Begin)},
	}
	if after.PK == group {
		q.After = after
	}
	page, err := s.page(ctx, func(ctx context.Context) (backend.Page, error) { return s.log.Query(ctx, q) })
	if err != nil {
		return read{}, err
	}
	r := s.pick(page, after)
	beyond := func(it backend.Item) bool { at, known := timeOf(backend.KeyOf(it)); return known && !at.Before(s.End) }
	if page.Last == nil || slices.ContainsFunc(page.Items, beyond) {
		r.last = backend.Key{PK: group, SK: endOfMessages}
	}
	return r, nil
}

// scan reads a page of the whole log.
func (s *selection) scan(ctx context.Context, after backend.Key) (read, error) {
	page, err := s.page(ctx, func(ctx context.Context) (backend.Page, error) {
		return s.log.Scan(ctx, backend.Scan{After: after, Limit: pageItems, Consistent: true})
	})
	if err != nil {
		return read{}, err
	}
	return s.pick(page, after), nil
}

func (s *selection) page(ctx context.Context, call func(context.Context) (backend.Page, error)) (page backend.Page, err error) {
	err = s.do(ctx, func(ctx context.Context) (err error) {
		page, err = call(ctx)
		return err
	})
	return page, err
}

// pick picks the messages that are to be replayed from the page after a key.
func (s *selection) pick(page backend.Page, after backend.Key) read {
	r := read{end: page.Last == nil && !s.chosen, last: after}
	switch {
	case page.Last != nil:
		r.last = *page.Last
	case len(page.Items) > 0:
		r.last = backend.KeyOf(page.Items[len(page.Items)-1])
	}
	for _, it := range page.Items {
		if !s.chosen && postroom.IsCanary(backend.KeyOf(it).PK) {
			continue // it measures, and is nobody's
		}
		if at, known := timeOf(backend.KeyOf(it)); known && s.covers(at) {
			r.messages = append(r.messages, it)
		}
	}
	return r
}

// timeOf is the time in the key of a message; false: it is of another item, or damaged,
// and then it has none.
func timeOf(key backend.Key) (time.Time, bool) {
	at, _, err := postroom.ParseMessageKey(key.SK)
	return at, err == nil
}

// Count counts the messages that a replay concerns, by reading them. Progress is called
// with the number so far.
func Count(ctx context.Context, log backend.Table, d Definition, progress func(int64)) (n int64, err error) {
	s, err := newSelection(ctx, log, policy().Do, d)
	if err != nil {
		return 0, err
	}
	for at := (read{}); !at.end; progress(n) {
		if at, err = s.next(ctx, at.last); err != nil {
			return 0, err
		}
		n += int64(len(at.messages))
	}
	return n, nil
}
