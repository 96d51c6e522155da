package projection

import (
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// Conversation is what one worker knows of one conversation. It is valid until a
// call with it fails, and has one user at a time.
type Conversation struct {
	Group   string
	Members []postroom.Member // in the order of their uuids
	MovedAt time.Time         // when this worker last moved it; zero: not yet

	head   *Head  // nil: nothing is projected yet; once completed its Old and open are past
	opener string // sort key of the message that names the members
	// opening is that message, of a conversation without a head.
	opening postroom.Message
	// completed: this worker saw all rows at the head's key put and those at its
	// old key gone. Only then may it move on or acknowledge.
	completed bool
}

// Certain reports whether no message can open the conversation for others: it has a
// head, which decides for good, or is derived from its members. Otherwise they are those
// of the first message that names any, and another one may turn out to be the first.
func (c *Conversation) Certain() bool { return c.head != nil || postroom.IsDerived(c.Group) }

// Opening is the message that names the members of a conversation that is not opened.
func (c *Conversation) Opening() postroom.Message { return c.opening }

// Names reports whether members, whatever their names are, are those of the
// conversation.
func (c *Conversation) Names(members []postroom.Member) bool {
	return len(members) == len(c.Members) &&
		!slices.ContainsFunc(members, func(m postroom.Member) bool { return !c.Has(m.UserUUID) })
}

// Has reports whether a user is a member.
func (c *Conversation) Has(user string) bool { return Has(c.Members, user) }

// Reached reports whether the conversation is projected up to p or further.
func (c *Conversation) Reached(p postroom.Position) bool {
	return c.head != nil && c.head.Last.Compare(p) >= 0
}

// Owns reports whether a key is that of a member's row, where the head is.
func (c *Conversation) Owns(key backend.Key) bool {
	view, user, ok := postroom.ParseInboxKey(key.PK)
	return ok && c.head != nil && key.SK == c.head.Row(c.Group) && c.Has(user) && c.head.at.has(view)
}

// Rows is how many rows the conversation has: one for each member in each view.
func (c *Conversation) Rows() int { return len(c.Members) * len(c.placement().all()) }

// Large reports whether a move takes more than one transaction.
func (c *Conversation) Large() bool { return c.Rows() > chunkRows }

// Has reports whether a user is among sorted members.
func Has(members []postroom.Member, user string) bool {
	_, ok := slices.BinarySearchFunc(members, user, func(m postroom.Member, user string) int {
		return strings.Compare(m.UserUUID, user)
	})
	return ok
}
