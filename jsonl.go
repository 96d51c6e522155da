package postroom

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"
)

// MaxLineBytes bounds one line of a JSONL file. It is more than any message that fits
// the table can take, including escapes.
const MaxLineBytes = 4 << 20

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

// LineError says that a line of a JSONL file is not a message.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// ReadMessages reads a JSONL file with one message a line, and skips empty lines. For a
// line that is not a message it yields a *[LineError] and goes on; an error of r ends the
// sequence.
func ReadMessages(r io.Reader) iter.Seq2[NumberedMessage, error] {
	return func(yield func(NumberedMessage, error) bool) {
		lines := bufio.NewReaderSize(r, 64<<10)
		for number := 1; ; number++ {
			m := NumberedMessage{Line: number}
			line, err := readLine(lines)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.Is(err, errLongLine):
				yield(NumberedMessage{}, fmt.Errorf("line %d: %w", number, err))
				return
			case err == nil && len(line) == 0:
				continue
			case err == nil:
				err = m.UnmarshalJSON(line)
			}
			if err != nil {
				err = &LineError{Line: number, Err: err}
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// NumberedMessage is a message and the number of its line.
type NumberedMessage struct {
	Message

	Line int // counted from 1
}

var errLongLine = fmt.Errorf("longer than %d bytes", MaxLineBytes)

// readLine returns the next line without surrounding white space, errLongLine if it is
// too long, and io.EOF after the last.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	size := 0
	for {
		part, err := r.ReadSlice('\n')
		size += len(part)
		if size <= MaxLineBytes {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || size == 0):
			return nil, err
		case size > MaxLineBytes:
			return nil, errLongLine
		}
		return bytes.TrimSpace(line), nil
	}
}
