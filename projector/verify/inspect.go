package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/projection"
)

// conversation is one conversation as the table shows it.
type conversation struct {
	group     string
	head      *projection.Head  // nil: there is none, or it is unreadable
	headThere bool              // there is one, readable or not
	members   []postroom.Member // in the order of their uuids; nil: nobody names them
	first     string            // sort key of the first message, readable or not
	newest    postroom.Position // that there is to project; zero: nothing
	views     views.Set         // of the table
}

func (c *conversation) has(user string) bool { return projection.Has(c.members, user) }

// owns reports whether a row is a member's, where the head is, or where the head ought
// to be: if the head is wrong, that is the difference, and the rows may be right.
func (c *conversation) owns(key backend.Key) bool {
	view, user, _ := postroom.ParseInboxKey(key.PK)
	if !c.has(user) {
		return false
	}
	named := func(v postroom.View) bool { return v.Name == view }
	return c.head != nil && key.SK == c.head.Row(c.group) && slices.ContainsFunc(c.head.Views(), named) ||
		c.newest != postroom.Position{} && key.SK == postroom.RowKey(c.newest.CreatedAt, c.group) && slices.ContainsFunc(c.views.Written(), named)
}

// dropping reports whether a row is in a view that is being dropped.
func (c *conversation) dropping(key backend.Key) bool {
	name, _, _ := postroom.ParseInboxKey(key.PK)
	view, _ := c.views.View(name)
	return view.State == views.Dropping
}

// openingLost reports whether nobody knows any more who the members are. Their rows may
// be right.
func (c *conversation) openingLost() bool { return c.members == nil && c.head != nil && c.first != "" }

// finding is what an inspection says of one conversation.
type finding struct {
	conversation *conversation
	differences  []Difference
	messages     int    // readable ones
	rows         int    // where the head is
	notShown     int    // messages of the log that no inbox shows
	example      string // one of them, and why
	exampleKey   string
}

// head is how far the conversation is projected; the zero position: not at all.
func (f *finding) head() postroom.Position {
	if f.conversation.head == nil {
		return postroom.Position{}
	}
	return f.conversation.head.Last
}

// add adds a difference about an item of the conversation.
func (f *finding) add(kind Kind, sk, format string, args ...any) {
	f.addRow(kind, "", backend.Key{PK: f.conversation.group, SK: sk}, format, args...)
}

// addRow adds a difference about a user's row.
func (f *finding) addRow(kind Kind, user string, key backend.Key, format string, args ...any) {
	f.differences = append(f.differences, Difference{
		Kind: kind, GroupUUID: f.conversation.group, UserUUID: user, PK: key.PK, SK: key.SK, Detail: fmt.Sprintf(format, args...),
	})
}

// leaveOut notes a message that no inbox shows.
func (f *finding) leaveOut(key string, reason error) {
	if f.notShown++; f.example == "" {
		f.exampleKey, f.example = key, incident.Brief(reason)
	}
}

// inspect holds one conversation against its log.
func (v *verifier) inspect(ctx context.Context, group string) (*finding, error) {
	set, err := v.views.Within(ctx, views.MaxAge)
	if err != nil {
		return nil, err
	}
	f := &finding{conversation: &conversation{group: group, views: set}}
	log, err := v.readLog(ctx, f)
	if err != nil {
		return nil, err
	}
	f.messages = len(log)
	f.conversation.members = postroom.SortedMembers(membersOf(f.conversation, log))
	if err := v.compare(ctx, f, log); err != nil {
		return nil, err
	}
	if f.notShown > 0 {
		kind := NotShown
		if f.conversation.members == nil {
			kind = Stranded
		}
		f.add(kind, f.exampleKey, "messages that no inbox shows: %d, such as %s: %s", f.notShown, f.exampleKey, f.example)
	}
	return f, nil
}

