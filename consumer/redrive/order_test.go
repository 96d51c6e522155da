package redrive

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
)

// letters have the lanes that are given, and numbers in that order.
func letters(lanes string) (all []*deadLetter) {
	for i, lane := range strings.Split(lanes, "") {
		all = append(all, &deadLetter{number: i, inFlight: true, Delivery: backend.Delivery{
			MessageID: fmt.Sprint(i), GroupID: lane, DeduplicationID: fmt.Sprint(i),
		}})
	}
	return all
}

func order(letters []*deadLetter) (s string) {
	for _, l := range letters {
		s += fmt.Sprint(l.number)
	}
	return s
}

// TestQ16NextBatch: what waits keeps its order, also where the rate lets fewer go than
// a batch takes.
func TestQ16NextBatch(t *testing.T) {
	t.Parallel()
	for burst, want := range map[int]string{1: "0 1234567", 2: "01 234567", 10: "0126 3457"} {
		r := &run{limiter: rate.NewLimiter(1, burst)}
		now, later := r.nextBatch(letters("abcabbdc"))
		if got := order(now) + " " + order(later); got != want {
			t.Errorf("%d at once: %s, want %s", burst, got, want)
		}
	}
}

// TestQ16ReleasedInOrder in which they came first.
func TestQ16ReleasedInOrder(t *testing.T) {
	t.Parallel()
	r := &run{known: map[string]*deadLetter{}}
	for _, l := range letters("abcdefghi") {
		r.known[l.MessageID] = l
	}
	r.known["3"].inFlight = false
	for range 20 { // a map may give them in any order, also in this one
		if got := order(r.inFlightWhere(func(l *deadLetter) bool { return l.number != 5 })); got != "0124678" {
			t.Errorf("order %s", got)
		}
	}
}

// TestQ16MaxCountsWhatIsMoved, not what is left on the way.
func TestQ16MaxCountsWhatIsMoved(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		r.send(r.below.dead, "g", "no1", "yes1", "no2", "yes2", "yes3")
		r.redrive(Options{Filter: bodyHas("yes"), Max: 2}, Report{Moved: 2, Left: 2})
		r.holds(r.below.queue, "yes1", "yes2")
		r.holds(r.below.dead, "no1", "no2", "yes3")
	})
}

// TestQ16NotReleased: what stays hidden is counted, and the queue is not asked for every
// batch once it does not answer.
func TestQ16NotReleased(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		for i := range 23 {
			r.send(r.below.dead, fmt.Sprint(i), fmt.Sprint("no", i))
		}
		calls := 0
		r.fault = func(_ context.Context, c backendtest.Call) (f backendtest.Fault) {
			if c.Op == "ChangeVisibility" {
				calls++
				f.Kind = backend.KindDenied
			}
			return f
		}
		report, err := r.run(r.t.Context(), Options{Filter: bodyHas("yes")})
		const want = "redrive: 23 dead letters could not be released; they can be received again in 2m0s: "
		if err == nil || !strings.Contains(err.Error(), want) || backend.KindOf(err) != backend.KindDenied || report.Left != 23 {
			r.t.Errorf("%+v, error %v, want %q", report, err, want)
		}
		if calls > 6 { // those of one batch
			r.t.Errorf("%d calls", calls)
		}
	})
}
