package projection

import (
	"context"
	"errors"
	"slices"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// survey is a conversation as [Projection.Restore] reads it.
type survey struct {
	Conversation

	table  placement         // the table's views
	raw    backend.Item      // the head as it is stored; nil: there is none
	last   postroom.Message  // at which the head is, if it is sound
	newest *postroom.Message // that the members are shown; nil: nobody names them
	empty  bool              // the log holds nothing
	// sound: the head is one that a move can have left there: it can be read, and its
	// message is in the log and shown to the members.
	sound bool
}

// asRead holds while the head is what it was when it was read, to the last attribute.
func (s *survey) asRead() backend.Condition {
	if s.raw == nil {
		return backend.Condition{Absent: true}
	}
	return item.Same(s.raw)
}

// survey reads the head, who the members are, and the newest message. The head comes
// first: a message that it names was in the log before, and is found after.
func (p Projection) survey(ctx context.Context, group string) (*survey, error) {
	s := &survey{Conversation: Conversation{Group: group}}
	var err error
	if s.table, err = p.tablePlacement(ctx); err != nil {
		return nil, err
	}
	if s.raw, err = p.table.Get(ctx, backend.Key{PK: group, SK: postroom.HeadKey}); err != nil {
		return nil, err
	}
	if s.raw != nil {
		s.opener = backend.Text(s.raw, attrOpenedBy)
		switch h, err := DecodeHead(s.raw); {
		case err == nil:
			s.head = &h
		case errors.Is(err, postroom.ErrNewerView):
			return nil, err // nothing is wrong with it
		}
	}
	if err := p.surveyMembers(ctx, s); err != nil || s.Members == nil {
		return s, err
	}
	if err := p.surveyNewest(ctx, s); err != nil || s.head == nil {
		return s, err
	}
	if s.head.Last.Compare(s.newest.Position()) == 0 {
		s.last, s.sound = *s.newest, true
		return s, nil
	}
	last, err := p.table.Get(ctx, backend.Key{PK: group, SK: s.head.key()})
	if err != nil {
		return nil, err
	}
	if s.last, s.sound = s.shown(last); s.sound && s.last.Position().Compare(s.newest.Position()) > 0 {
		s.newest = &s.last // posted and projected since
	}
	return s, nil
}

// surveyMembers finds out who the members are. The head decides: without one, or if not
// even that can be read of it, it is the first message that names any.
func (p Projection) surveyMembers(ctx context.Context, s *survey) error {
	if _, _, err := postroom.ParseMessageKey(s.opener); err == nil {
		err := p.readMembers(ctx, &s.Conversation, nil)
		if _, damaged := errors.AsType[*DamagedError](err); !damaged {
			return err
		}
		s.Members = nil
		s.empty, err = p.logIsEmpty(ctx, s.Group)
		return err
	}
	page, err := p.table.Page(ctx, backend.Query{PK: s.Group, SKPrefix: postroom.MessagePrefix, Limit: 2, Consistent: true})
	if err != nil {
		return err
	}
	err = p.findMembers(ctx, &s.Conversation, page)
	if errors.Is(err, ErrNoMembers) {
		s.empty = len(page.Items) == 0
		return nil
	}
	return err
}

func (p Projection) logIsEmpty(ctx context.Context, group string) (bool, error) {
	for _, err := range p.table.Query(ctx, backend.Query{PK: group, SKPrefix: postroom.MessagePrefix, Limit: 1, Consistent: true}) {
		return false, err
	}
	return true, nil
}

// surveyNewest finds the newest message that the members are shown. The one that names
// them is among those.
func (p Projection) surveyNewest(ctx context.Context, s *survey) error {
	q := backend.Query{PK: s.Group, SKPrefix: postroom.MessagePrefix, Descending: true, Limit: 4, Consistent: true}
	for it, err := range p.table.Query(ctx, q) {
		if err != nil {
			return err
		}
		if m, ok := s.shown(it); ok {
			s.newest = &m
			return nil
		}
	}
	return ErrOpeningLost // since it was read
}

// shown decodes a message of the log, and reports whether there is one that the members
// are shown.
func (c *Conversation) shown(it backend.Item) (postroom.Message, bool) {
	m, err := postroom.MessageFromItem(it)
	return m, err == nil && c.Has(m.UserUUID) && (m.Members == nil || c.Names(m.Members))
}

// misplaced returns those of keys that are under none of the members' rows, once each.
func (c *Conversation) misplaced(keys []backend.Key) []backend.Key {
	keys = slices.DeleteFunc(slices.Clone(keys), func(key backend.Key) bool {
		return c.Owns(key) || !isRow(key, c.Group)
	})
	slices.SortFunc(keys, backend.Key.Compare)
	return slices.Compact(keys)
}
