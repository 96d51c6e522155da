package postroom

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Parts of the keys. The package comment shows all keys of the table.
const (
	// MessagePrefix begins the sort key of every message.
	MessagePrefix = "MSG#"
	// HeadKey is the sort key of a conversation's head. It sorts before MessagePrefix,
	// so that an ascending query returns the head first.
	HeadKey = "HEAD"
	// InboxPrefix begins the partition key of every inbox of the default view.
	InboxPrefix = "grp#"
	// viewPrefix begins the partition key of every inbox of another view.
	viewPrefix = "grp."

	separator = "#"
)

// IndexName is the index of the inbox entries of a conversation: partition key
// message_group_uuid, sort key user_uuid, keys only. It lags behind the table, so a
// writer must not rely on it.
const IndexName = "message-group-uuid-index"

// ControlTable returns the name of a table's control table, which holds the projector's
// leases, checkpoints and quarantined records.
func ControlTable(table string) string { return table + "-control" }

const fifoSuffix = ".fifo"

// IsFIFO reports whether a queue is a FIFO queue, by its name.
func IsFIFO(queue string) bool { return strings.HasSuffix(queue, fifoSuffix) }

// DeadLetterQueue returns the name of a queue's dead-letter queue: the queue's name with
// "-dlq" at its end, before the suffix of a FIFO queue.
func DeadLetterQueue(queue string) string {
	base, fifo := strings.CutSuffix(queue, fifoSuffix)
	if fifo {
		return base + "-dlq" + fifoSuffix
	}
	return base + "-dlq"
}

// CheckUUID returns an error unless s is a UUID in canonical form: 36 characters, lower
// case.
func CheckUUID(s string) error {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return fmt.Errorf("%s is not a canonical lower-case uuid", quote(s))
	}
	return nil
}

// MessageKey returns the sort key of a message.
func MessageKey(createdAt time.Time, messageUUID string) string {
	return MessagePrefix + FormatTime(createdAt) + separator + messageUUID
}

// ParseMessageKey parses a message's sort key.
func ParseMessageKey(sk string) (createdAt time.Time, messageUUID string, err error) {
	rest, ok := strings.CutPrefix(sk, MessagePrefix)
	if !ok {
		return time.Time{}, "", fmt.Errorf("sort key %s does not begin with %s", quote(sk), MessagePrefix)
	}
	return parseTimed(sk, rest)
}

// InboxKey returns the partition key of a user's inbox in the default view.
func InboxKey(userUUID string) string { return InboxPrefix + userUUID }

// RowKey returns the sort key of a conversation's inbox entries.
func RowKey(lastReplyAt time.Time, groupUUID string) string {
	return FormatTime(lastReplyAt) + separator + groupUUID
}

// ParseRowKey parses the sort key of an inbox entry.
func ParseRowKey(sk string) (lastReplyAt time.Time, groupUUID string, err error) {
	return parseTimed(sk, sk)
}

// parseTimed splits "<time>#<uuid>", the tail of the sort key sk.
func parseTimed(sk, s string) (time.Time, string, error) {
	at, id, ok := strings.Cut(s, separator)
	if !ok {
		return time.Time{}, "", fmt.Errorf("sort key %s has no uuid", quote(sk))
	}
	t, err := ParseTime(at)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("sort key %s: %w", quote(sk), err)
	}
	if err := CheckUUID(id); err != nil {
		return time.Time{}, "", fmt.Errorf("sort key %s: %w", quote(sk), err)
	}
	return t, id, nil
}
