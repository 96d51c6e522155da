package consumer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

// recorder is a handler that keeps what it was given, in order.
type recorder struct {
	mu      sync.Mutex
	handled []string
	do      func(ctx context.Context, d backend.Delivery) error
}

func (r *recorder) Handle(ctx context.Context, d backend.Delivery) error {
	r.mu.Lock()
	r.handled = append(r.handled, d.MessageID)
	r.mu.Unlock()
	if r.do == nil {
		return nil
	}
	return r.do(ctx, d)
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.handled)
}

// run starts a worker; stop ends it and waits.
func run(t *testing.T, q backend.Queue, h Handler, o Options, prepare ...func(*Worker)) (w *Worker, stop func()) {
	t.Helper()
	w, err := New(q, h, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return w, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func wait(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func TestHandlesAndDeletes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h := newFakeQueue(), &recorder{}
		for i := range 95 {
			q.add(fmt.Sprintf("m%02d", i), fmt.Sprintf("g%d", i%7))
		}
		w, stop := run(t, q, h, Options{})
		wait(time.Second)
		if depth, _ := q.Depth(t.Context()); !depth.Empty() {
			t.Errorf("queue holds %+v", depth)
		}
		stop()
		want := Stats{Received: 95, Delivered: 95, Deleted: 95}
		if diff := cmp.Diff(want, w.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

func TestGroupsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		running := map[string]bool{}
		var mu sync.Mutex
		h := &recorder{do: func(_ context.Context, d backend.Delivery) error {
			mu.Lock()
			if running[d.GroupID] {
				t.Errorf("two messages of %s at once", d.GroupID)
			}
			running[d.GroupID] = true
			mu.Unlock()
			time.Sleep(time.Duration(len(d.MessageID)) * time.Millisecond)
			mu.Lock()
			running[d.GroupID] = false
			mu.Unlock()
			return nil
		}}
		for i := range 60 {
			q.add(fmt.Sprintf("g%d-%02d", i%3, i), fmt.Sprintf("g%d", i%3))
		}
		_, stop := run(t, q, h, Options{})
		wait(10 * time.Second)
		stop()
		for g := range 3 {
			var of []string
			for _, id := range h.got() {
				if strings.HasPrefix(id, fmt.Sprintf("g%d-", g)) {
					of = append(of, id)
				}
			}
			if len(of) != 20 || !slices.IsSorted(of) {
				t.Errorf("group %d was handled as %v", g, of)
			}
		}
	})
}

func TestQ3ExtendedFromReceiptOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		h := &recorder{do: func(context.Context, backend.Delivery) error {
			time.Sleep(25 * time.Second)
			return nil
		}}
		for i := range 20 {
			q.add(fmt.Sprintf("m%02d", i), "")
		}
		// Two at a time: the last waits for nine times as long as it is visible.
		w, stop := run(t, q, h, Options{Concurrency: 2, Visibility: 10 * time.Second})
		wait(5 * time.Minute)
		stop()
		extended := int64(0)
		for _, call := range q.log() {
			if strings.HasPrefix(call, "hide ") && strings.HasSuffix(call, " 10s") {
				extended++
			}
		}
		want := Stats{Received: 20, Delivered: 20, Deleted: 20, Extended: extended}
		if diff := cmp.Diff(want, w.Stats()); diff != "" || extended == 0 {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

func TestQ3CappedAtTwelveHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		h := &recorder{do: func(context.Context, backend.Delivery) error {
			time.Sleep(13 * time.Hour)
			return nil
		}}
		q.add("m", "")
		start := time.Now()
		_, stop := run(t, q, h, Options{Concurrency: 1, Visibility: time.Hour})
		wait(12*time.Hour - time.Second)
		q.mu.Lock()
		if end := q.messages[0].visibleAt.Sub(start); end > backend.MaxVisibility || end < 11*time.Hour {
			t.Errorf("hidden until %v after its receipt", end)
		}
		q.mu.Unlock()
		wait(2 * time.Hour)
		stop()
	})
}

