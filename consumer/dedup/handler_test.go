package dedup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

var errBoom = errors.New("boom")

func fails(context.Context) error { return errBoom }

func TestQ12RepeatedHoursLaterIsDropped(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		next := &sink{}
		h := newHandler(t, next, s, Options{})
		handle := func(wantCalls int) {
			t.Helper()
			must(t, h.Handle(t.Context(), message("a")))
			next.wants(t, wantCalls)
		}
		handle(1)
		handle(1)
		time.Sleep(24*time.Hour - time.Second)
		handle(1)
		must(t, h.Handle(t.Context(), message("b")))
		time.Sleep(time.Second)
		handle(3)
		handle(3)
		wantStats(t, h, Stats{Claimed: 3, Dropped: 3})
	})
}

// A worker died while it handled an id: another waits for its lease, and no longer.
func TestQ13CrashWhileHandling(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		wantClaim(t, s, "dead", Claim{Claimed, lease})
		next := &sink{}
		h := newHandler(t, next, s, Options{})
		time.Sleep(25 * time.Second)
		wantRetry(t, h.Handle(t.Context(), message("a")), 35*time.Second)
		next.wants(t, 0)
		time.Sleep(35 * time.Second)
		must(t, h.Handle(t.Context(), message("a")))
		next.wants(t, 1)
		wantStats(t, h, Stats{Claimed: 1, Busy: 1})
	})
}

func TestQ13CrashBetweenHandlingAndRecording(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		dying := &flaky{Store: s}
		next := &sink{do: func(context.Context) error { dying.fail(errAway); return nil }}
		var log journal
		h := newHandler(t, next, dying, Options{Logger: log.logger()})
		must(t, h.Handle(t.Context(), message("a")))
		next.wants(t, 1)
		wantStats(t, h, Stats{Claimed: 1, RecordFailed: 1})
		log.wants(t, "could not be recorded", 1)
		log.wants(t, "recording handled ids fails", 1)

		again := newHandler(t, &sink{}, s, Options{})
		for again.Handle(t.Context(), message("a")) != nil {
			time.Sleep(time.Second)
		}
		must(t, again.Handle(t.Context(), message("a")))
		wantStats(t, again, Stats{Claimed: 1, Dropped: 1, Busy: again.Stats().Busy})
		if n := again.Stats().Busy; n > 30 {
			t.Errorf("stuck for %d s after half a lease", n)
		}
	})
}

// Several workers get the same id again and again: no two handle it at once, and
// once it is handled nobody does again.
func TestQ13NeverTwoHandlersOfOneID(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		tries := 0
		next := &sink{do: func(context.Context) error {
			time.Sleep(5 * time.Minute)
			if tries++; tries < 3 {
				return errBoom
			}
			return nil
		}}
		var workers sync.WaitGroup
		for range 5 {
			h := newHandler(t, next, s, Options{})
			workers.Go(func() {
				for h.Handle(t.Context(), message("a")) != nil {
					time.Sleep(7 * time.Second)
				}
			})
		}
		workers.Wait()
		next.wants(t, 3)
		if next.worst != 1 {
			t.Errorf("%d handlers at once", next.worst)
		}
	})
}

// Only handlers slower than a third of the lease renew, and well before its end.
func TestRenewals(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		for after, want := range map[time.Duration]string{
			0:                           "claim record",
			19 * time.Second:            "claim record",
			21 * time.Second:            "claim claim record",
			2*time.Minute + time.Second: "claim" + strings.Repeat(" claim", 6) + " record",
		} {
			calls := &flaky{Store: s}
			must(t, newHandler(t, &sink{do: takes(after)}, calls, Options{}).Handle(t.Context(), message(after.String())))
			if got := calls.log(); got != want {
				t.Errorf("%v: calls %s, want %s", after, got, want)
			}
		}
	})
}

