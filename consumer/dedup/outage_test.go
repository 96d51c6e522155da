package dedup

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

// While the store is away messages are kept, and handled when it is back.
func TestStoreOutage(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		store := &flaky{Store: s, err: errAway}
		next := &sink{}
		var log journal
		h := newHandler(t, next, store, Options{Logger: log.logger()})
		handled := make(chan error, 3)
		for _, id := range []string{"a", "b", "c"} {
			go func() { handled <- h.Handle(t.Context(), message(id)) }()
		}
		time.Sleep(time.Hour)
		store.hang()
		time.Sleep(time.Hour)
		next.wants(t, 0)
		if n := strings.Count(store.log(), "claim"); n < 3*3600/5 || n > 2*3*3600/5+3*3600/20+50 {
			t.Errorf("%d attempts", n)
		}
		store.fail(nil)
		begin := time.Now()
		for range 3 {
			must(t, <-handled)
		}
		if took := time.Since(begin); took > lease/3+maxPause {
			t.Errorf("noticed after %v", took)
		}
		next.wants(t, 3)
		time.Sleep(time.Minute)
		log.wants(t, "claiming ids fails", 2) // of two kinds
		log.wants(t, "claiming ids works again", 1)
	})
}

// A claim that fails once is made again after 50 to 100 ms.
func TestClaimThatFailsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &flaky{Store: newMemory(t, MemoryOptions{})}
		h := newHandler(t, &sink{}, store, Options{})
		for n := range 1000 {
			store.fail(errAway)
			time.AfterFunc(time.Millisecond, func() { store.fail(nil) })
			begin := time.Now()
			must(t, h.Handle(t.Context(), message(strconv.Itoa(n))))
			if took := time.Since(begin); took < 50*time.Millisecond || took > 100*time.Millisecond {
				t.Fatalf("after %v", took)
			}
		}
	})
}

func TestStoppedDuringAnOutage(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		h := newHandler(t, &sink{}, &flaky{Store: s, err: errAway}, Options{})
		begin := time.Now()
		err := h.Handle(ctx, message("a"))
		if took := time.Since(begin); took != time.Hour || !errors.Is(err, errAway) {
			t.Errorf("error %v after %v", err, took)
		}
	})
}

// TestF16FailureOfTheStoreFailsNoMessage: where access to the store is denied, or its
// table is gone, messages wait until somebody fixes that. An attempt that failed would
// count as poison, and good messages would end as dead letters.
func TestF16FailureOfTheStoreFailsNoMessage(t *testing.T) {
	for _, kind := range []backend.Kind{backend.KindDenied, backend.KindNotFound, backend.KindUnknown, backend.KindThrottled} {
		t.Run(kind.String(), func(t *testing.T) {
			eachStore(t, func(t *testing.T, s Store) {
				store := &flaky{Store: s, err: &backend.Error{Op: "test", Kind: kind}}
				next := &sink{}
				h := newHandler(t, next, store, Options{})
				begin := time.Now()
				go func() { time.Sleep(time.Hour); store.fail(nil) }() // somebody fixes it
				must(t, h.Handle(t.Context(), message("a")))
				next.wants(t, 1)
				if took := time.Since(begin); took < time.Hour || took > time.Hour+maxPause {
					t.Errorf("after %v", took)
				}
			})
		})
	}
}

// TestQ15InvalidClaimFailsTheMessage at once.
func TestQ15InvalidClaimFailsTheMessage(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		store := &flaky{Store: s, err: &backend.Error{Op: "test", Kind: backend.KindInvalid}}
		next := &sink{}
		h := newHandler(t, next, store, Options{})
		begin := time.Now()
		err := h.Handle(t.Context(), message("a"))
		if took := time.Since(begin); backend.KindOf(err) != backend.KindInvalid || took > time.Second {
			t.Errorf("error %v after %v", err, took)
		}
		next.wants(t, 0)
	})
}

// A store that is away for less than two thirds of a lease takes no claim away.
func TestQ13OutageWhileHandling(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		store := &flaky{Store: s}
		h := newHandler(t, &sink{do: takes(5 * time.Minute)}, store, Options{})
		handled := make(chan error)
		go func() { handled <- h.Handle(t.Context(), message("a")) }()
		time.Sleep(61 * time.Second)
		store.fail(errAway)
		time.Sleep(50 * time.Second)
		store.fail(nil)
		other := newHandler(t, &sink{}, s, Options{})
		for range 3*60 + 8 {
			if other.Handle(t.Context(), message("a")) == nil {
				t.Fatal("an id was claimed while its claim was being renewed")
			}
			time.Sleep(time.Second)
		}
		must(t, <-handled)
		must(t, other.Handle(t.Context(), message("a")))
		wantStats(t, h, Stats{Claimed: 1})
	})
}

// losing is a handler whose store is away for so long that another takes the id.
func losing(t *testing.T, s Store, do func(context.Context, *flaky) error) (h *Handler, handled chan error) {
	t.Helper()
	store := &flaky{Store: s}
	h = newHandler(t, &sink{do: func(ctx context.Context) error { return do(ctx, store) }}, store, Options{})
	handled = make(chan error)
	go func() { handled <- h.Handle(t.Context(), message("a")) }()
	synctest.Wait()
	store.fail(errAway)
	time.Sleep(lease)
	wantClaim(t, s, "other", Claim{Claimed, lease})
	return h, handled
}

// The handler is stopped when its claim turns out to be lost.
func TestQ13TakenWhileHandling(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		h, handled := losing(t, s, func(ctx context.Context, store *flaky) error {
			time.Sleep(lease + 10*time.Second)
			store.fail(nil)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if err := <-handled; !errors.Is(err, ErrLost) {
			t.Errorf("error %v", err)
		}
		wantStats(t, h, Stats{Claimed: 1, Lost: 1})
		must(t, s.Record(t.Context(), "a", "other", ttl))
	})
}

// A handler that finishes before its claim turns out to be lost has succeeded, and its
// record is refused.
func TestQ13TakenBeforeRecording(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		h, handled := losing(t, s, func(_ context.Context, store *flaky) error {
			time.Sleep(lease + time.Second)
			store.fail(nil)
			return nil
		})
		must(t, <-handled)
		wantStats(t, h, Stats{Claimed: 1, Lost: 1})
		wantClaim(t, s, "third", Claim{Busy, lease - time.Second})
	})
}