func TestQ4NoExtensionAfterSettling(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.slow = 2 * time.Second
			// The handler ends while the first extension is on its way.
			h := &recorder{do: func(context.Context, backend.Delivery) error {
				time.Sleep(4 * time.Second)
				if fails {
					return errors.New("no")
				}
				return nil
			}}
			q.add("m", "g")
			_, stop := run(t, q, h, Options{
				Visibility: 8 * time.Second, BackoffMin: 40 * time.Second, BackoffMax: 40 * time.Second,
			})
			wait(15 * time.Second)
			calls := q.log()
			stop()
			want := []string{"hide m 8s", "delete m"}
			if fails {
				if len(calls) != 2 || calls[0] != want[0] || calls[1] < "hide m 20s" || calls[1] > "hide m 40s" {
					t.Errorf("calls %v, want an extension and then the backoff", calls)
				}
				return
			}
			if diff := cmp.Diff(want, calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestQ5NewerReceiptWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.hiddenFor = time.Second // as if it had been frozen between receipt and extension
		h := &recorder{do: func(context.Context, backend.Delivery) error {
			time.Sleep(2500 * time.Millisecond)
			return nil
		}}
		q.add("m", "g")
		w, stop := run(t, q, h, Options{Visibility: 30 * time.Second})
		wait(10 * time.Second)
		stop()
		if diff := cmp.Diff([]string{"m"}, h.got()); diff != "" {
			t.Errorf("handled (-want +got):\n%s", diff)
		}
		want := Stats{Received: 3, Delivered: 1, Duplicates: 2, Deleted: 1}
		if diff := cmp.Diff(want, w.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"delete m"}, q.log()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestQ6SlowHandlerBlocksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		h := &recorder{do: func(ctx context.Context, d backend.Delivery) error {
			if d.MessageID == "slow" {
				<-ctx.Done()
			}
			return nil
		}}
		q.add("slow", "g0")
		for i := range 200 {
			q.add(fmt.Sprintf("m%03d", i), fmt.Sprintf("g%d", 1+i%50))
		}
		w, stop := run(t, q, h, Options{Concurrency: 4})
		wait(time.Second)
		if s := w.Stats(); s.Delivered != 200 || s.InFlight != 1 {
			t.Errorf("stats %+v", s)
		}
		stop()
	})
}

func TestQ7Q8FailureStopsItsLaneOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var failures []time.Time
		h := &recorder{do: func(_ context.Context, d backend.Delivery) error {
			if d.MessageID == "a1" && d.ReceiveCount <= 4 {
				failures = append(failures, time.Now())
				return errors.New("not yet")
			}
			return nil
		}}
		for _, id := range []string{"a1", "a2", "a3", "b1", "b2", "b3"} {
			q.add(id, id[:1])
		}
		w, stop := run(t, q, h, Options{BackoffMin: 4 * time.Second})
		wait(time.Second)
		got := h.got()
		slices.Sort(got)
		if diff := cmp.Diff([]string{"a1", "b1", "b2", "b3"}, got); diff != "" {
			t.Errorf("handled at first (-want +got):\n%s", diff)
		}
		wait(5 * time.Minute)
		stop()
		var a []string
		for _, id := range h.got() {
			if id[0] == 'a' {
				a = append(a, id)
			}
		}
		if diff := cmp.Diff([]string{"a1", "a1", "a1", "a1", "a1", "a2", "a3"}, a); diff != "" {
			t.Errorf("group a (-want +got):\n%s", diff)
		}
		for i := 1; i < len(failures); i++ {
			full := 4 * time.Second << (i - 1)
			if gap := failures[i].Sub(failures[i-1]); gap < full/2 || gap > full+2*time.Second {
				t.Errorf("pause %d is %v, want %v to %v", i, gap, full/2, full)
			}
		}
		if s := w.Stats(); s.Failed != 4 || s.Delivered != 6 || s.Deleted != 6 {
			t.Errorf("stats %+v", s)
		}
		var back []string
		for _, c := range q.log() {
			if strings.HasSuffix(c, " 0s") && len(back) < 2 {
				back = append(back, c)
			}
		}
		if diff := cmp.Diff([]string{"hide a2 0s", "hide a3 0s"}, back); diff != "" {
			t.Errorf("released (-want +got):\n%s", diff)
		}
	})
}

// While a failed message is being hidden its visibility ends, and it comes again
// together with its successor: that is not handled before it.
func TestQ5Q7ReceivedAgainWhileItIsBeingHidden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.slow = 7 * time.Second // longer than the message stays hidden
		h := &recorder{do: func(_ context.Context, d backend.Delivery) error {
			if d.MessageID == "a1" && d.ReceiveCount == 1 {
				return errors.New("not yet")
			}
			return nil
		}}
		q.add("a1", "a")
		w, stop := run(t, q, h, Options{Visibility: 5 * time.Second, Wait: time.Second, DrainTimeout: time.Minute})
		wait(time.Second)
		q.add("a2", "a")
		wait(20 * time.Second)
		q.mu.Lock()
		q.slow = 0
		q.mu.Unlock()
		wait(2 * time.Minute)
		stop()
		if diff := cmp.Diff([]string{"a1", "a1", "a2"}, h.got()); diff != "" {
			t.Errorf("handled (-want +got):\n%s", diff)
		}
		if s := w.Stats(); s.Duplicates == 0 || s.Released == 0 || s.Deleted != 2 {
			t.Errorf("stats %+v: the case did not come up", s)
		}
	})
}

