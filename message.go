package postroom

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a message's parts. The whole message must fit into a DynamoDB item (400 KB),
// which the producer checks; an opening message with about 3,000 members reaches that.
const (
	// MaxNameRunes bounds a display name and a handle.
	MaxNameRunes = 64
	// MinMembers is two: nobody can have a conversation with oneself.
	MinMembers = 2
)

// Member is one person in a conversation, with the name they had when the conversation
// was opened.
type Member struct {
	UserUUID    string `json:"user_uuid"`
	DisplayName string `json:"display_name"`
	Handle      string `json:"handle"`
}

// SortedMembers returns members in the order of their uuids; nil if there are none.
func SortedMembers(members []Member) []Member {
	return slices.SortedFunc(slices.Values(members), func(a, b Member) int {
		return strings.Compare(a.UserUUID, b.UserUUID)
	})
}

// Message is one event of the log. Its identity is the conversation, the time as it is
// stored, and the uuid together: a retry sends all three unchanged.
type Message struct {
	GroupUUID   string    // the conversation
	MessageUUID string    // orders messages of the same time
	UserUUID    string    // the sender
	DisplayName string    // of the sender, at the time of sending
	Handle      string    // of the sender, at the time of sending
	Text        string    // UTF-8, any character; empty where there is nothing but what the application attaches
	CreatedAt   time.Time // in any zone; stored in UTC, rounded down to the microsecond
	// Members has everybody in the conversation, including the sender, in the order of
	// their uuids. Only a message that opens a conversation has it.
	Members []Member
	// TraceParent is the span that posted the message, as W3C Trace Context writes it,
	// if its trace is recorded. It is no part of the content: of two messages that differ
	// in nothing else, neither is another message.
	TraceParent string
}

// Key returns the message's sort key in the log.
func (m Message) Key() string { return MessageKey(m.CreatedAt, m.MessageUUID) }

// Validate returns the first reason why m must not be in the log: an id that is not a
// canonical uuid; a name that is missing or too long; text that is not UTF-8; a time
// that is missing or outside the years 1 to 9999; members that are too few, repeated,
// without the sender, or other than the two from whom the conversation is derived, see
// [PairUUID].
//
// It considers m alone. The producer also checks the clock and the size of the item, and
// the projector checks that the sender is a member of an existing conversation.
func (m Message) Validate() error {
	if err := cmp.Or(
		checkID("message_group_uuid", m.GroupUUID),
		checkID("message_uuid", m.MessageUUID),
		checkPerson(Member{m.UserUUID, m.DisplayName, m.Handle}),
		checkUTF8("message", m.Text),
		checkTime(m.CreatedAt),
	); err != nil {
		return err
	}
	if m.Members == nil {
		return nil
	}
	return cmp.Or(checkMembers(m.UserUUID, m.Members), checkDerived(m.GroupUUID, m.Members))
}

func checkID(field, id string) error {
	if err := CheckUUID(id); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func checkUTF8(field, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", field)
	}
	return nil
}

func checkName(field, s string) error {
	if s == "" {
		return fmt.Errorf("%s is missing or empty", field)
	}
	if err := checkUTF8(field, s); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(s); n > MaxNameRunes {
		return fmt.Errorf("%s has %d characters, at most %d are allowed", field, n, MaxNameRunes)
	}
	return nil
}

func checkPerson(p Member) error {
	return cmp.Or(
		checkID("user_uuid", p.UserUUID),
		checkName("display_name", p.DisplayName),
		checkName("handle", p.Handle),
	)
}

func checkTime(t time.Time) error {
	t = RoundTime(t)
	switch {
	case t.IsZero():
		return errors.New("created_at is missing, or the first instant of the year 1, which stands for that")
	case t.Year() < 1 || t.Year() > 9999:
		return fmt.Errorf("created_at %s is outside the years 1 to 9999", t)
	}
	return nil
}

func checkMembers(sender string, members []Member) error {
	seen := make(map[string]bool, len(members))
	for i, p := range members {
		if err := checkPerson(p); err != nil {
			return fmt.Errorf("members[%d]: %w", i, err)
		}
		if seen[p.UserUUID] {
			return fmt.Errorf("members[%d]: user %s appears twice", i, p.UserUUID)
		}
		seen[p.UserUUID] = true
	}
	if len(members) < MinMembers {
		return fmt.Errorf("members: a conversation needs at least %d people, this one has %d", MinMembers, len(members))
	}
	if !seen[sender] {
		return fmt.Errorf("members: the sender %s is not among them", sender)
	}
	return nil
}

// Position is a message's place in its conversation. The zero Position comes before every
// message.
type Position struct {
	CreatedAt   time.Time
	MessageUUID string
}

// Compare compares two positions in a conversation by time and then by uuid. This is the
// order of the log, and decides which message is the last one.
func (p Position) Compare(q Position) int {
	return cmp.Or(p.CreatedAt.Compare(q.CreatedAt), strings.Compare(p.MessageUUID, q.MessageUUID))
}

// Position returns the position of m in its conversation, with its time as it is stored.
func (m Message) Position() Position { return Position{RoundTime(m.CreatedAt), m.MessageUUID} }
