package quarantine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

var (
	errBroken = errors.New("broken")
	errOther  = errors.New("another")
)

// inWindow has a breaker count records: so many, quarantined or not.
func inWindow(t *testing.T, test func(t *testing.T, b *breaker, put func(n int) error)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, records := newBreaker(0.5), 0
		test(t, b, func(n int) error {
			for range n {
				records++
				if err := b.guard(record(records), errBroken, func() error { return nil }); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func record(n int) backend.Key { return backend.Key{PK: fmt.Sprint(n), SK: "MSG#"} }

// process notes so many records as processed that nothing else in a test has.
func process(b *breaker, n int) {
	for i := range n {
		b.processed(record(-1 - i))
	}
}

// TestS11BreakerLeast: fifty may be quarantined whatever their share is; the next
// one trips the breaker, once, and nothing is quarantined any more.
func TestS11BreakerLeast(t *testing.T) {
	inWindow(t, func(t *testing.T, b *breaker, put func(int) error) {
		trips := 0
		b.tripped = func(*BreakerError) { trips++ }
		if err := put(50); err != nil {
			t.Fatal(err)
		}
		var tripped *BreakerError
		if err := put(1); !errors.As(err, &tripped) || !errors.Is(err, errBroken) || tripped.Quarantined != 50 || tripped.Handled != 50 {
			t.Fatalf("%v, want the breaker to trip", err)
		}
		process(b, 10_000)
		if err := put(1); !errors.As(err, &tripped) || trips != 1 {
			t.Errorf("%v, tripped %d times", err, trips)
		}
	})
}

// TestS11BreakerShare: half of the last thousand may be quarantined, no more.
func TestS11BreakerShare(t *testing.T) {
	inWindow(t, func(t *testing.T, b *breaker, put func(int) error) {
		process(b, 5000) // of which the window holds a thousand
		if err := put(500); err != nil {
			t.Fatal(err)
		}
		if share, _ := b.state(); share != 0.5 {
			t.Errorf("a share of %v, want a half", share)
		}
		if err := put(1); err == nil {
			t.Error("the breaker does not trip above a half")
		}
	})
}

// TestS11BreakerPeriod: what is older than ten minutes does not count.
func TestS11BreakerPeriod(t *testing.T) {
	inWindow(t, func(t *testing.T, b *breaker, put func(int) error) {
		for range 10 {
			if err := put(50); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			if share, _ := b.state(); share == 0 {
				t.Error("nothing counts after ten minutes")
			}
			time.Sleep(time.Nanosecond)
			if share, _ := b.state(); share != 0 {
				t.Errorf("a share of %v after more than ten minutes, want none", share)
			}
		}
	})
}

// TestS11BreakerAttempts: an attempt to quarantine that fails is no record that
// was, and several at once do not slip through together.
func TestS11BreakerAttempts(t *testing.T) {
	inWindow(t, func(t *testing.T, b *breaker, put func(int) error) {
		for range 100 {
			if err := b.guard(record(0), errBroken, func() error { return errOther }); err != errOther { //nolint:errorlint // the very same
				t.Fatal(err)
			}
		}
		var through atomic.Int32
		var all sync.WaitGroup
		for n := range 100 {
			all.Go(func() {
				_ = b.guard(record(n), errBroken, func() error { time.Sleep(time.Second); through.Add(1); return nil })
			})
		}
		all.Wait()
		if n := through.Load(); n != breakerLeast {
			t.Errorf("%d were quarantined, want %d", n, breakerLeast)
		}
	})
}

// TestS11BreakerSameRecord: a message that is quarantined again, as the log's and as
// the stream's, is one.
func TestS11BreakerSameRecord(t *testing.T) {
	inWindow(t, func(t *testing.T, b *breaker, put func(int) error) {
		for range 10 * breakerLeast {
			if err := b.guard(record(0), errBroken, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := put(breakerLeast - 1); err != nil {
			t.Error(err)
		}
		if err := b.guard(record(0), errBroken, func() error { return nil }); err != nil {
			t.Errorf("what is quarantined already trips the breaker: %v", err)
		}
	})
}

// TestS11BreakerCountsOnce: a message that is projected, and whose notification the
// queue refuses, is one record, and that is quarantined, whatever comes first.
func TestS11BreakerCountsOnce(t *testing.T) {
	for name, projectedFirst := range map[string]bool{"projected first": true, "refused first": false} {
		t.Run(name, func(t *testing.T) {
			inWindow(t, func(t *testing.T, b *breaker, _ func(int) error) {
				quarantined := func(n int) error {
					return b.guard(record(n), errBroken, func() error { return nil })
				}
				for n := range breakerLeast {
					if projectedFirst {
						b.processed(record(n))
					}
					if err := quarantined(n); err != nil {
						t.Fatal(err)
					}
					b.processed(record(n))
				}
				if share, _ := b.state(); share != 1 {
					t.Errorf("a share of %v, want all", share)
				}
				b.processed(record(breakerLeast))
				var tripped *BreakerError
				if err := quarantined(breakerLeast); !errors.As(err, &tripped) || tripped.Quarantined != breakerLeast {
					t.Errorf("%v, want the breaker to trip at record %d", err, breakerLeast+1)
				}
				time.Sleep(breakerPeriod + 1)
				if share, _ := b.state(); share != 0 || b.quarantined != 0 || len(b.byKey) != 0 {
					t.Errorf("%d of %d records are left after ten minutes", b.quarantined, len(b.byKey))
				}
			})
		})
	}
}