func TestQ9BadBodiesAndPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var out, logged bytes.Buffer
		sink := LogSink(&out)
		h := HandlerFunc(func(ctx context.Context, d backend.Delivery) error {
			if d.MessageID == "panics" {
				panic("at the disco")
			}
			return sink.Handle(ctx, d)
		})
		for i := range 30 { // more than there are permits to leak
			q.add(fmt.Sprintf("bad%d", i), "")
			q.messages[i].Body = "{"
		}
		q.add("panics", "")
		q.add("good", "")
		w, stop := run(t, q, h, Options{
			Concurrency: 2, BackoffMin: time.Hour, BackoffMax: time.Hour,
			Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		wait(time.Second)
		stop()
		if s := w.Stats(); s.Failed != 31 || s.Delivered != 1 || s.InFlight != 0 {
			t.Errorf("stats %+v", s)
		}
		if got := out.String(); got != "{\"id\":\"good\"}\n" {
			t.Errorf("sink has %q", got)
		}
		for _, want := range []string{"at the disco", "stack=", "TestQ9", "body: unexpected EOF"} {
			if !strings.Contains(logged.String(), want) {
				t.Errorf("log lacks %q", want)
			}
		}
	})
}

func TestQ10Drain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		h := &recorder{do: func(context.Context, backend.Delivery) error {
			time.Sleep(12 * time.Second)
			return nil
		}}
		for i := range 8 {
			q.add(fmt.Sprintf("m%d", i), "g")
		}
		var logged bytes.Buffer
		w, stop := run(t, q, h, Options{
			Visibility: 5 * time.Second, DrainTimeout: time.Minute, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		wait(time.Second)
		start := time.Now()
		stop()
		if took := time.Since(start); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("drain took %v, the handler had 11 s to go", took)
		}
		if line := logged.String(); !strings.Contains(line, `level=INFO msg="consumer stopped" received=8 delivered=1`) {
			t.Errorf("the log does not say how it ended: %s", line)
		}
		s := w.Stats()
		if s.Delivered != 1 || s.Deleted != 1 || s.Released != 7 || s.InFlight != 0 || s.Extended == 0 {
			t.Errorf("stats %+v", s)
		}
		var back []string
		for _, c := range q.log() {
			if strings.HasSuffix(c, " 0s") {
				back = append(back, c)
			}
		}
		if len(back) != 7 || !slices.IsSorted(back) {
			t.Errorf("released as %v", back)
		}
		if d, _ := q.Depth(t.Context()); d.Visible != 7 || d.InFlight != 0 {
			t.Errorf("queue holds %+v", d)
		}
	})
}

