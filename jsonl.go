package postroom

import (
	"errors"
	"fmt"

	"github.com/postroom/postroom/internal/strictjson"
)

// messageJSON is a message as a line of JSONL.
type messageJSON struct {
	GroupUUID   string   `json:"message_group_uuid"`
	MessageUUID string   `json:"message_uuid"`
	UserUUID    string   `json:"user_uuid"`
	DisplayName string   `json:"display_name"`
	Handle      string   `json:"handle"`
	Text        *string  `json:"message"` // nil: missing
	CreatedAt   string   `json:"created_at"`
	Members     []Member `json:"members,omitempty"`
}

// MarshalJSON encodes m as a line of the JSONL format, with created_at in [TimeLayout].
// Text that is not valid UTF-8 is an error.
func (m Message) MarshalJSON() ([]byte, error) {
	return strictjson.Encode(messageJSON{
		m.GroupUUID, m.MessageUUID, m.UserUUID, m.DisplayName, m.Handle,
		&m.Text, FormatTime(m.CreatedAt), m.Members,
	})
}

// UnmarshalJSON decodes a line of the JSONL format and validates the message.
// created_at may have any zone and precision, see [ParseAnyTime]. Whatever would be lost
// is an error: a key that is unknown, in other letters, or comes twice; half of a
// surrogate pair.
func (m *Message) UnmarshalJSON(line []byte) error {
	var j messageJSON
	if err := strictjson.Decode(line, &j); err != nil {
		return err
	}
	if j.CreatedAt == "" {
		return errors.New("created_at is missing or empty")
	}
	createdAt, err := ParseAnyTime(j.CreatedAt)
	if err != nil {
		return fmt.Errorf("created_at: %w", err)
	}
	if j.Text == nil {
		return errors.New("message is missing: a message without text has an empty one")
	}
	*m = Message{
		GroupUUID: j.GroupUUID, MessageUUID: j.MessageUUID, UserUUID: j.UserUUID, DisplayName: j.DisplayName, Handle: j.Handle,
		Text: *j.Text, CreatedAt: createdAt, Members: j.Members,
	}
	return m.Validate()
}

// groupJSON is an inbox entry as a line of JSONL.
type groupJSON struct {
	UserUUID             string `json:"user_uuid"`
	LastReplyAt          string `json:"last_reply_at"`
	GroupUUID            string `json:"message_group_uuid"`
	OtherUserUUID        string `json:"other_user_uuid"`
	OtherUserDisplayName string `json:"other_user_display_name"`
	OtherUserHandle      string `json:"other_user_handle"`
	MemberCount          int    `json:"member_count"`
	LastMessageUserUUID  string `json:"last_message_user_uuid"`
	LastMessage          string `json:"last_message"`
	LastMessageUUID      string `json:"last_message_uuid,omitempty"`
}

// MarshalJSON encodes g with the attribute names of the table, and last_reply_at as a
// time.
func (g Group) MarshalJSON() ([]byte, error) {
	return strictjson.Show(groupJSON{
		g.UserUUID, FormatTime(g.LastReplyAt), g.GroupUUID,
		g.OtherUserUUID, g.OtherUserDisplayName, g.OtherUserHandle,
		g.MemberCount, g.LastMessageUserUUID, g.LastMessage, g.LastMessageUUID,
	})
}
