package consumer

import (
	"errors"
	"fmt"
	"time"

	"github.com/postroom/postroom/internal/batch"
)

// Instruction is an error by which a handler says what is to become of its
// message, where backing off with its receive count is not the right thing. It
// is found with errors.As, so it may be wrapped.
type Instruction struct { //nolint:errname // it is an error only so that Handle has one result
	verb  verb
	after time.Duration
	cause error
}

type verb int

const (
	retry verb = iota
	drop
	deadLetter
)

// RetryAfter fails a message and has it come again after d, rounded up to whole
// seconds and at most 12 h after its receipt, instead of after a pause that
// grows. It is a failure as any other, and counts against the queue's maximum
// receive count.
func RetryAfter(d time.Duration, cause error) error {
	return &Instruction{verb: retry, after: max(0, d), cause: cause}
}

// Drop has a message deleted unhandled: nobody will ever want it.
func Drop(cause error) error { return &Instruction{verb: drop, cause: cause} }

// DeadLetter has a message moved to [Options].DeadLetters at once, with the
// cause as its attribute [ReasonAttribute], since trying again is of no use.
// Without such a queue it is a failure as any other, and the queue's own redrive
// policy moves it in the end.
func DeadLetter(cause error) error { return &Instruction{verb: deadLetter, cause: cause} }

// ReasonAttribute of a message that a handler had moved to the dead-letter queue
// says why.
const ReasonAttribute = "DeadLetterReason"

func (i *Instruction) Error() string {
	switch i.verb {
	case drop:
		return fmt.Sprintf("to be dropped: %v", i.cause)
	case deadLetter:
		return fmt.Sprintf("to the dead-letter queue: %v", i.cause)
	}
	return fmt.Sprintf("to be retried in %v: %v", i.after, i.cause)
}

// Unwrap returns the cause.
func (i *Instruction) Unwrap() error { return i.cause }

// reason is the cause as an attribute of a message.
func (i *Instruction) reason() string {
	if i.cause == nil || i.cause.Error() == "" {
		return "the handler gave no reason"
	}
	return batch.Clean(i.cause.Error(), maxReason)
}

// instructionOf returns what a handler asked for with its error; of another
// error nil.
func instructionOf(err error) *Instruction {
	i, _ := errors.AsType[*Instruction](err)
	return i
}

// Drops reports whether a handler's error asks to [Drop] its message. Who stands
// between a worker and a handler counts that as handled.
func Drops(err error) bool {
	i := instructionOf(err)
	return i != nil && i.verb == drop
}