func TestQ10DrainIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		release := make(chan struct{})
		h := &recorder{do: func(ctx context.Context, d backend.Delivery) error {
			if d.MessageID == "deaf" {
				<-release
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		q.add("deaf", "")
		q.add("obedient", "")
		var logged bytes.Buffer
		w, stop := run(t, q, h, Options{DrainTimeout: time.Second, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		wait(time.Second)
		start := time.Now()
		stop()
		if line := logged.String(); !strings.Contains(line, `level=WARN msg="consumer stopped with messages in flight, which come again"`) {
			t.Errorf("the log does not say what is left: %s", line)
		}
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("drain took %v", took)
		}
		if s := w.Stats(); s.InFlight != 1 || s.Failed != 1 {
			t.Errorf("stats %+v", s)
		}
		// The one that was cut short is free at once.
		if d, _ := q.Depth(t.Context()); d.Visible != 1 || d.InFlight != 1 {
			t.Errorf("queue holds %+v", d)
		}
		close(release)
	})
}

func TestQ11DeleteRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h := newFakeQueue(), &recorder{}
		refusals := 0
		q.refuse = func(call string) ([]backend.EntryError, error) {
			if call == "delete" && refusals == 0 {
				refusals++
				return []backend.EntryError{
					{Index: 0, Code: "ReceiptHandleIsInvalid", SenderFault: true},
					{Index: 1, Code: "InternalError"},
				}, nil
			}
			return nil, nil
		}
		q.add("refused", "a")
		q.add("later", "b")
		w, stop := run(t, q, h, Options{Concurrency: 1, Visibility: 5 * time.Second})
		wait(time.Minute)
		stop()
		if diff := cmp.Diff([]string{"refused", "later"}, h.got()); diff != "" {
			t.Errorf("handled (-want +got):\n%s", diff)
		}
		want := Stats{Received: 3, Delivered: 2, Deleted: 2, DeleteFailed: 1, Duplicates: 1}
		if diff := cmp.Diff(want, w.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

// An entry that fails in a call that succeeds is called for again after a pause that
// grows, as after a call that fails.
func TestQ11PausesAfterAnEntryThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h := newFakeQueue(), &recorder{}
		var logged bytes.Buffer
		var calls []time.Time
		q.refuse = func(call string) ([]backend.EntryError, error) {
			if call != "delete" {
				return nil, nil
			}
			if calls = append(calls, time.Now()); len(calls) > 4 {
				return nil, nil
			}
			return []backend.EntryError{{Code: "InternalError"}}, nil
		}
		q.add("m", "g")
		w, stop := run(t, q, h, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		wait(time.Minute)
		stop()
		if s := w.Stats(); s.Deleted != 1 || len(calls) != 5 {
			t.Fatalf("%d deleted after %d calls, want 1 after 5", s.Deleted, len(calls))
		}
		if took := calls[4].Sub(calls[0]); took < 750*time.Millisecond {
			t.Errorf("five calls took %v, want four pauses that grow from 50 ms at least", took)
		}
		for _, want := range []string{"deleting messages fails, trying again", "deleting messages works again"} {
			if n := strings.Count(logged.String(), want); n != 1 {
				t.Errorf("the log says %d times %q:\n%s", n, want, logged.String())
			}
		}
	})
}

func TestQ15QueueGoneAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h := newFakeQueue(), &recorder{}
		var logged bytes.Buffer
		denied := &backend.Error{Op: "queue q", Kind: backend.KindDenied, Err: errors.New("token expired")}
		var down atomic.Bool
		q.refuse = func(string) ([]backend.EntryError, error) {
			if down.Load() {
				return nil, denied
			}
			return nil, nil
		}
		w, stop := run(t, q, h, Options{
			Wait: time.Second, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		wait(2 * time.Second)
		down.Store(true)
		q.add("m", "g")
		wait(time.Minute)
		if asked := time.Since(w.AskedSince()); asked < 59*time.Second || asked > 62*time.Second {
			t.Errorf("the queue has not answered for %v, want about a minute", asked)
		}
		down.Store(false)
		wait(time.Minute)
		if asked := time.Since(w.AskedSince()); asked > time.Second {
			t.Errorf("the queue has not answered for %v after it came back", asked)
		}
		stop()
		if s := w.Stats(); s.Deleted != 1 {
			t.Errorf("stats %+v", s)
		}
		fails := strings.Count(logged.String(), "receiving messages fails, trying again")
		again := strings.Count(logged.String(), "receiving messages works again")
		if fails != 1 || again != 1 || strings.Count(logged.String(), "token expired") != 1 {
			t.Errorf("the log says %d times that it fails and %d times that it works again:\n%s", fails, again, logged.String())
		}
		down.Store(true)
		other, err := New(q, h, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Run(t.Context()); !errors.Is(err, denied) {
			t.Errorf("Run on a queue that denies: %v", err)
		}
	})
}

// An outage that outlasts the visibility of a hundred messages in flight, whose
// receipts are refused after it, takes a few lines of the log.
func TestOutageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h := newFakeQueue(), &recorder{do: func(context.Context, backend.Delivery) error {
			time.Sleep(20 * time.Second)
			return nil
		}}
		var logged bytes.Buffer
		var down atomic.Bool
		q.refuse = func(string) ([]backend.EntryError, error) {
			if down.Load() {
				return nil, &backend.Error{Op: "queue q", Kind: backend.KindUnavailable}
			}
			return nil, nil
		}
		for i := range 100 {
			q.add(fmt.Sprintf("m%02d", i), fmt.Sprintf("g%d", i))
		}
		w, stop := run(t, q, h, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		wait(10 * time.Second)
		down.Store(true)
		wait(2 * time.Minute)
		down.Store(false)
		wait(10 * time.Minute)
		stop()
		if depth, _ := q.Depth(t.Context()); !depth.Empty() {
			t.Errorf("queue holds %+v", depth)
		}
		for _, what := range []string{"receiving messages", "extending visibility", "deleting messages"} {
			fails := strings.Count(logged.String(), what+" fails, trying again")
			again := strings.Count(logged.String(), what+" works again")
			if fails < 1 || fails > 2 || again != 1 { // one for each kind of error
				t.Errorf("%s: the log says %d times that it fails and %d times that it works again", what, fails, again)
			}
		}
		if n := strings.Count(logged.String(), "\n"); n > 10 {
			t.Errorf("%d lines; %+v:\n%s", n, w.Stats(), logged.String())
		}
	})
}

func TestIdleSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		h := &recorder{do: func(context.Context, backend.Delivery) error {
			time.Sleep(10 * time.Second)
			return nil
		}}
		q.add("m", "g")
		w, stop := run(t, q, h, Options{Wait: time.Second})
		defer stop()
		wait(9 * time.Second)
		if _, idle := w.IdleSince(); idle {
			t.Error("idle with a message in flight")
		}
		wait(10 * time.Second)
		if since, idle := w.IdleSince(); !idle || time.Since(since) < 5*time.Second {
			t.Errorf("idle %v since %v", idle, since)
		}
	})
}

func TestWorkerRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, stop := run(t, newFakeQueue(), &recorder{}, Options{})
		wait(time.Second)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, when := range []string{"while it runs", "after it has run"} {
			if err := w.Run(ended); err == nil || !strings.Contains(err.Error(), "Run was called before") {
				t.Fatalf("a second Run %s: %v", when, err)
			}
			if when == "while it runs" {
				stop()
			}
		}
	})
}

// TestOptionsOutOfBounds: the last value on both sides is taken, the next one is not.
func TestOptionsOutOfBounds(t *testing.T) {
	t.Parallel()
	const longest = 12 * time.Hour
	for name, test := range map[string]struct{ good, bad []Options }{
		"Concurrency": {[]Options{{Concurrency: 1}, {Concurrency: 65_536}}, []Options{{Concurrency: -1}, {Concurrency: 65_537}}},
		"Receivers":   {[]Options{{Receivers: 1}, {Receivers: 1024}}, []Options{{Receivers: -1}, {Receivers: 1025}}},
		"Visibility": {
			[]Options{{Visibility: time.Second}, {Visibility: longest}},
			[]Options{{Visibility: -time.Second}, {Visibility: 1500 * time.Millisecond}, {Visibility: longest + time.Second}},
		},
		"Wait": {
			[]Options{{Wait: time.Second}, {Wait: 20 * time.Second}},
			[]Options{{Wait: -time.Second}, {Wait: 1500 * time.Millisecond}, {Wait: 21 * time.Second}},
		},
		"BackoffMin": {
			[]Options{{BackoffMin: time.Millisecond}, {BackoffMin: longest, BackoffMax: longest}},
			[]Options{{BackoffMin: time.Millisecond - 1}, {BackoffMin: longest + 1, BackoffMax: longest + 1}},
		},
		"BackoffMax": {
			[]Options{{BackoffMin: time.Second, BackoffMax: time.Second}, {BackoffMax: longest}},
			[]Options{{BackoffMin: time.Second, BackoffMax: time.Second - 1}, {BackoffMax: longest + 1}},
		},
		"DrainTimeout": {
			[]Options{{DrainTimeout: time.Millisecond}, {DrainTimeout: longest}},
			[]Options{{DrainTimeout: time.Millisecond - 1}, {DrainTimeout: longest + 1}},
		},
	} {
		for _, o := range test.good {
			if _, err := New(newFakeQueue(), &recorder{}, o); err != nil {
				t.Errorf("%+v: %v", o, err)
			}
		}
		for _, o := range test.bad {
			if _, err := New(newFakeQueue(), &recorder{}, o); err == nil || !strings.Contains(err.Error(), "option "+name+" is") {
				t.Errorf("%+v: error %v, want one that names %s", o, err, name)
			}
		}
	}
}

// TestDefaults are those of the documentation.
func TestDefaults(t *testing.T) {
	t.Parallel()
	w, err := New(newFakeQueue(), &recorder{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := w.opts
	got.Logger = nil
	want := Options{
		Concurrency: 16, Receivers: 2, Visibility: 30 * time.Second, Wait: 20 * time.Second,
		BackoffMin: 2 * time.Second, BackoffMax: 5 * time.Minute, DrainTimeout: 8 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}
