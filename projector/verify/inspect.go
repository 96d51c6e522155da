package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/projector/projection"
)

// conversation is one conversation as the table shows it.
type conversation struct {
	group   string
	head    *projection.Head  // nil: there is none
	members []postroom.Member // in the order of their uuids; nil: nobody names them
	first   string            // sort key of the first message, readable or not
}

func (c *conversation) has(user string) bool { return projection.Has(c.members, user) }

// owns reports whether a row is where the head says.
func (c *conversation) owns(key backend.Key) bool {
	user := strings.TrimPrefix(key.PK, postroom.InboxPrefix)
	return c.head != nil && key.SK == c.head.Row(c.group) && c.has(user)
}

// finding is what an inspection says of one conversation.
type finding struct {
	conversation *conversation
	newest       postroom.Position // that there is to project; zero: nothing
	differences  []Difference
	notShown     int    // messages of the log that no inbox shows
	example      string // one of them, and why
}

// head is how far the conversation is projected; the zero position: not at all.
func (f *finding) head() postroom.Position {
	if f.conversation.head == nil {
		return postroom.Position{}
	}
	return f.conversation.head.Last
}

func (f *finding) add(kind Kind, user, format string, args ...any) {
	f.differences = append(f.differences, Difference{
		kind, f.conversation.group, user, fmt.Sprintf(format, args...),
	})
}

// leaveOut notes a message that no inbox shows.
func (f *finding) leaveOut(key string, reason error) {
	if f.notShown++; f.example == "" {
		f.example = key + ": " + incident.Brief(reason)
	}
}

// inspect holds one conversation against its log.
func (v *verifier) inspect(ctx context.Context, group string) (*finding, error) {
	f := &finding{conversation: &conversation{group: group}}
	log, err := v.readLog(ctx, f)
	if err != nil {
		return nil, err
	}
	f.conversation.members = postroom.SortedMembers(membersOf(f.conversation, log))
	if err := v.compare(ctx, f, log); err != nil {
		return nil, err
	}
	if f.notShown > 0 {
		f.add(NotShown, "", "messages that no inbox shows: %d, such as %s", f.notShown, f.example)
	}
	return f, nil
}

// compare holds the head, the rows and the index of a conversation against its log.
func (v *verifier) compare(ctx context.Context, f *finding, log []postroom.Message) error {
	c := f.conversation
	if c.members == nil {
		if c.head != nil {
			f.add(HeadWrong, "", "the opening message %s names no members or is gone", c.head.OpenedBy)
			return nil
		}
		for _, m := range log {
			f.leaveOut(m.Key(), projection.ErrNoMembers)
		}
		return nil
	}
	last := f.fold(log)
	if last == nil {
		return nil
	}
	f.newest = last.Position()
	switch {
	case c.head == nil:
		f.add(HeadMissing, "", "the newest message is %s", last.Key())
		return nil
	case c.head.Last != last.Position():
		f.add(HeadWrong, "", "the head is at %s, the newest message is %s",
			postroom.MessageKey(c.head.Last.CreatedAt, c.head.Last.MessageUUID), last.Key())
		return nil
	}
	if err := v.compareRows(ctx, f, *last); err != nil || !v.opts.Index {
		return err
	}
	return v.compareIndex(ctx, f)
}

// readLog reads the head and every message of a conversation.
func (v *verifier) readLog(ctx context.Context, f *finding) ([]postroom.Message, error) {
	var log []postroom.Message
	for it, err := range v.table.Query(ctx, backend.Query{PK: f.conversation.group, Consistent: true}) {
		if err != nil {
			return nil, err
		}
		key := backend.KeyOf(it)
		if key.SK == postroom.HeadKey {
			h, err := projection.DecodeHead(it)
			if err != nil {
				f.add(Unreadable, "", "%v", err)
				continue
			}
			f.conversation.head = &h
			continue
		}
		if f.conversation.first == "" && isMessage(key) {
			f.conversation.first = key.SK
		}
		if !isMessage(key) {
			continue
		}
		m, err := postroom.MessageFromItem(it)
		if err != nil {
			f.leaveOut(key.SK, err)
			continue
		}
		log = append(log, m)
	}
	return log, nil
}

// membersOf takes the members from the message that the head names, or from the
// first one that names any.
func membersOf(c *conversation, log []postroom.Message) []postroom.Member {
	for _, m := range log {
		if c.head != nil && m.Key() == c.head.OpenedBy || c.head == nil && m.Members != nil {
			return m.Members
		}
	}
	return nil
}

// hides is why the members of the conversation are not shown a message; nil: they are.
func (c *conversation) hides(m postroom.Message) error {
	if !c.has(m.UserUUID) {
		return fmt.Errorf("its sender %s is not a member of the conversation", m.UserUUID)
	}
	for _, p := range m.Members {
		if !c.has(p.UserUUID) {
			return fmt.Errorf("it names a member, %s, whom the conversation does not have", p.UserUUID)
		}
	}
	if m.Members != nil && len(m.Members) != len(c.members) {
		return fmt.Errorf("it names %d members, and the conversation has %d", len(m.Members), len(c.members))
	}
	return nil
}

// fold returns the newest message that is shown; nil: there is none.
func (f *finding) fold(log []postroom.Message) *postroom.Message {
	var last *postroom.Message
	keys := map[string]string{}
	for _, m := range log {
		if other, ok := keys[m.MessageUUID]; ok {
			f.add(UUIDTwice, m.UserUUID, "message %s is there as %s and as %s", m.MessageUUID, other, m.Key())
		}
		keys[m.MessageUUID] = m.Key()
		if err := f.conversation.hides(m); err != nil {
			f.leaveOut(m.Key(), err)
			continue
		}
		if last == nil || m.Position().Compare(last.Position()) > 0 {
			last = &m
		}
	}
	return last
}

func (v *verifier) compareRows(ctx context.Context, f *finding, last postroom.Message) error {
	want := postroom.Groups(last, f.conversation.members)
	keys := projection.RowKeys(f.conversation.members, f.conversation.head.Row(f.conversation.group))
	items, err := v.table.GetAll(ctx, keys)
	if err != nil {
		return err
	}
	for n, g := range want {
		item, ok := items[keys[n]]
		if !ok {
			f.add(RowMissing, g.UserUUID, "no row at %s", keys[n].SK)
			continue
		}
		if got, err := postroom.GroupFromItem(item); err != nil {
			f.add(Unreadable, g.UserUUID, "row at %s: %v", keys[n].SK, err)
		} else if got != g {
			f.add(RowWrong, g.UserUUID, "row at %s is %+v, want %+v", keys[n].SK, got, g)
		}
	}
	return nil
}

// compareIndex holds the index against the members: it lists each of them once,
// at the head's row.
func (v *verifier) compareIndex(ctx context.Context, f *finding) error {
	c := f.conversation
	var users []string
	for it, err := range v.table.Query(ctx, backend.Query{PK: c.group, Index: postroom.IndexName}) {
		if err != nil {
			return err
		}
		user := backend.Text(it, postroom.AttrUserUUID)
		users = append(users, user)
		if key := backend.KeyOf(it); !c.owns(key) {
			f.add(IndexWrong, user, "the index lists a row at %s", key.SK)
		}
	}
	for _, p := range c.members {
		if !slices.Contains(users, p.UserUUID) {
			f.add(IndexWrong, p.UserUUID, "the index does not list the row")
		}
	}
	return nil
}
