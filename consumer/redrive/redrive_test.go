package redrive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
)

// onBoth runs a test in virtual time on a FIFO and on a standard queue.
func onBoth(t *testing.T, test func(*rig)) {
	for name, suffix := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(newRig(t, suffix)) })
		})
	}
}

func onFIFO(t *testing.T, test func(*rig)) {
	synctest.Test(t, func(t *testing.T) { test(newRig(t, ".fifo")) })
}

// numbers are bodies.
func numbers(prefix string, n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, fmt.Sprintf("%s%03d", prefix, i))
	}
	return bodies
}

func bodyHas(part string) func(backend.Delivery) bool {
	return func(d backend.Delivery) bool { return strings.Contains(d.Body, part) }
}

func TestQ16RedriveWithinFiveMinutes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		r.deadLetter("g", "a", "b")
		r.holds(r.below.queue)
		for range 3 { // and it dies again
			r.redrive(Options{}, Report{Moved: 2})
			if diff := cmp.Diff([]string{"a", "b"}, r.receive(r.below.queue)); diff != "" {
				r.t.Errorf("back in the queue (-want +got):\n%s", diff)
			}
			time.Sleep(time.Second)
			r.holds(r.below.queue)
		}
	})
}

func TestQ16Filter(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		r.send(r.below.dead, "g", "no1", "yes1", "no2", "yes2")
		r.send(r.below.dead, "h", "yes3", "no3")
		r.redrive(Options{Filter: bodyHas("yes")}, Report{Moved: 3, Left: 3})
		r.holds(r.below.queue, "yes1", "yes2", "yes3")
		r.holds(r.below.dead, "no1", "no2", "no3")
	})
}

// What stays hides at most nine letters behind it in a receive, and whole groups
// not at all.
func TestQ16FilterLooksBehindWhatStays(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		r.send(r.below.dead, "g", "no1")
		r.send(r.below.dead, "g", numbers("yes", 50)...)
		r.send(r.below.dead, "h", numbers("no", 50)...)
		r.send(r.below.dead, "i", "yes")
		r.redrive(Options{Filter: bodyHas("yes")}, Report{Moved: 51, Left: 11, Unseen: 40})
		got := r.drain(r.below.queue)
		if len(got) != 51 {
			r.t.Errorf("%d letters are back, want 51", len(got))
		}
		r.holds(r.below.dead, append([]string{"no1"}, numbers("no", 50)...)...)
	})
}

func TestQ16DryRunChangesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		r.send(r.below.dead, "g", "1", "2", "no", "3")
		r.send(r.below.dead, "h", "4")
		r.redrive(Options{DryRun: true, Filter: func(d backend.Delivery) bool { return d.Body != "no" }}, Report{Moved: 4, Left: 1})
		r.holds(r.below.queue)
		r.holds(r.below.dead, "1", "2", "no", "3", "4")
	})
}

func TestQ16DryRunTellsWhatItCannotSee(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		r.send(r.below.dead, "g", numbers("", 25)...)
		r.redrive(Options{DryRun: true}, Report{Moved: 10, Unseen: 15})
	})
}

func TestQ16Max(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		r.send(r.below.dead, "g", numbers("", 25)...)
		r.redrive(Options{Max: 12}, Report{Moved: 12, Unseen: 5})
		r.holds(r.below.queue, numbers("", 12)...)
		r.holds(r.below.dead, numbers("", 25)[12:]...)
	})
}

func TestQ16Rate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		for i := range 20 {
			r.send(r.below.dead, fmt.Sprint(i), numbers(fmt.Sprint(i, "."), 3)...)
		}
		begin := time.Now()
		r.redrive(Options{Rate: 2}, Report{Moved: 60})
		// 29.5 s of pauses, and a second until nothing more comes.
		if took := time.Since(begin); took < 29*time.Second || took > 32*time.Second {
			r.t.Errorf("60 letters at 2 a second took %v", took)
		}
	})
}

// A slow run is longer than what it has left is hidden.
func TestQ16LongRun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		for i := range 150 {
			r.send(r.below.dead, fmt.Sprint("no", i), fmt.Sprint("no", i))
			r.send(r.below.dead, fmt.Sprint("yes", i), fmt.Sprint("yes", i))
		}
		r.redrive(Options{Rate: 1, Filter: bodyHas("yes")}, Report{Moved: 150, Left: 150})
		if got := r.drain(r.below.dead); len(got) != 150 {
			r.t.Errorf("%d dead letters were released, want 150", len(got))
		}
	})
}

