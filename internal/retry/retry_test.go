package retry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func failure(kind backend.Kind) error { return &backend.Error{Op: "test", Kind: kind} }

func TestPause(t *testing.T) {
	t.Parallel()
	p := Policy{Min: time.Second, Max: time.Minute}
	for failures, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 7: time.Minute, math.MaxInt: time.Minute,
	} {
		for range 100 {
			if d := p.Pause(failures); d < want/2 || d > want {
				t.Fatalf("%v after %d failures, want %v to %v", d, failures, want/2, want)
			}
		}
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		awake := make(chan struct{})
		close(awake)
		stopped, stop := context.WithCancel(t.Context())
		stop()
		for range 100 { // whichever the select looks at first
			if err := Sleep(stopped, time.Hour, awake); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if err := Sleep(t.Context(), time.Hour, awake); err != nil || time.Since(begin) > 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := Sleep(t.Context(), time.Hour, nil); err != nil || time.Since(begin) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestDo has a call fail a number of times, each time with the same error.
func TestDo(t *testing.T) {
	t.Parallel()
	final := errors.New("final")
	for name, c := range map[string]struct {
		policy   Policy
		err      error
		fails    int // times, then it succeeds
		calls    int
		wants    error // nil: success
		longerBy time.Duration
	}{
		"succeeds at once":             {Policy{}, nil, 0, 1, nil, 0},
		"succeeds in the end":          {Policy{}, failure(backend.KindThrottled), 20, 21, nil, 0},
		"unknown errors are retried":   {Policy{}, errors.New("boom"), 3, 4, nil, 0},
		"gives up after its attempts":  {Policy{Attempts: 5}, failure(backend.KindThrottled), 9, 5, failure(backend.KindThrottled), 0},
		"a single attempt":             {Policy{Attempts: 1}, failure(backend.KindThrottled), 9, 1, failure(backend.KindThrottled), 0},
		"denied, without patience":     {Policy{}, failure(backend.KindDenied), 9, 1, failure(backend.KindDenied), 0},
		"denied, with patience enough": {Policy{Patience: time.Hour}, failure(backend.KindDenied), 9, 10, nil, 0},
		"denied for longer than that":  {Policy{Patience: time.Minute}, failure(backend.KindDenied), 99, -1, failure(backend.KindDenied), time.Minute},
		"denied, patience without end": {Policy{Patience: Forever}, failure(backend.KindDenied), 99, 100, nil, 0},
		"an answer is no failure":      {Policy{Final: func(err error) bool { return errors.Is(err, final) }}, final, 9, 1, final, 0},
		"an outage is noticed in a second": {
			Policy{MaxUnavailable: time.Second}, failure(backend.KindUnavailable), 60, 61, nil, 25 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.policy.Min, c.policy.Max = time.Second, 10*time.Second
				calls := 0
				begin := time.Now()
				err := c.policy.Do(t.Context(), func(context.Context) error {
					if calls++; calls <= c.fails {
						return c.err
					}
					return nil
				})
				switch {
				case c.wants == nil && err != nil,
					c.wants != nil && !errors.Is(err, c.err),
					c.calls >= 0 && calls != c.calls,
					time.Since(begin) < c.longerBy,
					c.policy.MaxUnavailable > 0 && time.Since(begin) > time.Duration(c.fails)*c.policy.MaxUnavailable:
					t.Errorf("%v after %d calls and %v", err, calls, time.Since(begin))
				}
			})
		})
	}
}

func TestDoStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		for _, when := range []time.Duration{0, time.Millisecond} { // in a call, in a pause
			ctx, cancel := context.WithCancelCause(t.Context())
			err := Policy{Min: time.Hour, Max: time.Hour}.Do(ctx, func(ctx context.Context) error {
				time.AfterFunc(when, func() { cancel(stopped) })
				if when == 0 {
					<-ctx.Done()
				}
				return errors.New("boom")
			})
			if !errors.Is(err, stopped) {
				t.Errorf("%v", err)
			}
		}
	})
}

// A call that exceeds its timeout is no call that somebody stopped: it is
// unavailable, and made again.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Min: 1, Max: 1, Timeout: time.Second, Attempts: 3, Final: func(err error) bool { return !backend.Retryable(err) }}
		begin := time.Now()
		err := p.Do(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return &backend.Error{Op: "test", Kind: backend.KindUnavailable, Err: ctx.Err()}
		})
		if !errors.Is(err, ErrNoAnswer) || backend.KindOf(err) != backend.KindUnavailable || time.Since(begin).Truncate(time.Second) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// A loop logs an incident's begin and end, and counts each caller's failures for
// themselves.
func TestLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := incident.NewLog(slog.New(slog.NewTextHandler(&out, nil)))
		l := Loop{Policy{Min: time.Second, Max: time.Minute, Patience: time.Hour}, log.Operation("work")}
		calls := 0
		err := l.Do(t.Context(), "a", func(context.Context) error {
			if calls++; calls < 8 {
				return failure(backend.KindThrottled)
			}
			return nil
		})
		if err != nil || calls != 8 {
			t.Errorf("%v after %d calls", err, calls)
		}
		if pause, giveUp := l.Failed(t.Context(), "b", failure(backend.KindDenied)); pause > time.Second || giveUp {
			t.Errorf("a pause of %v, giving up %t", pause, giveUp)
		}
		time.Sleep(time.Hour)
		if _, giveUp := l.Failed(t.Context(), "b", failure(backend.KindDenied)); !giveUp {
			t.Error("not given up after an hour")
		}
		l.Succeeded("b")
		log.Close()
		if s := out.String(); strings.Count(s, "work fails") != 2 || strings.Count(s, "work works again") != 1 {
			t.Errorf("the log:\n%s", s)
		}
	})
}
