package backend

import (
	"context"
	"fmt"
	"time"
)

// Limits of one call. Source: SQS developer guide, message quotas (since August
// 2025 a message, and a batch of messages, may take 1 MiB).
const (
	MaxQueueBatch = 10               // entries of a batch
	MaxQueueBytes = 1 << 20          // bodies of a batch, attributes included
	MaxVisibility = 12 * time.Hour   // counted from the first receive
	MaxWait       = 20 * time.Second // of one Receive
	MaxAttributes = 10               // of a message
)

// Queue is one queue; it is a FIFO queue if its name ends in ".fifo". Every batch
// has 1 to MaxQueueBatch entries, each of which succeeds or fails by itself: if
// some of them fail, they are in failed and the error is nil. With an error,
// failed means nothing: any entry may have been carried out, or none. A batch of
// another length or of more than MaxQueueBytes, and an argument out of range, are
// KindInvalid.
//
// A FIFO queue delivers the messages of a FIFO group in the order of sending, and
// no message behind one that is in flight. A message in front of one in flight may
// be delivered again meanwhile, once it was released or its visibility has ended.
type Queue interface {
	// Send appends messages. On a FIFO queue each message has a group and a
	// deduplication id; a message with the same id and group within five minutes
	// is accepted and not stored again.
	Send(ctx context.Context, entries []SendEntry) (failed []EntryError, err error)

	// Receive returns up to max messages, 1 to MaxQueueBatch, and hides them for
	// the visibility timeout (whole seconds, at least one). It waits up to wait
	// (whole seconds, at most MaxWait) for the first message. No message is not an
	// error.
	Receive(ctx context.Context, max int, wait, visibility time.Duration) ([]Delivery, error)

	// Delete removes messages by their receipts. On a FIFO queue an expired receipt
	// fails. A message that is gone already does not.
	Delete(ctx context.Context, receipts []string) (failed []EntryError, err error)

	// ChangeVisibility hides messages for a new timeout, counted from now; a zero
	// timeout releases them at once.
	ChangeVisibility(ctx context.Context, changes []VisibilityChange) (failed []EntryError, err error)

	// Depth counts the messages in the queue, on some servers approximately.
	Depth(ctx context.Context) (Depth, error)
}

// CheckReceive reports arguments of [Queue].Receive that are out of range.
func CheckReceive(max int, wait, visibility time.Duration) error {
	switch {
	case max < 1 || max > MaxQueueBatch:
		return fmt.Errorf("max is %d, must be 1 to %d", max, MaxQueueBatch)
	case wait < 0 || wait > MaxWait || wait%time.Second != 0:
		return fmt.Errorf("wait is %v, must be whole seconds from 0s to %v", wait, MaxWait)
	case visibility < time.Second || visibility > MaxVisibility || visibility%time.Second != 0:
		return fmt.Errorf("visibility is %v, must be whole seconds from 1s to %v", visibility, MaxVisibility)
	}
	return nil
}

// SendEntry is one message to send.
type SendEntry struct {
	Body            string
	GroupID         string
	DeduplicationID string // FIFO queues only
	// Attributes travel beside the body and count towards its bytes: each counts
	// with its name, its value and six more. A message has up to MaxAttributes. A
	// name has 1 to 256 letters, digits, hyphens, underscores and single periods
	// between them, and does not begin with "AWS." or "Amazon."; a value is not
	// empty and has only characters that a body may have. An entry that breaks
	// these rules fails, by the sender's fault.
	Attributes map[string]string
}

// AttributeType is the type of all attributes, and counts towards their bytes.
const AttributeType = "String"

// SizeBytes is what the entry counts for in the size of a batch.
// Source: SQS API reference, MessageAttributeValue.
func (e SendEntry) SizeBytes() int {
	n := len(e.Body)
	for name, value := range e.Attributes {
		n += len(name) + len(AttributeType) + len(value)
	}
	return n
}

// Delivery is one message received.
type Delivery struct {
	MessageID       string
	Receipt         string // of this receive; only the newest receipt is valid
	Body            string
	GroupID         string // may be empty on a standard queue
	DeduplicationID string
	Attributes      map[string]string // nil: none
	ReceiveCount    int               // of receives, this one included
	SentAt          time.Time
	FirstReceivedAt time.Time
}

// VisibilityChange hides one message for Timeout, whole seconds from zero to
// MaxVisibility.
type VisibilityChange struct {
	Receipt string
	Timeout time.Duration
}

// EntryError is the failure of one entry of a batch.
type EntryError struct {
	Index int // of the entry
	Code  string
	// SenderFault: the entry itself is wrong, and a retry fails too.
	SenderFault bool
	Message     string
}

func (e EntryError) Error() string { return e.Code + ": " + e.Message }

// Depth is how many messages a queue holds.
type Depth struct {
	Visible  int // can be received
	InFlight int // received, and neither deleted nor visible again
	Delayed  int
	// Oldest is when the oldest of them was sent; zero: there is none, or the server
	// does not tell. (SQS does not: ApproximateAgeOfOldestMessage is a metric of
	// CloudWatch.)
	Oldest time.Time
}

// Empty reports whether the queue holds no message, not even one in flight.
func (d Depth) Empty() bool { return d.Visible+d.InFlight+d.Delayed == 0 }
