package backend

import (
	"context"
	"time"
)

// Limits of one call. Source: SQS developer guide, message quotas (August 2025:
// one message and one batch of them may take 1 MiB).
const (
	MaxQueueBatch = 10               // entries of a batch
	MaxQueueBytes = 1 << 20          // bodies of a batch, attributes included
	MaxVisibility = 12 * time.Hour   // from the first receive on
	MaxWait       = 20 * time.Second // of one Receive
	MaxAttributes = 10               // of a message
)

// Queue is one queue, FIFO where its name ends in ".fifo". Every batch has 1 to
// MaxQueueBatch entries, and each entry its own fate: a nil error with entries
// failed is the normal answer to trouble with some of them. With an error,
// failed means nothing: any entry may have been carried out, or none. A batch of
// another length, one of more than MaxQueueBytes, and arguments out of range are
// KindInvalid.
//
// A FIFO queue delivers a group's messages in the order of sending, and none
// that lies behind one in flight. What lies before one in flight, since it was
// given back or its visibility is over, may be delivered again meanwhile.
type Queue interface {
	// Send appends messages. On a FIFO queue each has a group and a
	// deduplication id; one sent with the same id and group within five minutes
	// is accepted and not stored again.
	Send(ctx context.Context, entries []SendEntry) (failed []EntryError, err error)

	// Receive takes up to max messages, 1 to MaxQueueBatch, out of sight for the
	// visibility timeout (whole seconds, at least one), waiting up to wait
	// (whole seconds, at most MaxWait) for the first. None is no error.
	Receive(ctx context.Context, max int, wait, visibility time.Duration) ([]Delivery, error)

	// Delete settles messages by their receipts. On a FIFO queue an expired
	// receipt fails; a message that is gone already does not.
	Delete(ctx context.Context, receipts []string) (failed []EntryError, err error)

	// ChangeVisibility hides messages for another while from now on; zero gives
	// them back at once.
	ChangeVisibility(ctx context.Context, changes []VisibilityChange) (failed []EntryError, err error)

	// Depth counts what is in the queue, on some servers approximately.
	Depth(ctx context.Context) (Depth, error)
}

// SendEntry is one message to send.
type SendEntry struct {
	Body            string
	GroupID         string
	DeduplicationID string // FIFO queues only
	// Attributes travel beside the body and count as its bytes do, each with its
	// name, its text and six more: up to MaxAttributes, each with a name of 1 to
	// 256 letters, digits, hyphens, underscores and single periods between them,
	// that does not begin with "AWS." or "Amazon.", and a text of what a body may
	// hold that is not empty. Otherwise the entry fails, by the sender's fault.
	Attributes map[string]string
}

// Delivery is one message received.
type Delivery struct {
	MessageID       string
	Receipt         string // of this receive; the newest one counts
	Body            string
	GroupID         string // empty on a standard queue without groups
	DeduplicationID string
	Attributes      map[string]string // nil: none
	ReceiveCount    int               // how often it was received, this time included
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
	// SenderFault: the entry itself is wrong and fails again unchanged.
	SenderFault bool
	Message     string
}

func (e EntryError) Error() string { return e.Code + ": " + e.Message }

// Depth is what a queue holds.
type Depth struct {
	Visible  int // can be received
	InFlight int // received and neither deleted nor visible again
	Delayed  int
}

// Empty reports whether nothing is left, in flight included.
func (d Depth) Empty() bool { return d == Depth{} }
