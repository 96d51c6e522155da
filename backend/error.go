package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is what a caller does about an error.
type Kind int

// The kinds. KindUnknown is an error that no rule knows; treat it like
// KindUnavailable where trying again is safe.
const (
	KindUnknown         Kind = iota
	KindConditionFailed      // the condition of a write does not hold: look again
	KindConflict             // another transaction was at the item: try again
	KindThrottled            // too much at once: back off
	KindUnavailable          // no answer, a server's failure, or the context is done; a write may have happened
	KindNotFound             // no such table, stream, shard or queue
	KindExists               // the name is taken
	KindInvalid              // the request is wrong and will be again
	KindDenied               // credentials missing, wrong or not enough
	KindExpired              // the iterator is too old: get a new one
	KindTrimmed              // the position fell out of the stream: records are lost to it
)

var kindNames = [...]string{
	"unknown error", "condition failed", "conflict", "throttled", "unavailable", "not found",
	"exists already", "invalid request", "access denied", "iterator expired", "trimmed",
}

func (k Kind) String() string { return kindNames[k] }

// Error is a failed call of a port.
type Error struct {
	Op   string // the call and what it was for: "Put postroom"
	Kind Kind
	// Item is what was under the key when the condition of a Put failed; nil:
	// nothing.
	Item Item
	// Reasons of a refused transaction, one for each action; nil: that action
	// was not the cause.
	Reasons []*Reason
	// Units that the failed call consumed, where the server tells.
	Units Units
	Err   error // what the server or the client library said
}

// Reason is why one action had a transaction refused.
type Reason struct {
	Kind    Kind
	Code    string // as the server names it, such as ConditionalCheckFailed
	Message string
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Op, e.Kind)
	for i, r := range e.Reasons {
		if r != nil {
			fmt.Fprintf(&b, "; action %d: %s", i, r.Code)
			if r.Message != "" {
				fmt.Fprintf(&b, " (%s)", r.Message)
			}
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first [Error] in err's chain, KindUnknown if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindUnknown
}

// Retryable reports whether the same call may succeed when it is made again
// after a pause. One whose context was done is not: a driver keeps a context's
// error in the chain, of KindUnavailable, only where the context is the caller's.
func Retryable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	switch KindOf(err) {
	case KindConflict, KindThrottled, KindUnavailable:
		return true
	}
	return false
}

// KindOfReasons is the kind of a refused transaction: that of the reason that
// leaves the least hope. A wrong request stays wrong; a failed condition makes
// the transaction void; what is denied waits for somebody to allow it; after
// throttling or a conflict it may be tried again.
func KindOfReasons(reasons []*Reason) Kind {
	for _, kind := range []Kind{KindInvalid, KindConditionFailed, KindDenied, KindThrottled, KindConflict} {
		for _, r := range reasons {
			if r != nil && r.Kind == kind {
				return kind
			}
		}
	}
	return KindUnknown
}
