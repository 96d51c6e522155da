package postroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// messageJSON is a message as a line of JSONL.
type messageJSON struct {
	GroupUUID   string   `json:"message_group_uuid"`
	MessageUUID string   `json:"message_uuid"`
	UserUUID    string   `json:"user_uuid"`
	DisplayName string   `json:"display_name"`
	Handle      string   `json:"handle"`
	Text        string   `json:"message"`
	CreatedAt   string   `json:"created_at"`
	Members     []Member `json:"members,omitempty"`
}

// MarshalJSON encodes m as a line of the JSONL format, with created_at in [TimeLayout].
func (m Message) MarshalJSON() ([]byte, error) {
	return marshalLine(messageJSON{
		m.GroupUUID, m.MessageUUID, m.UserUUID, m.DisplayName, m.Handle,
		m.Text, FormatTime(m.CreatedAt), m.Members,
	})
}

// UnmarshalJSON decodes a line of the JSONL format and validates the message.
// created_at may have any zone and precision, see [ParseAnyTime]. An unknown field is an
// error, since it would be lost.
func (m *Message) UnmarshalJSON(line []byte) error {
	if !utf8.Valid(line) {
		return errors.New("not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var j messageJSON
	if err := dec.Decode(&j); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	createdAt, err := ParseAnyTime(j.CreatedAt)
	if err != nil {
		return fmt.Errorf("created_at: %w", err)
	}
	*m = Message{
		j.GroupUUID, j.MessageUUID, j.UserUUID, j.DisplayName, j.Handle,
		j.Text, createdAt, j.Members,
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
}

// MarshalJSON encodes g with the attribute names of the table, and last_reply_at as a
// time.
func (g Group) MarshalJSON() ([]byte, error) {
	return marshalLine(groupJSON{
		g.UserUUID, FormatTime(g.LastReplyAt), g.GroupUUID,
		g.OtherUserUUID, g.OtherUserDisplayName, g.OtherUserHandle,
		g.MemberCount, g.LastMessageUserUUID, g.LastMessage,
	})
}

// marshalLine encodes v as one line of JSON without HTML escaping.
func marshalLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
