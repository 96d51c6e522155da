package integration

import (
	"context"
	"maps"
	"time"

	"github.com/postroom/postroom/inbox"
)

// watch looks at lists all the while: a member who has a row of a conversation
// has one ever after.
type watch struct {
	stop context.CancelFunc
	done chan struct{}
	seen int // lists read
	w    *world
}

// watchRows watches the members of conversations as they come, by way of a URL.
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

// watched is how many members are looked at.
const watched = 12

func (v *watch) round(ctx context.Context, reader *inbox.Inbox, rows map[string]map[string]bool) {
	for _, user := range v.w.members(watched) {
		if v.look(ctx, reader, user, rows) != nil {
			return // the server is away
		}
	}
}

// look compares a member's list with what it held before. A list is read in
// pages while rows move up in it, so a row counts as gone only when it is missing
// again and again.
func (v *watch) look(ctx context.Context, reader *inbox.Inbox, user string, rows map[string]map[string]bool) error {
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
		v.w.t.Errorf("the member %s has no row of the conversation %s any more", user, group)
		delete(rows[user], group)
	}
	return nil
}

// end stops watching, and expects that something was seen.
func (v *watch) end() {
	v.stop()
	<-v.done
	if v.seen == 0 {
		v.w.t.Error("no list was read meanwhile")
	}
}
