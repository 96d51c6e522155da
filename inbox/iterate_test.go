package inbox_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/views"
)

// paged is a table that scans two items at a time.
type paged struct{ backend.Table }

func (p paged) Scan(ctx context.Context, s backend.Scan) (backend.Page, error) {
	s.Limit = 2
	return p.Table.Scan(ctx, s)
}

// failing fails the n-th read of a table's lists, and no other.
func failing(table backend.Table, n int) backend.Table {
	return backend.Intercept(table, func(ctx context.Context, c *backend.TableCall, next func(context.Context) error) error {
		if c.Key == views.Key() {
			return next(ctx)
		}
		if n--; n == 0 {
			return &backend.Error{Op: c.Op, Kind: backend.KindDenied}
		}
		return next(ctx)
	})
}

// lists are all that an inbox iterates over, each of five items in three pages, one of
// them damaged. They are told apart by their sort keys.
func lists(t *testing.T, table backend.Table) map[string]iter.Seq2[string, error] {
	in, opts := inbox.New(table), inbox.PageOptions{Limit: 2}
	groups := func(seq iter.Seq2[postroom.Group, error]) iter.Seq2[string, error] {
		return keys(seq, func(g postroom.Group) string { return g.GroupUUID })
	}
	return map[string]iter.Seq2[string, error]{
		"conversations": groups(in.AllConversations(t.Context(), ann, opts)),
		"messages": keys(in.AllMessages(t.Context(), id(7), "", opts),
			func(m postroom.Message) string { return m.MessageUUID }),
		"everybody's": groups(in.All(t.Context())),
	}
}

func keys[T any](seq iter.Seq2[T, error], key func(T) string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for v, err := range seq {
			if !yield(key(v), err) {
				return
			}
		}
	}
}

// tableOfFive holds what the lists show.
func tableOfFive(t *testing.T) backend.Table {
	table := openTable(t)
	for at := range 5 {
		put(t, table, message(7, at).Item(), row(at+1, at))
	}
	damagedMessage, damagedRow := message(7, 2).Item(), row(3, 2)
	damagedMessage["message"] = &types.AttributeValueMemberN{Value: "1"}
	delete(damagedRow, "last_message")
	put(t, table, damagedMessage, damagedRow)
	return paged{table}
}

// TestIterationEnds where its reader wants, at each place, and at an error, which comes
// once, after what was read before it.
func TestIterationEnds(t *testing.T) {
	t.Parallel()
	table := tableOfFive(t)
	denied := func(err error) bool { return backend.KindOf(err) == backend.KindDenied }
	for name, whole := range lists(t, table) {
		var all []string
		unreadable := 0
		for key, err := range whole {
			var u *inbox.UnreadableError
			switch {
			case err == nil:
				all = append(all, key)
			case errors.As(err, &u) && errors.Is(err, u.Err) && key == "":
				unreadable++
			default:
				t.Errorf("%s: %q, %v", name, key, err)
			}
		}
		if len(all) != 4 || unreadable != 1 {
			t.Errorf("%s: %q and %d unreadable", name, all, unreadable)
		}
		for stop := 1; stop <= 5; stop++ {
			got := 0
			for range whole {
				if got++; got == stop {
					break
				}
			}
			if got != stop {
				t.Errorf("%s: %d came, want %d", name, got, stop)
			}
		}
		for page := 1; page <= 3; page++ {
			var got []string
			failures := 0
			for key, err := range lists(t, failing(table, page))[name] {
				switch {
				case err == nil:
					got = append(got, key)
				case denied(err) && key == "":
					failures++
				}
			}
			if failures != 1 || len(got) > len(all) || !slices.Equal(got, all[:len(got)]) {
				t.Errorf("%s: page %d fails %d times, after %q of %q", name, page, failures, got, all)
			}
			for range lists(t, failing(table, page))[name] {
				break
			}
		}
	}
}

// TestReadThatFails has no page.
func TestReadThatFails(t *testing.T) {
	t.Parallel()
	table := tableOfFive(t)
	rows, err := inbox.New(failing(table, 1)).Conversations(t.Context(), ann, inbox.PageOptions{})
	if backend.KindOf(err) != backend.KindDenied || rows.Items != nil || rows.Cursor != "" {
		t.Errorf("conversations: %+v, %v", rows, err)
	}
	messages, err := inbox.New(failing(table, 1)).Messages(t.Context(), id(7), "", inbox.PageOptions{})
	if backend.KindOf(err) != backend.KindDenied || messages.Items != nil || messages.Cursor != "" {
		t.Errorf("messages: %+v, %v", messages, err)
	}
}

// TestLimits are those of the documentation.
func TestLimits(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	for at := range 51 {
		put(t, table, message(7, at).Item())
	}
	in := inbox.New(table)
	for limit, want := range map[int]int{0: 50, 1: 1, 50: 50, 1000: 51} {
		page, err := in.Messages(t.Context(), id(7), "", inbox.PageOptions{Limit: limit})
		if err != nil || len(page.Items) != want {
			t.Errorf("limit %d: %d messages, %v; want %d", limit, len(page.Items), err, want)
		}
	}
	for _, limit := range []int{-1, 1001} {
		if _, err := in.Messages(t.Context(), id(7), "", inbox.PageOptions{Limit: limit}); !errors.Is(err, inbox.ErrRequest) {
			t.Errorf("limit %d: error %v, want %v", limit, err, inbox.ErrRequest)
		}
	}
}
