package local

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/postroom/postroom/backend"
)

const (
	// deduplicationWindow is how long a deduplication id is remembered.
	// Source: SQS developer guide, exactly-once processing.
	deduplicationWindow = 5 * time.Minute
	maxIDBytes          = 128 // of a group or deduplication id
)

// Send implements [backend.Queue].
func (q *queue) Send(ctx context.Context, entries []backend.SendEntry) (failed []backend.EntryError, err error) {
	err = q.write(ctx, "Send", checkSend(entries), func(t *tx, row queueRow) error {
		failed = nil
		stored := 0
		for i, e := range entries {
			if fault := checkEntry(i, e, row.fifo); fault != nil {
				failed = append(failed, *fault)
				continue
			}
			fresh, err := row.send(t, e)
			if err != nil {
				return err
			}
			if fresh {
				stored++
			}
		}
		if stored > 0 {
			t.wake(queueTopic(q.name))
		}
		return row.upkeep(t)
	})
	return failed, err
}

func checkSend(entries []backend.SendEntry) error {
	if err := checkEntries(len(entries)); err != nil {
		return err
	}
	size := 0
	for _, e := range entries {
		size += e.SizeBytes()
	}
	if size > backend.MaxQueueBytes {
		return invalid("BatchRequestTooLong: the batch has %d bytes, at most %d are allowed", size, backend.MaxQueueBytes)
	}
	return nil
}

// checkEntry returns why SQS would refuse an entry; nil: it would not.
func checkEntry(i int, e backend.SendEntry, fifo bool) *backend.EntryError {
	fault := func(code, format string, args ...any) *backend.EntryError {
		f := senderFault(i, code, format, args...)
		return &f
	}
	switch {
	case e.Body == "":
		return fault("MissingParameter", "the request must contain the parameter MessageBody")
	case !validBody(e.Body):
		return fault("InvalidMessageContents", "the body has characters that are not allowed")
	case fifo && e.GroupID == "":
		return fault("MissingParameter", "the request must contain the parameter MessageGroupId")
	case fifo && e.DeduplicationID == "":
		return fault("MissingParameter", "the request must contain the parameter MessageDeduplicationId")
	case !fifo && e.DeduplicationID != "":
		return fault("InvalidParameterValue", "MessageDeduplicationId is not valid for a standard queue")
	case e.GroupID != "" && !validID(e.GroupID):
		return fault("InvalidParameterValue", "MessageGroupId %q must have 1 to %d letters, digits and punctuation marks", e.GroupID, maxIDBytes)
	case e.DeduplicationID != "" && !validID(e.DeduplicationID):
		return fault("InvalidParameterValue", "MessageDeduplicationId %q must have 1 to %d letters, digits and punctuation marks", e.DeduplicationID, maxIDBytes)
	}
	if err := checkAttributes(e.Attributes); err != nil {
		return fault("InvalidParameterValue", "%v", err)
	}
	return nil
}

// validBody reports whether SQS accepts every character of a text: tab, line feed,
// carriage return, U+0020–U+D7FF, U+E000–U+FFFD, U+10000–U+10FFFF.
// Source: SQS API reference, SendMessage, MessageBody.
func validBody(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff'
	})
}

func validID(s string) bool {
	return len(s) <= maxIDBytes && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// send stores a message, unless the message is a duplicate.
func (q queueRow) send(t *tx, e backend.SendEntry) (fresh bool, err error) {
	if q.fifo {
		if fresh, err = q.remember(t, e); err != nil || !fresh {
			return false, err
		}
	}
	group, newGroup, err := q.group(t, e.GroupID)
	if err != nil {
		return false, err
	}
	attributes, err := encodeAttributes(e.Attributes)
	if err != nil {
		return false, err
	}
	now := t.now
	id := uuid.New()
	if _, err := t.exec(`INSERT INTO queue_messages (queue, grp, sent_at, expires_at, uuid, group_id, dedup_id, body, attributes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, q.id, group, now.UnixMicro(), now.Add(q.retention()).UnixMicro(),
		id[:], e.GroupID, e.DeduplicationID, e.Body, attributes); err != nil {
		return false, err
	}
	if newGroup {
		_, err = t.exec("UPDATE queue_groups SET head = last_insert_rowid(), blocked = 0 WHERE id = ?", *group)
	}
	return true, err
}

func (q queueRow) retention() time.Duration {
	return time.Duration(q.spec.RetentionSeconds) * time.Second
}

// remember stores a message's deduplication id, and reports whether it is the first
// in the window.
func (q queueRow) remember(t *tx, e backend.SendEntry) (fresh bool, err error) {
	changed, err := t.exec(`INSERT INTO queue_dedup (hash, sent_at) VALUES (?1, ?2)
		ON CONFLICT (hash) DO UPDATE SET sent_at = ?2 WHERE sent_at <= ?3`,
		q.dedupHash(e), t.now.UnixMicro(), t.now.Add(-deduplicationWindow).UnixMicro())
	return changed > 0, err
}

// dedupHash returns a short hash of queue, group and deduplication id.
func (q queueRow) dedupHash(e backend.SendEntry) []byte {
	const hashBytes = 16
	b := binary.BigEndian.AppendUint64(nil, uint64(q.id))
	b = append(b, e.GroupID...)
	b = append(b, ' ') // in neither id
	b = append(b, e.DeduplicationID...)
	sum := sha256.Sum256(b)
	return sum[:hashBytes]
}

// upkeep deletes old deduplication ids, and drops messages past their retention,
// since there may be no receiver that drops them.
func (q queueRow) upkeep(t *tx) error {
	if _, err := t.exec(`DELETE FROM queue_dedup WHERE hash IN
		(SELECT hash FROM queue_dedup WHERE sent_at <= ? ORDER BY sent_at LIMIT +?)`,
		t.now.Add(-deduplicationWindow).UnixMicro(), upkeepStep); err != nil {
		return err
	}
	return q.dropExpired(t)
}
