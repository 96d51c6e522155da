package projector

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
)

// TestTroubleIsLoggedOnChange: once when it begins, once when it becomes
// something else, once when it is over for everybody; never at a stop.
func TestTroubleIsLoggedOnChange(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tr := &trouble{logger: slog.New(slog.NewTextHandler(&log, nil)), what: "work"}
	ctx := t.Context()
	want := func(fails, again int) {
		t.Helper()
		if f, a := strings.Count(log.String(), "work fails"), strings.Count(log.String(), "work works again"); f != fails || a != again {
			t.Errorf("%d begun and %d over, want %d and %d:\n%s", f, a, fails, again, &log)
		}
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	tr.report(stopped, "a", failure(backend.KindUnavailable))
	tr.over("a")
	want(0, 0)
	for range 3 {
		tr.report(ctx, "a", failure(backend.KindThrottled))
		tr.report(ctx, "b", failure(backend.KindThrottled))
	}
	want(1, 0)
	tr.over("c")
	tr.over("a")
	want(1, 0)
	tr.report(ctx, "b", failure(backend.KindDenied))
	want(2, 0)
	tr.over("b")
	tr.over("b")
	want(2, 1)
	if !strings.Contains(log.String(), "failures=7") {
		t.Errorf("the failures are not counted:\n%s", &log)
	}
	tr.report(ctx, "a", failure(backend.KindDenied))
	want(3, 1)
}