func TestQ16OrderWithinAGroup(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		for i := range 15 {
			for g := range 4 {
				r.send(r.below.dead, fmt.Sprint(g), fmt.Sprintf("%d/%02d", g, i))
			}
		}
		// Of every other batch all but the first entry fail.
		calls := 0
		r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
			if calls++; c.Op == "Send" && calls%2 == 0 {
				return backendtest.Fault{Leave: c.Entries - 1}
			}
			return backendtest.Fault{}
		}
		r.redrive(Options{}, Report{Moved: 60})
		next := map[string]int{}
		for _, body := range r.drain(r.below.queue) {
			group, number, _ := strings.Cut(body, "/")
			if number != fmt.Sprintf("%02d", next[group]) {
				r.t.Fatalf("%s comes as number %d of its group", body, next[group])
			}
			next[group]++
		}
	})
}

func TestQ16FailedLetterStopsItsGroupAlone(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		r.send(r.below.dead, "g", "1")
		r.send(r.below.dead, "h", "a")
		r.send(r.below.dead, "h", numbers("b", 12)...)
		r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
			if c.Op == "Send" && c.Entries > 1 || c.Op == "Send" && len(r.outcomes) == 0 {
				return backendtest.Fault{Leave: 1} // the last one of a batch: of h
			}
			return backendtest.Fault{}
		}
		report, err := r.run(r.t.Context(), Options{})
		// 1 and a; the rest of what came with them; nothing of h overtakes.
		if err != nil || report.Moved != 1 || report.Failed < 9 {
			r.t.Errorf("%+v, %v\n%q", report, err, r.outcomes)
		}
		r.fault = func(context.Context, backendtest.Call) backendtest.Fault { return backendtest.Fault{} }
		r.holds(r.below.queue, "1")
		r.redrive(Options{}, Report{Moved: 13})
		time.Sleep(time.Second)
		r.holds(r.below.queue, append([]string{"a"}, numbers("b", 12)...)...)
	})
}

// faultOnce has the first call of an operation go wrong.
func (r *rig) faultOnce(op string, fault backendtest.Fault) {
	r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
		if c.Op != op {
			return backendtest.Fault{}
		}
		op = ""
		return fault
	}
}

func TestQ16LostAnswers(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Send", "Delete", "ChangeVisibility"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			onFIFO(t, func(r *rig) {
				r.send(r.below.dead, "g", "no", "1", "2")
				r.send(r.below.dead, "h", "3")
				r.faultOnce(op, backendtest.Fault{LoseAnswer: true})
				r.redrive(Options{Filter: func(d backend.Delivery) bool { return d.Body != "no" }}, Report{Moved: 3, Left: 1})
				r.holds(r.below.queue, "1", "2", "3")
				r.holds(r.below.dead, "no")
			})
		})
	}
}

// A process that dies between sending and deleting looks to the queues like one
// whose deletes fail. On a FIFO queue the next run brings no second copy.
func TestQ16CrashBetweenSendAndDelete(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		r.send(r.below.dead, "g", "1", "2")
		r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
			if c.Op == "Delete" || c.Op == "ChangeVisibility" {
				return backendtest.Fault{Kind: backend.KindDenied}
			}
			return backendtest.Fault{}
		}
		if report, err := r.run(r.t.Context(), Options{}); backend.KindOf(err) != backend.KindDenied || report.Failed == 0 {
			r.t.Errorf("%+v, %v", report, err)
		}
		r.fault = func(context.Context, backendtest.Call) backendtest.Fault { return backendtest.Fault{} }
		time.Sleep(hidden)
		r.redrive(Options{}, Report{Moved: 2})
		want := []string{"1", "2"}
		if !r.fifo {
			want = []string{"1", "2", "1", "2"}
		}
		if diff := cmp.Diff(want, r.drain(r.below.queue)); diff != "" {
			r.t.Errorf("in the queue (-want +got):\n%s", diff)
		}
		r.holds(r.below.dead)
	})
}

func TestQ16RefusedEntriesAreOvertaken(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		r.send(r.below.dead, "g", "bad", "1")
		q := &refusing{Queue: r.queue}
		time.Sleep(time.Millisecond)
		begin := time.Now()
		report, err := Run(r.t.Context(), r.dead, q, Options{})
		if err != nil || report != (Report{Moved: 1, Refused: 1}) || time.Since(begin) > 3*time.Second {
			r.t.Errorf("%+v, %v after %v", report, err, time.Since(begin))
		}
		r.holds(r.below.queue, "1")
		r.holds(r.below.dead, "bad")
	})
}

// refusing is a queue that refuses what is bad.
type refusing struct{ backend.Queue }

func (q *refusing) Send(ctx context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	if entries[0].Body == "bad" {
		return []backend.EntryError{{Index: 0, Code: "InvalidMessageContents", SenderFault: true}}, nil
	}
	return q.Queue.Send(ctx, entries)
}

