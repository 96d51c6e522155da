package postroom

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Parts of the keys. See the package comment for the table they make.
const (
	// MessagePrefix begins the sort key of every message.
	MessagePrefix = "MSG#"
	// HeadKey is the sort key of a conversation's head. It sorts before
	// MessagePrefix, so that one ascending query brings the head first.
	HeadKey = "HEAD"
	// InboxPrefix begins the partition key of every user's conversation list.
	InboxPrefix = "grp#"

	separator = "#"
)

// IndexName is the index over the group rows of a conversation: partition key
// message_group_uuid, sort key user_uuid, keys only. It lags behind the table,
// so nothing that writes may trust it.
const IndexName = "message-group-uuid-index"

// ControlTable is the name of the table that holds leases, checkpoints and
// quarantined records of the projector of a table.
func ControlTable(table string) string { return table + "-control" }

const fifoSuffix = ".fifo"

// IsFIFO reports whether a queue is a FIFO queue, which its name tells.
func IsFIFO(queue string) bool { return strings.HasSuffix(queue, fifoSuffix) }

// DeadLetterQueue is the name of a queue's dead-letter queue: "-dlq" at its
// end, before the suffix of a FIFO queue.
func DeadLetterQueue(queue string) string {
	base, fifo := strings.CutSuffix(queue, fifoSuffix)
	if fifo {
		return base + "-dlq" + fifoSuffix
	}
	return base + "-dlq"
}

// PairNamespace is the UUID namespace of conversations between two people: the
// UUIDv5 of the URL https://github.com/postroom/postroom/pair.
var PairNamespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/postroom/postroom/pair"))

// PairUUID derives the conversation of two people, whichever of them asks: the
// UUIDv5, in [PairNamespace], of the two sorted uuids joined by ":". Both must
// be canonical, see [CheckUUID].
func PairUUID(a, b string) string {
	if b < a {
		a, b = b, a
	}
	return uuid.NewSHA1(PairNamespace, []byte(a+":"+b)).String()
}

// CheckUUID reports an error unless s is a UUID in canonical form: 36
// characters, lower case.
func CheckUUID(s string) error {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return fmt.Errorf("%q is not a canonical lower-case uuid", s)
	}
	return nil
}

// MessageKey is the sort key of a message.
func MessageKey(createdAt time.Time, messageUUID string) string {
	return MessagePrefix + FormatTime(createdAt) + separator + messageUUID
}

// ParseMessageKey takes a message's sort key apart.
func ParseMessageKey(sk string) (createdAt time.Time, messageUUID string, err error) {
	rest, ok := strings.CutPrefix(sk, MessagePrefix)
	if !ok {
		return time.Time{}, "", fmt.Errorf("sort key %q does not begin with %s", sk, MessagePrefix)
	}
	return parseTimed(sk, rest)
}

// InboxKey is the partition key of a user's conversation list.
func InboxKey(userUUID string) string { return InboxPrefix + userUUID }

// RowKey is the sort key of a conversation in the list of each of its members.
func RowKey(lastReplyAt time.Time, groupUUID string) string {
	return FormatTime(lastReplyAt) + separator + groupUUID
}

// ParseRowKey takes the sort key of a conversation list's row apart.
func ParseRowKey(sk string) (lastReplyAt time.Time, groupUUID string, err error) {
	return parseTimed(sk, sk)
}

// parseTimed splits "<time>#<uuid>", the tail of the sort key sk.
func parseTimed(sk, s string) (time.Time, string, error) {
	at, id, ok := strings.Cut(s, separator)
	if !ok {
		return time.Time{}, "", fmt.Errorf("sort key %q has no uuid", sk)
	}
	t, err := ParseTime(at)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("sort key %q: %w", sk, err)
	}
	if err := CheckUUID(id); err != nil {
		return time.Time{}, "", fmt.Errorf("sort key %q: %w", sk, err)
	}
	return t, id, nil
}
