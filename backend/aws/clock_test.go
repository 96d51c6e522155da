package aws

import (
	"net/http"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// dated gives an answer the time of a clock that is ahead of ours.
func dated(by time.Duration, a answer) answer {
	return func(w http.ResponseWriter) {
		w.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
		a(w)
	}
}

// TestF10TheServersClock: every answer carries it, errors too, and it is asked for where
// there was none.
func TestF10TheServersClock(t *testing.T) {
	t.Parallel()
	denied := failure(http.StatusBadRequest, "ValidationException", "no")
	b, f := openFake(t, dated(-3*time.Hour, denied), dated(2*time.Hour, ok("{}")), func(w http.ResponseWriter) {
		w.Header()["Date"] = nil // a server that does not tell
		ok("{}")(w)
	})
	want := func(want time.Duration, calls int) {
		t.Helper()
		if got, known := b.ClockAhead(t.Context()); !known || (got-want).Abs() > 30*time.Second || f.count() != calls {
			t.Errorf("ahead by %s (known: %t) after %d calls, want about %s after %d", got, known, f.count(), want, calls)
		}
	}
	want(3*time.Hour, 1)
	want(3*time.Hour, 1)
	for range 2 {
		if _, err := b.Table("t").Put(t.Context(), backend.Item{}, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	want(-2*time.Hour, 3)
}

// TestF10NoClockIsNotRight: a server whose answers have no time is not taken for one
// that agrees.
func TestF10NoClockIsNotRight(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t, func(w http.ResponseWriter) {
		w.Header()["Date"] = nil
		ok("{}")(w)
	})
	if got, known := b.ClockAhead(t.Context()); known {
		t.Errorf("ahead by %s", got)
	}
}
