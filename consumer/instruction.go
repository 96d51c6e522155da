package consumer

import (
	"errors"
	"fmt"
	"time"

	"github.com/postroom/postroom/internal/batch"
)

// Instruction is an error by which a handler says what to do with its message,
// where the usual backoff is not the right thing. The worker finds it with
// errors.As, so it may be wrapped.
type Instruction struct { //nolint:errname // it is an error only so that Handle has one result
	action action        // hidden, dropped or deadLettered
	after  time.Duration // hidden for how long
	cause  error
}

// RetryAfter fails a message that is to come again after d, rounded up to whole
// seconds and at most 12 h after its receipt, instead of after a growing pause.
// It counts against the queue's maximum receive count as any other failure does.
func RetryAfter(d time.Duration, cause error) error {
	return &Instruction{action: hidden, after: max(0, d), cause: cause}
}

// Drop asks for a message to be deleted unhandled, because nobody will ever want
// it.
func Drop(cause error) error { return &Instruction{action: dropped, cause: cause} }

// DeadLetter asks for a message to be moved to [Options].DeadLetters at once,
// because trying again is pointless. The cause travels in [ReasonAttribute].
// Without such a queue this is a failure like any other, and the queue's own
// redrive policy moves the message in the end.
func DeadLetter(cause error) error { return &Instruction{action: deadLettered, cause: cause} }

// ReasonAttribute is the attribute of a dead letter that says why a handler asked
// for it to be moved.
const ReasonAttribute = "DeadLetterReason"

func (i *Instruction) Error() string {
	switch i.action {
	case dropped:
		return fmt.Sprintf("to be dropped: %v", i.cause)
	case deadLettered:
		return fmt.Sprintf("to the dead-letter queue: %v", i.cause)
	}
	return fmt.Sprintf("to be retried in %v: %v", i.after, i.cause)
}

// Unwrap returns the cause.
func (i *Instruction) Unwrap() error { return i.cause }

// reason returns the cause as the text of an attribute.
func (i *Instruction) reason() string {
	if i.cause == nil || i.cause.Error() == "" {
		return "the handler gave no reason"
	}
	return batch.Clean(i.cause.Error(), maxReason)
}

// instructionOf returns the instruction in a handler's error, nil if there is
// none.
func instructionOf(err error) *Instruction {
	i, _ := errors.AsType[*Instruction](err)
	return i
}

// Drops reports whether a handler's error asks to [Drop] its message. A handler
// that wraps another one should count such an error as success.
func Drops(err error) bool {
	i := instructionOf(err)
	return i != nil && i.action == dropped
}