// A handler that has every message moved to the dead-letter queue at once.
func TestQ16NoLoopWithinARun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		r.send(r.below.dead, "g", numbers("", 40)...)
		moved := 0
		r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
			if c.Op == "Receive" {
				time.Sleep(time.Millisecond)
				for _, body := range r.drain(r.below.queue) {
					r.send(r.below.dead, "g", body+"'")
					moved++
				}
			}
			return backendtest.Fault{}
		}
		report, err := r.run(r.t.Context(), Options{})
		if err != nil || report.Moved != 40 || moved < 30 {
			r.t.Errorf("%+v, %v, %d came back\n%q", report, err, moved, r.outcomes)
		}
	})
}

func TestQ16StoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	onBoth(t, func(r *rig) {
		for _, group := range []string{"f", "g"} {
			r.send(r.below.dead, group, numbers(group, 20)...)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		defer cancel()
		sends := 0
		r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
			if c.Op == "Send" {
				if sends++; sends == 3 {
					cancel() // while it is on its way
				}
			}
			return backendtest.Fault{}
		}
		begin := time.Now()
		report, err := r.run(ctx, Options{Rate: 1})
		if !errors.Is(err, context.Canceled) || report.Moved != 3 || time.Since(begin) > 4*time.Second {
			r.t.Errorf("%+v, %v after %v", report, err, time.Since(begin))
		}
		back, there := r.drain(r.below.queue), r.drain(r.below.dead)
		if len(back) != 3 || len(there) != 37 {
			r.t.Errorf("%q are back, %q in sight", back, there)
		}
		for _, body := range back {
			for _, other := range there {
				if body == other {
					r.t.Errorf("%s is in both queues", body)
				}
			}
		}
	})
}

// A queue that hangs does not hold up the end for longer than the grace.
func TestQ16StoppedWhileTheQueueHangs(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		r.send(r.below.dead, "g", "1")
		ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Second)
		defer cancel()
		r.fault = func(ctx context.Context, c backendtest.Call) backendtest.Fault {
			if c.Op == "Send" {
				<-ctx.Done()
				return backendtest.Fault{Kind: backend.KindUnavailable}
			}
			return backendtest.Fault{}
		}
		begin := time.Now()
		_, err := r.run(ctx, Options{})
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 3*time.Second+2*time.Second {
			r.t.Errorf("%v after %v", err, took)
		}
	})
}

// What a slow queue has not taken in time is taken anew, with a receipt that
// counts.
func TestQ16SlowQueue(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		r.send(r.below.dead, "g", numbers("", 30)...)
		r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
			if c.Op == "Send" || c.Op == "Delete" {
				time.Sleep(policy.Timeout * 9 / 10)
			}
			return backendtest.Fault{}
		}
		r.redrive(Options{Max: 28}, Report{Moved: 28, Unseen: 0})
		r.holds(r.below.queue, numbers("", 28)...)
	})
}

// TestQ16QueueThatIsAway: a run gives up after six calls, and nothing is moved.
func TestQ16QueueThatIsAway(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Receive", "Send", "Delete"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			onFIFO(t, func(r *rig) {
				r.send(r.below.dead, "g", "1", "2")
				calls, begin := 0, time.Now()
				r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
					if c.Op == op {
						calls++
						return backendtest.Fault{Kind: backend.KindUnavailable}
					}
					return backendtest.Fault{}
				}
				report, err := r.run(r.t.Context(), Options{})
				if backend.KindOf(err) != backend.KindUnavailable || report.Moved > 0 {
					r.t.Errorf("%+v, %v", report, err)
				}
				if took := time.Since(begin); calls != 6 || took < 2500*time.Millisecond || took > 5*time.Second {
					r.t.Errorf("it gave up after %d calls in %v, want six in about four seconds", calls, took)
				}
				if op != "Delete" {
					r.holds(r.below.dead, "1", "2")
				}
			})
		})
	}
}

func TestQ16NotThere(t *testing.T) {
	t.Parallel()
	onFIFO(t, func(r *rig) {
		r.fault = func(_ context.Context, c backendtest.Call) backendtest.Fault {
			if c.Op == "Depth" && strings.HasPrefix(c.Name, "dead") {
				return backendtest.Fault{Kind: backend.KindNotFound}
			}
			return backendtest.Fault{}
		}
		if _, err := r.run(r.t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "the dead-letter queue cannot be used") {
			r.t.Error(err)
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Options{
		"option Max is -1":         {Max: -1},
		"option Max is 1073741825": {Max: 1<<30 + 1},
		"option Rate is -1":        {Rate: -1},
		"option Rate is 10001":     {Rate: 10_001},
	} {
		if _, err := Run(t.Context(), nil, nil, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	onFIFO(t, func(r *rig) {
		for _, o := range []Options{{Max: 1, Rate: 1}, {Max: 1 << 30, Rate: 10_000}} {
			if _, err := r.run(r.t.Context(), o); err != nil {
				r.t.Errorf("%+v: %v", o, err)
			}
		}
	})
}
