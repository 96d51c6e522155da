package postroom

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/postroom/postroom/internal/strictjson"
)

// NotificationType is the CloudEvents type of every notification.
const NotificationType = "postroom.message.posted"

// Notification notifies one recipient of one message: a CloudEvents 1.0 event in
// structured JSON, and one message of the queue.
type Notification struct {
	SpecVersion string `json:"specversion"` // "1.0"
	// ID is the same however often the notification is sent, see [NotificationID]. A
	// receiver that remembers it can act once.
	ID              string `json:"id"`
	Source          string `json:"source"`  // /postroom/<table>
	Type            string `json:"type"`    // NotificationType
	Subject         string `json:"subject"` // the recipient
	Time            string `json:"time"`    // created_at of the message
	DataContentType string `json:"datacontenttype"`
	// TraceParent is CloudEvents' extension for tracing: the span that sent the
	// notification, if the trace of its message is recorded.
	TraceParent string `json:"traceparent,omitempty"`
	// Replay is an extension of ours: the name of the replay that sent the notification
	// again, with the id that it had the first time; otherwise it is missing. A receiver
	// that wants what it was given before acts once for each ID and Replay.
	Replay string           `json:"replay,omitempty"`
	Data   NotificationData `json:"data"`
}

// NotificationData describes the message. Notifications of one conversation may arrive
// out of order after a retry; a receiver can order them by CreatedAt and MessageUUID.
type NotificationData struct {
	GroupUUID   string `json:"message_group_uuid"`
	MessageUUID string `json:"message_uuid"`
	CreatedAt   string `json:"created_at"`
	UserUUID    string `json:"user_uuid"`
	DisplayName string `json:"display_name"`
	Handle      string `json:"handle"`
	Preview     string `json:"preview"`
}

// NotificationID returns the id of a recipient's notification of m: the SHA-256 of
// "group|created_at|message_uuid|recipient" in hexadecimal.
func NotificationID(m Message, recipient string) string {
	sum := sha256.Sum256([]byte(strings.Join(
		[]string{m.GroupUUID, FormatTime(m.CreatedAt), m.MessageUUID, recipient}, "|")))
	return hex.EncodeToString(sum[:])
}

// NewNotification returns a recipient's notification of m. The table's name goes into
// the source.
func NewNotification(table string, m Message, recipient string) Notification {
	at := FormatTime(m.CreatedAt)
	return Notification{
		SpecVersion:     "1.0",
		ID:              NotificationID(m, recipient),
		Source:          "/postroom/" + table,
		Type:            NotificationType,
		Subject:         recipient,
		Time:            at,
		DataContentType: "application/json",
		TraceParent:     m.TraceParent,
		Data: NotificationData{
			GroupUUID:   m.GroupUUID,
			MessageUUID: m.MessageUUID,
			CreatedAt:   at,
			UserUUID:    m.UserUUID,
			DisplayName: clean(m.DisplayName),
			Handle:      clean(m.Handle),
			Preview:     clean(Preview(m.Text)),
		},
	}
}

// DeduplicationID returns the id by which a FIFO queue drops the notification if it is
// sent again within five minutes: the ID, and one of its own for each replay.
func (n Notification) DeduplicationID() string {
	if n.Replay == "" {
		return n.ID
	}
	return "replay-" + n.Replay + "-" + n.ID
}

// Recipients returns everybody who is notified of a message: all members but the sender,
// in the order of members.
func Recipients(members []Member, sender string) []string {
	recipients := make([]string, 0, len(members))
	for _, p := range members {
		if p.UserUUID != sender {
			recipients = append(recipients, p.UserUUID)
		}
	}
	return recipients
}

// Encode returns the notification as the body of a queue message: JSON without HTML
// escaping, and without characters that SQS refuses.
func (n Notification) Encode() string {
	line, _ := strictjson.Show(n) // strings only: cannot fail
	return string(line)
}

// DecodeNotification decodes the body of a queue message. It ignores attributes that it
// does not know, which CloudEvents allows; what is damaged is an error that names it.
func DecodeNotification(body string) (Notification, error) {
	var n Notification
	if err := strictjson.DecodePart([]byte(body), &n); err != nil {
		return Notification{}, fmt.Errorf("notification: %w", err)
	}
	if err := n.check(); err != nil {
		return Notification{}, fmt.Errorf("body is not a %s event of CloudEvents 1.0: %w", NotificationType, err)
	}
	return n, nil
}

func (n Notification) check() error {
	switch {
	case n.SpecVersion != "1.0":
		return fmt.Errorf("specversion is %s", quote(n.SpecVersion))
	case n.Type != NotificationType:
		return fmt.Errorf("type is %s", quote(n.Type))
	case n.ID == "":
		return errors.New("id is missing or empty")
	case n.Subject == "":
		return errors.New("subject is missing or empty")
	}
	if _, err := ParseTime(n.Time); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	if _, err := ParseTime(n.Data.CreatedAt); err != nil {
		return fmt.Errorf("data: created_at: %w", err)
	}
	return nil
}

// clean replaces characters that SQS refuses in a body, and control characters. SQS
// allows tab, line feed, carriage return and U+0020–U+D7FF, U+E000–U+FFFD,
// U+10000–U+10FFFF.
// Source: SQS API reference, SendMessage, MessageBody.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return r
		case r < ' ', r == 0x7f, r == 0xfffe, r == 0xffff:
			return '\uFFFD'
		}
		return r
	}, s)
}