// compare holds the head, the rows and the index of a conversation against its log.
func (v *verifier) compare(ctx context.Context, f *finding, log []postroom.Message) error {
	c := f.conversation
	var last *postroom.Message
	switch {
	case c.members != nil:
		last = f.fold(log)
	case c.headThere && c.first == "":
		f.add(Orphan, postroom.HeadKey, "the conversation has a head and no message")
	case c.openingLost():
		f.add(OpeningLost, c.head.OpenedBy, "the message that opened the conversation, and names its members, is gone or unreadable")
	default:
		for _, m := range log {
			f.leaveOut(m.Key(), projection.ErrNoMembers)
		}
	}
	if last == nil {
		return v.compareIndex(ctx, f)
	}
	c.newest = last.Position()
	switch n := f.head().Compare(c.newest); {
	case c.head == nil && c.headThere: // it is unreadable
	case c.head == nil:
		f.add(HeadMissing, postroom.HeadKey, "there is no head; the newest message is %s", last.Key())
	case n != 0:
		kind, how := HeadBehind, "behind"
		if n > 0 {
			kind, how = HeadAhead, "past"
		}
		f.add(kind, postroom.HeadKey, "the head is at %s, %s the newest message, %s",
			postroom.MessageKey(c.head.Last.CreatedAt, c.head.Last.MessageUUID), how, last.Key())
	default:
		v.compareViews(f)
		for _, view := range c.head.Views() {
			if err := v.compareRows(ctx, f, view, *last); err != nil {
				return err
			}
		}
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
			f.conversation.headThere = true
			h, err := projection.DecodeHead(it)
			if err != nil {
				f.add(Unreadable, postroom.HeadKey, "%v", err)
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
			f.add(UUIDTwice, m.Key(), "message %s is there as %s and as %s", m.MessageUUID, other, m.Key())
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

// compareViews looks for views that are to have the rows of every conversation, and that
// the head does not name.
func (v *verifier) compareViews(f *finding) {
	for _, view := range f.conversation.views.Views {
		if view.State != views.Ready && view.Name != v.opts.View || f.conversation.head.In(view.View, view.Since) {
			continue
		}
		f.add(NotInView, postroom.HeadKey, "the rows of the conversation are not in the view %s", view.Name)
	}
}

// compareRows holds the rows in one view against the last message.
func (v *verifier) compareRows(ctx context.Context, f *finding, view postroom.View, last postroom.Message) error {
	if was, _ := f.conversation.views.View(view.Name); was.State == views.Dropping {
		return nil // the head has not heard of that
	}
	want := view.Groups(last, f.conversation.members)
	keys := projection.RowKeys([]postroom.View{view}, f.conversation.members, f.conversation.head.Row(f.conversation.group))
	items, err := v.table.GetAll(ctx, keys)
	if err != nil {
		return err
	}
	if v.counts(f.conversation.views, view.Name) {
		f.rows += len(items)
	}
	for n, g := range want {
		item, ok := items[keys[n]]
		if !ok {
			f.addRow(Missing, g.UserUUID, keys[n], "the member has no row there")
			continue
		}
		got, err := view.GroupFromItem(item)
		switch {
		case err != nil:
			f.addRow(Unreadable, g.UserUUID, keys[n], "row: %v", err)
		case got.LastMessage != g.LastMessage || got.LastMessageUserUUID != g.LastMessageUserUUID ||
			got.LastMessageUUID != g.LastMessageUUID:
			f.addRow(Stale, g.UserUUID, keys[n], "the row does not show the newest message, %s", last.Key())
		case got != g:
			f.addRow(WrongPerspective, g.UserUUID, keys[n], "the row shows %s, %s and %d members, want %s, %s and %d",
				quoted(got.OtherUserDisplayName), quoted(got.OtherUserHandle), got.MemberCount,
				quoted(g.OtherUserDisplayName), quoted(g.OtherUserHandle), g.MemberCount)
		}
	}
	return nil
}

// quoted quotes a text that somebody has edited, within bounds.
func quoted(s string) string { return fmt.Sprintf("%.200q", s) }

// compareIndex holds the index against the members' rows: it lists each of them once.
// What else it lists is suspected, if it is there: the index lags.
func (v *verifier) compareIndex(ctx context.Context, f *finding) error {
	if !v.opts.Index {
		return nil
	}
	c := f.conversation
	listed := map[backend.Key]bool{}
	var others []backend.Key
	for it, err := range v.table.Query(ctx, backend.Query{PK: c.group, Index: postroom.IndexName}) {
		if err != nil {
			return err
		}
		if key := backend.KeyOf(it); c.owns(key) {
			listed[key] = true
		} else {
			others = append(others, key)
		}
	}
	there, err := v.table.GetAll(ctx, others)
	if err != nil {
		return err
	}
	for _, key := range others {
		if there[key] != nil {
			v.suspectRow(key, c.group)
		} else {
			f.addRow(IndexWrong, userOf(key), key, "the index lists a row that is not there")
		}
	}
	if c.head == nil || f.head() != c.newest { // nobody knows which rows there are
		return nil
	}
	for _, key := range projection.RowKeys(c.head.Views(), c.members, c.head.Row(c.group)) {
		missing := func(d Difference) bool { return d.Kind == Missing && d.Key() == key }
		if !listed[key] && !slices.ContainsFunc(f.differences, missing) && !c.dropping(key) {
			f.addRow(IndexWrong, userOf(key), key, "the index does not list the row")
		}
	}
	return nil
}
