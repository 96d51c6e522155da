package integration

import (
	"context"
	"maps"
	"time"

	"github.com/postroom/postroom/inbox"
)

// watch reads inboxes during a test: once a member has an inbox entry of a
// conversation, they always have one.
type watch struct {
	stop context.CancelFunc
	done chan struct{}
	seen int // inboxes read
	w    *world
}

// watchRows watches the inboxes of the members of new conversations, at a URL.
func watchRows(w *world, url string) *watch {
	w.t.Helper()
	b := w.open(url)
	reader := inbox.New(b.Table(w.table))
	ctx, cancel := context.WithCancel(context.Background())
	v := &watch{stop: cancel, done: make(chan struct{}), w: w}
	go func() {
		defer close(v.done)
		defer b.Close()
		rows := map[string]map[string]bool{} // conversations, by member
		for ctx.Err() == nil {
			v.round(ctx, reader, rows)
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	w.t.Cleanup(v.end)
	return v
}

// watched is how many members are watched.
const watched = 12

func (v *watch) round(ctx context.Context, reader *inbox.Inbox, rows map[string]map[string]bool) {
	for _, user := range v.w.members(watched) {
		if v.check(ctx, reader, user, rows) != nil {
			return // the server is away
		}
	}
}

// check compares a member's inbox with what it held before. It is read in pages
// while entries move up in it, so an entry counts as gone only if it is missing
// three times in a row.
func (v *watch) check(ctx context.Context, reader *inbox.Inbox, user string, rows map[string]map[string]bool) error {
	if rows[user] == nil {
		rows[user] = map[string]bool{}
	}
	missing := maps.Clone(rows[user])
	for range 3 {
		for g, err := range reader.AllConversations(ctx, user, inbox.PageOptions{Consistent: true}) {
			if err != nil {
				return err
			}
			delete(missing, g.GroupUUID)
			rows[user][g.GroupUUID] = true
		}
		v.seen++
		if len(missing) == 0 {
			return nil
		}
	}
	for group := range missing {
		v.w.t.Errorf("the member %s has lost the inbox entry of the conversation %s", user, group)
		delete(rows[user], group)
	}
	return nil
}

// end stops watching, and expects that some inbox was read.
func (v *watch) end() {
	v.stop()
	<-v.done
	if v.seen == 0 {
		v.w.t.Error("no inbox was read")
	}
}
