package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

// newQueueFile makes a file with a FIFO queue, a second handle on it as another
// process has, and the clock of both.
func newQueueFile(t *testing.T) (here, there *Backend, name string, clock *testClock) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "q.db")
	clock = newClock()
	here = open(t, path, Options{Now: clock.now})
	there = open(t, path, Options{Now: clock.now})
	spec := fifoSpec("q")
	if err := here.CreateQueue(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	return here, there, spec.Name, clock
}

func sendBodies(t testing.TB, q backend.Queue, group string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		failed, err := q.Send(t.Context(), []backend.SendEntry{{Body: body, GroupID: group, DeduplicationID: body}})
		if err != nil || len(failed) > 0 {
			t.Fatal(failed, err)
		}
	}
}

// wantBodies receives at once and compares.
func wantBodies(t testing.TB, q backend.Queue, want ...string) []backend.Delivery {
	t.Helper()
	ds, err := q.Receive(t.Context(), backend.MaxQueueBatch, 0, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range ds {
		got = append(got, d.Body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("received (-want +got):\n%s", diff)
	}
	return ds
}

func TestQueueTwoHandlesAreOneQueue(t *testing.T) {
	t.Parallel()
	here, there, name, _ := newQueueFile(t)
	sendBodies(t, here.Queue(name), "g", "1", "2")
	ds := wantBodies(t, there.Queue(name), "1", "2")
	sendBodies(t, here.Queue(name), "g", "1", "3") // 1 is a duplicate
	wantBodies(t, here.Queue(name))
	if failed, err := here.Queue(name).Delete(t.Context(), []string{ds[0].Receipt, ds[1].Receipt}); err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
	wantBodies(t, there.Queue(name), "3")
}

// A receive that waits is woken by what it may find: at once in the same
// process, within the polling bound through another handle.
func TestQueueWakesReceive(t *testing.T) {
	t.Parallel()
	for name, wake := range map[string]func(t *testing.T, q backend.Queue, receipts []string){
		"send": func(t *testing.T, q backend.Queue, _ []string) { sendBodies(t, q, "h", "3") },
		"delete": func(t *testing.T, q backend.Queue, receipts []string) {
			if failed, err := q.Delete(t.Context(), receipts); err != nil || len(failed) > 0 {
				t.Error(failed, err)
			}
		},
		"give back": func(t *testing.T, q backend.Queue, receipts []string) {
			failed, err := q.ChangeVisibility(t.Context(), []backend.VisibilityChange{{Receipt: receipts[0]}})
			if err != nil || len(failed) > 0 {
				t.Error(failed, err)
			}
		},
		"release": func(t *testing.T, q backend.Queue, _ []string) {
			b := q.(*queue).b
			pretend(t, b, 1, processHost(), os.Getpid())
			if _, err := b.ReleaseDead(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/same process %v", name, same), func(t *testing.T) {
				t.Parallel()
				here, there, name, _ := newQueueFile(t)
				sendBodies(t, here.Queue(name), "g", "1")
				ds := wantBodies(t, here.Queue(name), "1")
				sendBodies(t, here.Queue(name), "g", "2")
				waker := here
				if !same {
					waker = there
				}
				got := make(chan int, 1)
				start := time.Now()
				go func() {
					ds, err := here.Queue(name).Receive(t.Context(), 1, backend.MaxWait, 30*time.Second)
					if err != nil {
						t.Error(err)
					}
					got <- len(ds)
				}()
				waitForWaiter(t, here, queueTopic(name))
				wake(t, waker.Queue(name), []string{ds[0].Receipt})
				if n := <-got; n != 1 || time.Since(start) > backend.MaxWait*3/4 {
					t.Errorf("received %d messages after %v", n, time.Since(start))
				}
			})
		}
	}
}

// waitForWaiter returns once somebody waits for a topic.
func waitForWaiter(t *testing.T, b *Backend, topic string) {
	t.Helper()
	for {
		b.notifier.mu.Lock()
		_, waiting := b.notifier.waiters[topic]
		b.notifier.mu.Unlock()
		if waiting {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("nobody waits")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestQueueCloseEndsReceive(t *testing.T) {
	t.Parallel()
	_, there, name, _ := newQueueFile(t)
	done := make(chan error, 1)
	go func() {
		_, err := there.Queue(name).Receive(context.Background(), 1, backend.MaxWait, 30*time.Second)
		done <- err
	}()
	waitForWaiter(t, there, queueTopic(name))
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Fatal("a receive of a closed file has no error")
	}
}

// A crash between receive and delete: the message comes back with its
// visibility timeout, before its successors.
func TestQ13QueueCrashBetweenReceiveAndDelete(t *testing.T) {
	t.Parallel()
	here, there, name, clock := newQueueFile(t)
	sendBodies(t, here.Queue(name), "g", "1", "2")
	if _, err := there.Queue(name).Receive(t.Context(), 1, 0, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	clock.advance(30*time.Second - time.Microsecond)
	wantBodies(t, here.Queue(name))
	clock.advance(time.Microsecond)
	ds := wantBodies(t, here.Queue(name), "1", "2")
	if ds[0].ReceiveCount != 2 || ds[1].ReceiveCount != 1 {
		t.Errorf("receive counts %d and %d, want 2 and 1", ds[0].ReceiveCount, ds[1].ReceiveCount)
	}
}

// A message is a duplicate until the last moment of the window, and not at its end.
func TestQ12QueueDeduplicationWindow(t *testing.T) {
	t.Parallel()
	here, _, name, clock := newQueueFile(t)
	q := here.Queue(name)
	for i, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {deduplicationWindow - time.Microsecond, 1}, {time.Microsecond, 2}, {deduplicationWindow - time.Microsecond, 2}} {
		clock.advance(step.wait)
		sendBodies(t, q, "g", "m")
		if depth, err := q.Depth(t.Context()); err != nil || depth.Visible != step.want {
			t.Errorf("step %d: %+v, %v; want %d messages", i, depth, err, step.want)
		}
	}
}

// Deduplication ids are forgotten after their window, in steps.
func TestQueueForgetsDeduplicationIDs(t *testing.T) {
	t.Parallel()
	here, _, name, clock := newQueueFile(t)
	q := here.Queue(name)
	const sent = 3 * upkeepStep / 2
	for i := range sent {
		sendBodies(t, q, "g", fmt.Sprint(i))
	}
	clock.advance(deduplicationWindow)
	for i, want := range []int{sent + 1 - upkeepStep, 2, 3} {
		sendBodies(t, q, "g", fmt.Sprint("new", i))
		if got := countRows(t, here, "queue_dedup"); got != want {
			t.Errorf("%d deduplication ids are kept after send %d, want %d", got, i, want)
		}
	}
}

func countRows(t *testing.T, b *Backend, table string) (n int) {
	t.Helper()
	err := b.read(t.Context(), "count", func(tx *tx) error {
		_, err := tx.row("SELECT count(*) FROM "+table, nil, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A queue that nobody receives from does not grow for ever.
func TestQueueSendDropsWhatIsPastRetention(t *testing.T) {
	t.Parallel()
	here, _, _, clock := newQueueFile(t)
	for _, spec := range []backend.QueueSpec{fifoSpec("old"), {Name: "old", RetentionSeconds: 345_600}} {
		if err := here.CreateQueue(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		entry := backend.SendEntry{Body: "m"}
		for i := range 20 {
			if isFIFO(spec.Name) {
				entry.GroupID, entry.DeduplicationID = fmt.Sprint(i%3), fmt.Sprint(i)
			}
			if _, err := here.Queue(spec.Name).Send(t.Context(), []backend.SendEntry{entry}); err != nil {
				t.Fatal(err)
			}
			if i == 18 {
				clock.advance(345_600 * time.Second)
			}
		}
		if got := countRows(t, here, "queue_messages"); got != 1 {
			t.Errorf("%s: %d messages are kept, want 1", spec.Name, got)
		}
		if err := here.DeleteQueue(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"queue_messages", "queue_groups"} {
		if got := countRows(t, here, table); got != 0 {
			t.Errorf("%d rows are left in %s", got, table)
		}
	}
}

// In the dead-letter queue the 12 hours of visibility begin anew.
func TestQ3QueueDeadLetterIsReceivedAnew(t *testing.T) {
	t.Parallel()
	here, _, dead, clock := newQueueFile(t)
	spec := fifoSpec("live")
	spec.DeadLetterQueue, spec.MaxReceiveCount = dead, 1
	if err := here.CreateQueue(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	sendBodies(t, here.Queue(spec.Name), "g", "m")
	wantBodies(t, here.Queue(spec.Name), "m")
	clock.advance(backend.MaxVisibility)
	wantBodies(t, here.Queue(spec.Name))
	ds := wantBodies(t, here.Queue(dead), "m")
	if !ds[0].FirstReceivedAt.Equal(clock.now()) {
		t.Errorf("first received at %v, want %v", ds[0].FirstReceivedAt, clock.now())
	}
	failed, err := here.Queue(dead).ChangeVisibility(t.Context(),
		[]backend.VisibilityChange{{Receipt: ds[0].Receipt, Timeout: time.Hour}})
	if err != nil || len(failed) > 0 {
		t.Error(failed, err)
	}
}

// A group that a receive has emptied, since its messages were dead-lettered or past their
// retention, takes messages as a new one does.
func TestQ7QueueGroupAfterItsLastMessage(t *testing.T) {
	t.Parallel()
	here, _, dead, clock := newQueueFile(t)
	spec := fifoSpec("live")
	spec.DeadLetterQueue, spec.MaxReceiveCount = dead, 1
	if err := here.CreateQueue(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	q := here.Queue(spec.Name)
	sendBodies(t, q, "g", "dead-1", "dead-2")
	wantBodies(t, q, "dead-1", "dead-2")
	clock.advance(30 * time.Second)
	wantBodies(t, q)
	sendBodies(t, q, "g", "old")
	clock.advance(time.Duration(spec.RetentionSeconds) * time.Second)
	wantBodies(t, q)
	sendBodies(t, q, "g", "new")
	wantBodies(t, q, "new")
}

// Without its dead-letter queue a message stays where it is.
func TestQueueKeepsMessagesWhenDeadLetterQueueIsGone(t *testing.T) {
	t.Parallel()
	here, _, dead, clock := newQueueFile(t)
	spec := fifoSpec("live")
	spec.DeadLetterQueue, spec.MaxReceiveCount = dead, 1
	if err := here.CreateQueue(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := here.DeleteQueue(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	q := here.Queue(spec.Name)
	sendBodies(t, q, "g", "m")
	for range 3 {
		wantBodies(t, q, "m")
		clock.advance(30 * time.Second)
	}
}

func TestQ2QueueRefusesBodiesThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	here, _, name, _ := newQueueFile(t)
	failed, err := here.Queue(name).Send(t.Context(), []backend.SendEntry{{Body: "\xff", GroupID: "g", DeduplicationID: "1"}})
	if err != nil || len(failed) != 1 || failed[0].Code != "InvalidMessageContents" {
		t.Fatal(failed, err)
	}
}

// Receipts of another queue and of no queue do not fit.
func TestReceipt(t *testing.T) {
	t.Parallel()
	want := receipt{nonce: -5, id: 1 << 40, receives: 300}
	got, ok := parseReceipt(want.String(), -5)
	if !ok || got != want {
		t.Fatalf("%+v, %v", got, ok)
	}
	for _, bad := range []string{"", "garbage", "!", want.String()[:10], want.String() + "AA", receipt{1, 1, 1}.String()} {
		if _, ok := parseReceipt(bad, -5); ok {
			t.Errorf("%q is taken for a receipt", bad)
		}
	}
}

// TestDepthTellsTheOldest also of messages that are in flight, on both kinds of queues.
func TestDepthTellsTheOldest(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]backend.QueueSpec{
		"FIFO": fifoSpec("q"), "standard": {Name: "q", VisibilitySeconds: 30, RetentionSeconds: 345_600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			b := open(t, Memory, Options{Now: clock.now})
			for _, s := range []backend.QueueSpec{spec, {Name: "other", VisibilitySeconds: 30, RetentionSeconds: 345_600}} {
				if err := b.CreateQueue(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			q, other := b.Queue(spec.Name), b.Queue("other")
			send := func(q backend.Queue, e backend.SendEntry) time.Time {
				t.Helper()
				clock.advance(time.Minute)
				if failed, err := q.Send(t.Context(), []backend.SendEntry{e}); len(failed) != 0 || err != nil {
					t.Fatal(failed, err)
				}
				return clock.now()
			}
			entry := func(group string) (e backend.SendEntry) {
				e.Body = group
				if name == "FIFO" {
					e.GroupID, e.DeduplicationID = group, group
				}
				return e
			}
			want := func(oldest time.Time) {
				t.Helper()
				if d, err := q.Depth(t.Context()); err != nil || !d.Oldest.Equal(oldest) {
					t.Errorf("the oldest is of %v (%v), want %v", d.Oldest, err, oldest)
				}
			}
			send(other, backend.SendEntry{Body: "older"})
			want(time.Time{})
			first := send(q, entry("b"))
			second := send(q, entry("a"))
			want(first)
			got, err := q.Receive(t.Context(), 1, 0, 30*time.Second)
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			want(first)
			if _, err := q.Delete(t.Context(), []string{got[0].Receipt}); err != nil {
				t.Fatal(err)
			}
			if got[0].Body == "b" {
				want(second)
			} else {
				want(first)
			}
			clock.advance(345_600 * time.Second)
			want(time.Time{})
		})
	}
}
