package postroom

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a message's parts. The message as a whole must fit a DynamoDB item
// (400 KB), which the producer checks; an opening message reaches that with
// about 3,000 members.
const (
	// MaxNameRunes bounds a display name and a handle.
	MaxNameRunes = 64
	// MinMembers: a conversation with oneself is none.
	MinMembers = 2
)

// Member is one person of a conversation, with the name they went by when the
// conversation was opened.
type Member struct {
	UserUUID    string `json:"user_uuid"`
	DisplayName string `json:"display_name"`
	Handle      string `json:"handle"`
}

// Message is one event of the log. Its identity is the conversation, the time
// and the uuid together: a retry sends all three unchanged.
type Message struct {
	GroupUUID   string    // the conversation
	MessageUUID string    // breaks ties between messages of one time
	UserUUID    string    // the sender
	DisplayName string    // of the sender, at the time of sending
	Handle      string    // of the sender, at the time of sending
	Text        string    // UTF-8, any character, not empty
	CreatedAt   time.Time // UTC, whole microseconds
	// Members is everybody in the conversation, the sender included, in the
	// order of their uuids. Only on a message that opens a conversation.
	Members []Member
}

// Key is the message's sort key in the log.
func (m Message) Key() string { return MessageKey(m.CreatedAt, m.MessageUUID) }

// Validate reports the first thing that keeps m out of the log: an id that is
// no canonical uuid, a name or text that is missing, too long or not UTF-8, a
// time that is missing or finer than a microsecond, members that are too few,
// doubled, or without the sender.
//
// It looks at m alone. A time ahead of the clock and the size of the item are
// the producer's to check, a sender who is not among an existing conversation's
// members is the projector's.
func (m Message) Validate() error {
	if err := cmp.Or(
		checkID("message_group_uuid", m.GroupUUID),
		checkID("message_uuid", m.MessageUUID),
		checkPerson(Member{m.UserUUID, m.DisplayName, m.Handle}),
		checkText("message", m.Text),
		checkTime(m.CreatedAt),
	); err != nil {
		return err
	}
	if m.Members == nil {
		return nil
	}
	return checkMembers(m.UserUUID, m.Members)
}

func checkID(field, id string) error {
	if err := CheckUUID(id); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func checkText(field, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is missing or empty", field)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not valid UTF-8", field)
	}
	return nil
}

func checkName(field, s string) error {
	if err := checkText(field, s); err != nil {
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
	switch {
	case t.IsZero():
		return errors.New("created_at is missing")
	case t.Year() < 1 || t.Year() > 9999:
		return fmt.Errorf("created_at %s is outside the years 1 to 9999", t)
	case !t.Equal(t.Truncate(time.Microsecond)):
		return fmt.Errorf("created_at %s is finer than a microsecond", t.Format(time.RFC3339Nano))
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
			return fmt.Errorf("members[%d]: user %s is there twice", i, p.UserUUID)
		}
		seen[p.UserUUID] = true
	}
	if len(members) < MinMembers {
		return fmt.Errorf("members: a conversation needs %d people, there are %d", MinMembers, len(members))
	}
	if !seen[sender] {
		return fmt.Errorf("members: the sender %s is not among them", sender)
	}
	return nil
}

// Position is a message's place in its conversation. The zero Position is
// before every message.
type Position struct {
	CreatedAt   time.Time
	MessageUUID string
}

// Compare orders positions in a conversation, by time and then by uuid: the
// order of the log, and what decides which message is the last one.
func (p Position) Compare(q Position) int {
	return cmp.Or(p.CreatedAt.Compare(q.CreatedAt), strings.Compare(p.MessageUUID, q.MessageUUID))
}

// Position is where m stands in its conversation.
func (m Message) Position() Position { return Position{m.CreatedAt, m.MessageUUID} }
