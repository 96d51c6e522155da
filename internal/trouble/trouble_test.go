package trouble

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

// told is a log of one kind of work and what it says.
type told struct {
	*Log
	*Work
	t   *testing.T
	out bytes.Buffer
}

func inBubble(t *testing.T, test func(t *testing.T, w *told)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &told{t: t}
		w.Log = NewLog(slog.New(slog.NewTextHandler(&w.out, nil)), time.Second, time.Minute)
		w.Work = w.Log.Work("work")
		test(t, w)
	})
}

func (w *told) fails(who string, kind backend.Kind) {
	w.Failed(w.t.Context(), who, &backend.Error{Op: "test", Kind: kind})
}

func (w *told) wants(fails, again int) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock() // what is written is written under it
	defer w.mu.Unlock()
	log := w.out.String()
	if f, a := strings.Count(log, "work fails"), strings.Count(log, "work works again"); f != fails || a != again {
		w.t.Errorf("%d begun and %d over, want %d and %d:\n%s", f, a, fails, again, log)
	}
}

// A trouble is told of when it begins, once for each kind, and when it is over
// for everybody.
func TestToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *told) {
		for range 3 {
			w.fails("a", backend.KindThrottled)
			w.fails("b", backend.KindThrottled)
		}
		w.wants(1, 0)
		w.Worked("c")
		w.Worked("a")
		time.Sleep(time.Hour)
		w.wants(1, 0)
		for range 3 {
			w.fails("b", backend.KindDenied)
			w.fails("b", backend.KindThrottled)
		}
		w.wants(2, 0)
		w.Worked("b")
		w.Worked("b")
		time.Sleep(calm)
		w.wants(2, 1)
		if log := w.out.String(); !strings.Contains(log, "failures=12 after=1h0m0s") ||
			!strings.Contains(log, `level=WARN msg="work fails, trying again" kind="access denied" of=b error="test: access denied"`) {
			t.Errorf("the log:\n%s", log)
		}
		w.fails("a", backend.KindDenied)
		w.wants(3, 1)
		w.Worked("a")
		time.Sleep(calm)
		w.wants(3, 2)
	})
}

// What works now and then is one trouble.
func TestFlappingIsOneTrouble(t *testing.T) {
	inBubble(t, func(t *testing.T, w *told) {
		for range 1000 {
			w.fails("a", backend.KindUnavailable)
			w.Worked("a")
			time.Sleep(calm - time.Second)
		}
		w.wants(1, 0)
		time.Sleep(time.Second)
		w.wants(1, 1)
	})
}

func TestStoppingIsNoTrouble(t *testing.T) {
	inBubble(t, func(t *testing.T, w *told) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		w.Failed(ctx, "a", errors.New("stopped"))
		w.wants(0, 0)
	})
}

// At the end what got through is told of, what fails still is not, and nothing
// comes after it.
func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, w *told) {
		other := w.Log.Work("another")
		other.Failed(t.Context(), "a", errors.New("boom"))
		w.fails("a", backend.KindUnavailable)
		w.Worked("a")
		w.Close()
		w.wants(1, 1)
		time.Sleep(2 * calm)
		w.Close()
		w.wants(1, 1)
		if strings.Contains(w.out.String(), "another works") {
			t.Errorf("the log:\n%s", &w.out)
		}
	})
}

// What failed in a life of a daemon that has ended is over when it does not fail in
// the next one.
func TestGiveUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *told) {
		w.fails("a", backend.KindUnavailable)
		w.GiveUp()
		w.wants(1, 0)
		w.Log.Work("work").Failed(t.Context(), "b", &backend.Error{Op: "test", Kind: backend.KindUnavailable})
		time.Sleep(2 * calm)
		w.wants(1, 0)
		w.GiveUp()
		time.Sleep(2 * calm)
		w.wants(1, 1)
	})
}

// Each caller has a pace of its own, and begins anew once it got through.
func TestPaceOfACaller(t *testing.T) {
	inBubble(t, func(t *testing.T, w *told) {
		fail := func(who string) (time.Duration, time.Duration) {
			return w.Failed(t.Context(), who, errors.New("boom"))
		}
		for range 10 {
			fail("a")
			time.Sleep(time.Second)
		}
		if pause, lasting := fail("a"); pause < 30*time.Second || lasting != 10*time.Second {
			t.Errorf("a pause of %v after %v", pause, lasting)
		}
		if pause, lasting := fail("b"); pause > time.Second || lasting != 0 {
			t.Errorf("a pause of %v after %v", pause, lasting)
		}
		w.Worked("a")
		if pause, lasting := fail("a"); pause > time.Second || lasting != 0 {
			t.Errorf("a pause of %v after %v", pause, lasting)
		}
	})
}

func TestLongErrorIsCut(t *testing.T) {
	t.Parallel()
	if s := Brief(errors.New(strings.Repeat("é", 400_000))); len(s) != maxBrief+len("…") {
		t.Errorf("%d bytes", len(s))
	}
}
