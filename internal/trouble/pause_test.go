package trouble

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestPause(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 7: time.Minute, math.MaxInt: time.Minute,
	} {
		for range 100 {
			if d := Pause(time.Second, time.Minute, failures); d < want/2 || d > want {
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
