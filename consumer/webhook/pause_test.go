package webhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// After a 429 nobody sends until its time has come, whether it waited for a
// turn or came later. The longest pause that was asked for counts.
func TestQ14PauseHoldsEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logger := newLog()
		var mu sync.Mutex
		var at []time.Duration
		begin := time.Now()
		s := inMemory(t, Options{Concurrency: 2, Logger: logger}, served(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			at = append(at, time.Since(begin))
			n := len(at)
			mu.Unlock()
			time.Sleep(time.Duration(n) * time.Second)
			switch n {
			case 1:
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(http.StatusTooManyRequests)
			case 2:
				w.Header().Set("Retry-After", "10")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer s.Close()
		var calls sync.WaitGroup
		var done, retried atomic.Int64
		call := func() {
			switch err := handle(t.Context(), s, event); {
			case err == nil:
				done.Add(1)
			case strings.HasPrefix(asked(err), "to be retried in "):
				retried.Add(1)
			default:
				t.Error(err)
			}
		}
		for range 4 {
			calls.Go(call)
		}
		time.Sleep(30 * time.Second)
		if left := s.Stats().PauseLeft; left != 31*time.Second {
			t.Errorf("%v of the pause are left", left)
		}
		calls.Go(call)
		calls.Wait()
		if done.Load() != 3 || retried.Load() != 2 {
			t.Errorf("%d done, %d to be retried", done.Load(), retried.Load())
		}
		for i, d := range at {
			if i >= 2 && d < 61*time.Second {
				t.Errorf("request %d was sent after %v", i+1, d)
			}
		}
		if out := log.String(); strings.Count(out, "level=WARN") != 1 || !strings.Contains(out, "pause=1m0s") {
			t.Errorf("the log:\n%s", out)
		}
	})
}

// A drain that runs out of time finds nobody waiting.
func TestQ14PauseEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{Concurrency: 1}, served(answers(429, "Retry-After", "600")))
		defer s.Close()
		wants(t, s, handle(t.Context(), s, event), "to be retried in 10m0s", Throttled)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		begin := time.Now()
		var calls sync.WaitGroup
		for range 3 { // one waits for the pause, the others for their turn
			calls.Go(func() {
				err := handle(ctx, s, event)
				wants(t, s, err, "fails", Cancelled)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if time.Since(begin) != time.Second || len(s.gate.permits) != 0 || s.Stats().Requests != 1 {
			t.Errorf("after %v, %d permits held, %d requests", time.Since(begin), len(s.gate.permits), s.Stats().Requests)
		}
	})
}

func TestQ14ConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		s := inMemory(t, Options{Concurrency: 3}, served(func(http.ResponseWriter, *http.Request) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			now.Add(-1)
		}))
		defer s.Close()
		begin := time.Now()
		var calls sync.WaitGroup
		for range 9 {
			calls.Go(func() {
				if err := handle(t.Context(), s, event); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if most.Load() != 3 || time.Since(begin) != 3*time.Second {
			t.Errorf("%d at once, %v", most.Load(), time.Since(begin))
		}
	})
}