func TestFailureFreesTheID(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		for name, err := range map[string]error{
			"error": errBoom, "retry": consumer.RetryAfter(time.Hour, errBoom), "dead": consumer.DeadLetter(errBoom),
		} {
			next := &sink{do: func(context.Context) error { return err }}
			h := newHandler(t, next, s, Options{})
			for range 3 {
				if got := h.Handle(t.Context(), message(name)); got != err { //nolint:errorlint // it is to be the same
					t.Errorf("%s: error %v", name, got)
				}
			}
			next.wants(t, 3)
		}
	})
}

func TestDropIsDone(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		drop := fmt.Errorf("as said: %w", consumer.Drop(errBoom))
		next := &sink{do: func(context.Context) error { return drop }}
		h := newHandler(t, next, s, Options{})
		if err := h.Handle(t.Context(), message("a")); err != drop { //nolint:errorlint // it is to be the same
			t.Errorf("error %v", err)
		}
		must(t, h.Handle(t.Context(), message("a")))
		next.wants(t, 1)
	})
}

func TestPanicFreesTheID(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		next := &sink{do: func(context.Context) error { panic("boom") }}
		h := newHandler(t, next, s, Options{})
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("panic %v", v)
				}
			}()
			_ = h.Handle(t.Context(), message("a"))
		}()
		next.do = nil
		must(t, h.Handle(t.Context(), message("a")))
		next.wants(t, 2)
	})
}

func TestIDs(t *testing.T) {
	t.Parallel()
	calls := &flaky{Store: newMemory(t, MemoryOptions{})}
	for id, want := range map[string]string{
		"":                           "dedup: the message's id has 0 bytes, must have 1 to 1024",
		strings.Repeat("a", MaxID+1): "dedup: the message's id has 1025 bytes, must have 1 to 1024",
	} {
		if err := newHandler(t, &sink{}, calls, Options{}).Handle(t.Context(), message(id)); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	h, err := New(&sink{}, calls, func(backend.Delivery) (string, error) { return "", errBoom }, Options{})
	must(t, err)
	if err := h.Handle(t.Context(), message("a")); !errors.Is(err, errBoom) {
		t.Errorf("error %v", err)
	}
	if log := calls.log(); log != "" {
		t.Errorf("calls of the store: %s", log)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	const longest = 366 * 24 * time.Hour
	for ttl, want := range map[time.Duration]string{
		-1:              "dedup: option TTL is -1ns, must be 1s to 8784h0m0s",
		time.Second - 1: "dedup: option TTL is 999.999999ms, must be 1s to 8784h0m0s",
		longest + 1:     "dedup: option TTL is 8784h0m0.000000001s, must be 1s to 8784h0m0s",
		time.Second:     "",
		longest:         "",
	} {
		_, err := New(&sink{}, newMemory(t, MemoryOptions{}), body, Options{TTL: ttl})
		if (want == "") != (err == nil) || err != nil && err.Error() != want {
			t.Errorf("%v: error %v, want %q", ttl, err, want)
		}
	}
	if o := newHandler(t, &sink{}, newMemory(t, MemoryOptions{}), Options{}).opts; o.TTL != 24*time.Hour {
		t.Errorf("by default an id is remembered for %v, want 24h", o.TTL)
	}
}

// What was handled is recorded also when the time of a drain is up.
func TestQ13DrainEndsWhileHandling(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx, stop := context.WithCancel(t.Context())
		next := &sink{do: func(context.Context) error { stop(); synctest.Wait(); return nil }}
		h := newHandler(t, next, s, Options{})
		must(t, h.Handle(ctx, message("a")))
		must(t, h.Handle(t.Context(), message("a")))
		wantStats(t, h, Stats{Claimed: 1, Dropped: 1})
	})
}

func TestDrainDoesNotWaitForTheStore(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		dying := &flaky{Store: s}
		for id, result := range map[string]error{"a": nil, "b": errBoom} {
			dying.fail(nil)
			ctx, stop := context.WithCancel(t.Context())
			h := newHandler(t, &sink{do: func(context.Context) error { dying.hang(); stop(); return result }}, dying, Options{})
			begin := time.Now()
			if err := h.Handle(ctx, message(id)); !errors.Is(err, result) || time.Since(begin) > grace {
				t.Errorf("%s: error %v after %v", id, err, time.Since(begin))
			}
		}
	})
}
