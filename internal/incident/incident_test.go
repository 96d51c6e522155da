package incident

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged is a log with one operation, and what it wrote.
type logged struct {
	*Log
	*Operation
	t   *testing.T
	out bytes.Buffer
}

func inBubble(t *testing.T, test func(t *testing.T, w *logged)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &logged{t: t}
		w.Log = NewLog(slog.New(slog.NewTextHandler(&w.out, nil)))
		w.Operation = w.Log.Operation("work")
		test(t, w)
	})
}

func (w *logged) fails(who string, kind backend.Kind) {
	w.Failed(w.t.Context(), who, &backend.Error{Op: "test", Kind: kind})
}

func (w *logged) wants(fails, again int) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock() // what is written is written under it
	defer w.mu.Unlock()
	log := w.out.String()
	if f, a := strings.Count(log, "work fails"), strings.Count(log, "work works again"); f != fails || a != again {
		w.t.Errorf("%d begun and %d over, want %d and %d:\n%s", f, a, fails, again, log)
	}
}

// An incident is logged when it begins, once for each kind, and when it is over
// for every caller.
func TestLoggedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *logged) {
		for range 3 {
			w.fails("a", backend.KindThrottled)
			w.fails("b", backend.KindThrottled)
		}
		w.wants(1, 0)
		w.Succeeded("c")
		w.Succeeded("a")
		time.Sleep(time.Hour)
		w.wants(1, 0)
		for range 3 {
			w.fails("b", backend.KindDenied)
			w.fails("b", backend.KindThrottled)
		}
		w.wants(2, 0)
		w.Succeeded("b")
		w.Succeeded("b")
		time.Sleep(settleTime)
		w.wants(2, 1)
		if log := w.out.String(); !strings.Contains(log, "failures=12 after=1h0m0s") ||
			!strings.Contains(log, `level=WARN msg="work fails, trying again" kind="access denied" of=b error="test: access denied"`) {
			t.Errorf("the log:\n%s", log)
		}
		w.fails("a", backend.KindDenied)
		w.wants(3, 1)
		w.Succeeded("a")
		time.Sleep(settleTime)
		w.wants(3, 2)
	})
}

// Calls that fail now and then are one incident.
func TestFlappingIsOneIncident(t *testing.T) {
	inBubble(t, func(t *testing.T, w *logged) {
		for range 1000 {
			w.fails("a", backend.KindUnavailable)
			w.Succeeded("a")
			time.Sleep(settleTime - time.Second)
		}
		w.wants(1, 0)
		time.Sleep(time.Second)
		w.wants(1, 1)
	})
}

func TestStoppingIsNoIncident(t *testing.T) {
	inBubble(t, func(t *testing.T, w *logged) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		w.Failed(ctx, "a", errors.New("stopped"))
		w.wants(0, 0)
	})
}

// Close logs the end of what has succeeded and not of what still fails, and
// nothing is logged after it.
func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, w *logged) {
		other, stopped := w.Log.Operation("another"), w.Log.Operation("a third")
		other.Failed(t.Context(), "a", errors.New("boom"))
		stopped.Failed(t.Context(), "a", errors.New("boom"))
		stopped.Stopped("a")
		w.fails("a", backend.KindUnavailable)
		w.Succeeded("a")
		w.Close()
		w.wants(1, 1)
		if strings.Contains(w.out.String(), "another works") || strings.Contains(w.out.String(), "a third works") {
			t.Errorf("the log:\n%s", &w.out)
		}
		time.Sleep(2 * settleTime)
		w.Close()
		w.wants(1, 1)
	})
}

// What failed in one session of a daemon is over if it does not fail in the next.
func TestAbandon(t *testing.T) {
	inBubble(t, func(t *testing.T, w *logged) {
		w.fails("a", backend.KindUnavailable)
		w.Abandon()
		w.wants(1, 0)
		w.Log.Operation("work").Failed(t.Context(), "b", &backend.Error{Op: "test", Kind: backend.KindUnavailable})
		time.Sleep(2 * settleTime)
		w.wants(1, 0)
		w.Abandon()
		time.Sleep(2 * settleTime)
		w.wants(1, 1)
	})
}

// Each caller's failures are counted for themselves, and anew once it succeeded.
func TestFailuresOfACaller(t *testing.T) {
	inBubble(t, func(t *testing.T, w *logged) {
		wants := func(who string, failures int, lasting time.Duration) {
			t.Helper()
			if n, d := w.Failed(t.Context(), who, errors.New("boom")); n != failures || d != lasting {
				t.Errorf("%s failed %d times for %v, want %d for %v", who, n, d, failures, lasting)
			}
		}
		for n := range 10 {
			wants("a", n+1, time.Duration(n)*time.Second)
			time.Sleep(time.Second)
		}
		wants("b", 1, 0)
		w.Succeeded("a")
		wants("a", 1, 0)
	})
}

func TestLongErrorIsCut(t *testing.T) {
	t.Parallel()
	if s := Brief(errors.New(strings.Repeat("é", 400_000))); len(s) != maxBrief+len("…") {
		t.Errorf("%d bytes", len(s))
	}
}

// What counts is a caller that fails in a row: calls that fail now and then are one
// incident, however long it lasts.
func TestLongest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *logged) {
		want := func(d time.Duration) {
			t.Helper()
			if got := w.Longest(time.Now()); got != d {
				t.Errorf("failing for %v, want %v", got, d)
			}
		}
		want(0)
		w.fails("a", backend.KindThrottled)
		time.Sleep(time.Minute)
		w.fails("a", backend.KindUnavailable)
		w.fails("b", backend.KindThrottled)
		want(time.Minute)
		time.Sleep(time.Minute)
		w.Succeeded("a")
		want(time.Minute)
		w.Log.Operation("other work").Failed(t.Context(), "b", errors.New("test"))
		w.Succeeded("b")
		time.Sleep(3 * time.Second)
		want(3 * time.Second)
		w.Abandon()
		want(0)
	})
}
