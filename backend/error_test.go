package backend_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/postroom/postroom/backend"
)

func TestRetryable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind backend.Kind
		err  error
		want bool
	}{
		{backend.KindConflict, nil, true},
		{backend.KindThrottled, errors.New("slow down"), true},
		{backend.KindUnavailable, net.ErrClosed, true},
		{backend.KindUnknown, nil, false},
		{backend.KindConditionFailed, nil, false},
		{backend.KindNotFound, nil, false},
		{backend.KindInvalid, nil, false},
		{backend.KindDenied, nil, false},
		{backend.KindExpired, nil, false},
		{backend.KindTrimmed, nil, false},

		// The caller gave up.
		{backend.KindUnavailable, context.Canceled, false},
		{backend.KindUnavailable, fmt.Errorf("server: %w", context.DeadlineExceeded), false},
		{backend.KindThrottled, fmt.Errorf("server: %w", context.Canceled), false},
	} {
		err := fmt.Errorf("append: %w", &backend.Error{Op: "Put table", Kind: c.kind, Err: c.err})
		if got := backend.Retryable(err); got != c.want {
			t.Errorf("%v: retryable is %t", err, got)
		}
	}
	if backend.Retryable(nil) || backend.Retryable(errors.New("unknown")) {
		t.Error("an error that is not a port's is retryable")
	}
}

// TestP10KindOfReasons: the most permanent of several reasons counts, in whatever
// order they come.
func TestP10KindOfReasons(t *testing.T) {
	t.Parallel()
	kinds := []backend.Kind{
		backend.KindInvalid, backend.KindConditionFailed, backend.KindDenied,
		backend.KindUnavailable, backend.KindThrottled, backend.KindConflict,
		backend.KindUnknown,
	}
	for i, a := range kinds {
		for j, b := range kinds {
			reasons := []*backend.Reason{nil, {Kind: a}, nil, {Kind: b}}
			if got, want := backend.KindOfReasons(reasons), kinds[min(i, j)]; got != want {
				t.Errorf("%v and %v are %v, want %v", a, b, got, want)
			}
		}
	}
}
