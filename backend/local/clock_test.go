package local

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// setBack is by how much the clock is set back in these tests.
const setBack = 3 * time.Hour

// A message in flight comes back after what is left of its visibility timeout, and not
// after the hours by which the clock was set back, nor before.
func TestF10ClockSetBackReleasesMessages(t *testing.T) {
	t.Parallel()
	here, there, name, clock := newQueueFile(t)
	sendBodies(t, here.Queue(name), "g", "1", "2")
	wantBodies(t, here.Queue(name), "1", "2") // for 30 s
	clock.advance(10 * time.Second)
	sendBodies(t, here.Queue(name), "other", "3")
	clock.advance(-setBack)
	wantBodies(t, there.Queue(name), "3")
	clock.advance(20*time.Second - time.Millisecond)
	wantBodies(t, there.Queue(name))
	clock.advance(2 * clockAhead)
	ds := wantBodies(t, there.Queue(name), "1", "2")
	if first := ds[0].FirstReceivedAt; first.After(clock.now()) {
		t.Errorf("first received at %v, in the future of %v", first, clock.now())
	}
	// Its receiver may hide it for 12 hours from then on, and not for longer.
	for timeout, ok := range map[time.Duration]bool{11 * time.Hour: true, 12*time.Hour + time.Second: false} {
		failed, err := there.Queue(name).ChangeVisibility(t.Context(), []backend.VisibilityChange{{Receipt: ds[0].Receipt, Timeout: timeout}})
		if err != nil || (len(failed) == 0) != ok {
			t.Errorf("hidden for %v: %v, %v", timeout, failed, err)
		}
	}
}

// A receive that waits moves the deadlines itself.
func TestF10WaitingReceiveAfterTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	here, _, name, clock := newQueueFile(t)
	q := here.Queue(name)
	sendBodies(t, q, "g", "1")
	if _, err := q.Receive(t.Context(), 1, 0, time.Second); err != nil {
		t.Fatal(err)
	}
	clock.advance(-setBack)
	available, _, err := q.(*queue).available(t.Context())
	if err != nil || !available {
		t.Errorf("available %v, %v: a receive would not try", available, err)
	}
	wantBodies(t, q)
	if available, next, err := q.(*queue).available(t.Context()); err != nil || available || next.Sub(clock.now()) > time.Second+clockAhead {
		t.Errorf("available %v, next in %v, %v", available, next.Sub(clock.now()), err)
	}
}

// Deduplication ids and tokens are remembered as long as ever.
func TestF10ClockSetBackForgetsInTime(t *testing.T) {
	t.Parallel()
	here, there, name, clock := newQueueFile(t)
	table, _ := newTable(t, here)
	transact := func(n string) error {
		_, err := table.Transact(t.Context(), "token", []backend.Action{{Put: item("s", backend.Item{"n": number(n)})}})
		return err
	}
	sendBodies(t, here.Queue(name), "g", "1")
	if err := transact("1"); err != nil {
		t.Fatal(err)
	}
	clock.advance(-setBack)
	put(t, table, message(1)) // the first transaction after that
	clock.advance(deduplicationWindow - clockAhead)
	sendBodies(t, here.Queue(name), "g", "1") // still a duplicate
	clock.advance(2 * clockAhead)
	wantKind(t, transact("2"), backend.KindInvalid) // still remembered
	sendBodies(t, here.Queue(name), "g", "1")
	wantBodies(t, there.Queue(name), "1", "1")
	clock.advance(tokenLife - deduplicationWindow)
	if err := transact("2"); err != nil {
		t.Errorf("ten minutes later: %v", err)
	}
}

// Nothing stays for longer than its retention after the clock was right again, and no
// part of the stream goes early.
func TestF10ClockThatWasYearsAhead(t *testing.T) {
	t.Parallel()
	const ahead = 5 * 365 * 24 * time.Hour
	clock := newClock()
	b := open(t, filepath.Join(t.TempDir(), "postroom.db"), Options{Now: clock.now, RollSize: 3, Shards: 1})
	table, stream := newTable(t, b)
	spec := fifoSpec("q")
	if err := b.CreateQueue(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	q := b.Queue(spec.Name)
	clock.advance(ahead)
	for i := range 4 { // a shard that closes, and one that is open
		put(t, table, message(i))
	}
	sendBodies(t, q, "g", "1")
	clock.advance(-ahead)
	put(t, table, message(4))
	shards := func(want int) {
		t.Helper()
		page, err := stream.Shards(t.Context(), "")
		if err != nil || len(page.Shards) != want {
			t.Errorf("shards %v, %v; want %d", page.Shards, err, want)
		}
	}
	clock.advance(backend.StreamRetention)
	shards(2)
	if n := len(readAll(t, stream)); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
	clock.advance(clockAhead)
	shards(1)
	clock.advance(time.Duration(spec.RetentionSeconds)*time.Second - backend.StreamRetention)
	if depth, err := q.Depth(t.Context()); err != nil || !depth.Empty() {
		t.Errorf("depth %+v, %v; want none after the retention", depth, err)
	}
}

// What was written before the clock was set back can be read at once, in the index too,
// although nothing has been written since.
func TestF10ClockSetBackHidesNothing(t *testing.T) {
	t.Parallel()
	for _, lag := range []time.Duration{0, time.Minute} {
		clock := newClock()
		path := filepath.Join(t.TempDir(), "postroom.db")
		writer := open(t, path, Options{Now: clock.now, IndexLag: lag})
		table, _ := newTable(t, writer)
		put(t, table, row(7, 1))
		clock.advance(lag)
		put(t, table, row(5007, 2))
		clock.advance(-setBack)
		entries := func(b *Backend, want int) {
			t.Helper()
			page, err := b.Table("postroom").Query(t.Context(), backend.Query{Index: "by-group", PK: fmt.Sprintf("%036d", 7)})
			if err != nil || len(page.Items) != want {
				t.Errorf("lag %v: %d entries, %v; want %d", lag, len(page.Items), err, want)
			}
		}
		want := 2
		if lag > 0 {
			want = 1
		}
		entries(writer, want)
		entries(open(t, path, Options{Now: clock.now, ReadOnly: true}), want)
		put(t, table, row(10007, 3)) // moves the deadlines
		if lag == 0 {
			want++
		}
		entries(writer, want)
		clock.advance(lag + clockAhead)
		entries(writer, 3)
	}
}

// A clock that is a little behind, as that of a machine whose clock is adjusted, moves
// nothing: time stands still.
func TestF10ClockALittleBehind(t *testing.T) {
	t.Parallel()
	here, _, name, clock := newQueueFile(t)
	q := here.Queue(name)
	sendBodies(t, q, "g", "1")
	wantBodies(t, q, "1") // for 30 s
	clock.advance(-clockStep)
	sendBodies(t, q, "h", "2")
	clock.advance(clockStep + 30*time.Second - time.Microsecond)
	wantBodies(t, q, "2")
	clock.advance(time.Microsecond)
	wantBodies(t, q, "1")
}
