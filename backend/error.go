package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind classifies an error by what its caller can do about it.
type Kind int

// The kinds. KindUnknown is an error that no driver recognised; treat it like
// KindUnavailable where a retry is safe.
const (
	KindUnknown         Kind = iota
	KindConditionFailed      // the condition of a write does not hold: read the item again
	KindConflict             // another transaction holds the item: retry
	KindThrottled            // too many requests: back off
	KindUnavailable          // no answer, a failure of the server, or the context is done; a write may have happened
	KindNotFound             // there is no such table, stream, shard or queue
	KindExists               // the name is taken
	KindInvalid              // the server names the request as what is wrong: a retry fails too
	KindDenied               // credentials are missing, wrong or insufficient
	KindExpired              // the iterator is too old: get a new one
	KindTrimmed              // the position is past the trim horizon: records after it are lost
)

var kindNames = [...]string{
	"unknown error", "condition failed", "conflict", "throttled", "unavailable", "not found",
	"exists already", "invalid request", "access denied", "iterator expired", "trimmed",
}

func (k Kind) String() string { return kindNames[k] }

// Error is a failed call of a port.
type Error struct {
	Op   string // the call and its target: "Put postroom"
	Kind Kind
	// Item is the item under the key when the condition of a Put failed; nil: there
	// was none.
	Item Item
	// Reasons why a transaction was refused, one for each action; nil: the action
	// was not a cause.
	Reasons []*Reason
	// Units that the failed call consumed, if the server reports them.
	Units Units
	Err   error // what the server or the client library said
}

// Reason is why one action caused a transaction to be refused.
type Reason struct {
	Kind    Kind
	Code    string // in the server's words, such as ConditionalCheckFailed
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

// KindOf returns the kind of the first [Error] in err's chain, or KindUnknown if
// there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindUnknown
}

// Retryable reports whether the same call may succeed after a pause. A call whose
// context was done is not retryable: a driver keeps a context's error in the chain
// only if the context is the caller's.
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

// KindOfReasons returns the kind of a refused transaction: the most permanent of
// its reasons' kinds. An invalid request stays invalid, a failed condition makes
// the transaction void, and denied access needs an operator; after a failure of the
// server, throttling or a conflict the transaction can be retried.
func KindOfReasons(reasons []*Reason) Kind {
	for _, kind := range []Kind{KindInvalid, KindConditionFailed, KindDenied, KindUnavailable, KindThrottled, KindConflict} {
		for _, r := range reasons {
			if r != nil && r.Kind == kind {
				return kind
			}
		}
	}
	return KindUnknown
}
