package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// Reads of a file do not wait for whoever is writing.
func TestReadsDoNotWaitForWrites(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "postroom.db"), Options{})
	table, _ := newTable(t, b)
	put(t, table, message(1))
	writer := <-b.writer
	defer func() { b.writer <- writer }()
	done := make(chan error, 1)
	go func() {
		_, _, err := table.Get(t.Context(), backend.KeyOf(message(1)))
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("a read waits for a write")
	}
}

// Commits reach the file beside the WAL while it is open.
func TestCommitsReachTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	table, _ := newTable(t, open(t, path, Options{}))
	for i := range 200 {
		put(t, table, message(i))
	}
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for i := 200; size() < 200*500; i++ { // of each item
		if i == 10_000 {
			t.Fatalf("the file has %d bytes after %d commits", size(), i)
		}
		time.Sleep(10 * time.Millisecond)
		put(t, table, message(i))
	}
}

// A closed backend has nothing to watch.
func TestWatchOfAClosedFile(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "postroom.db"), Options{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.dataVersion(); err == nil {
		t.Error("a closed file has a version")
	}
}

// A page of shards that is full is the last one if no more follow.
func TestS7AFullPageOfShards(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{Shards: 1, RollSize: 1})
	table, stream := newTable(t, b)
	for i := 0; ; i++ {
		page, err := stream.Shards(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		n := count(t, b, "shards")
		if full := n > 100; full != (page.Last != "") || len(page.Shards) != min(n, 100) {
			t.Errorf("%d of %d shards are listed, continue after %q", len(page.Shards), n, page.Last)
		}
		if n > 100 {
			return
		}
		put(t, table, message(i))
	}
}

// A position is one of the shard's sequence numbers.
func TestS9PositionsOfAShard(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{Shards: 1, RollSize: 3})
	table, stream := newTable(t, b)
	for i := range 8 {
		put(t, table, message(i))
	}
	shards := allShards(t, stream)
	page, err := stream.Shards(t.Context(), "")
	if err != nil || len(shards) != 3 {
		t.Fatal(shards, err)
	}
	sequences := make([][]string, len(shards))
	for i, s := range shards {
		iterator, err := stream.Iterator(t.Context(), page.StreamARN, s.ID, backend.Position{Type: backend.TrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		records, err := stream.Records(t.Context(), iterator, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records.Records {
			sequences[i] = append(sequences[i], r.Sequence)
		}
	}
	for i := range shards {
		for of, all := range sequences {
			for _, sequence := range append(all, "x", "", "-1", all[0]+"x") {
				for _, kind := range []backend.PositionType{backend.AtSequence, backend.AfterSequence} {
					_, err := stream.Iterator(t.Context(), page.StreamARN, shards[i].ID, backend.Position{Type: kind, Sequence: sequence})
					if of == i && strings.Trim(sequence, "0123456789") == "" && sequence != "" {
						if err != nil {
							t.Errorf("shard %d, %q: %v", i, sequence, err)
						}
						continue
					}
					wantKind(t, err, backend.KindInvalid)
				}
			}
		}
	}
}

// A visibility timeout that is refused changes nothing.
func TestQ3RefusedTimeoutChangesNothing(t *testing.T) {
	t.Parallel()
	here, _, name, clock := newQueueFile(t)
	q := here.Queue(name)
	sendBodies(t, q, "g", "1")
	receipt := wantBodies(t, q, "1")[0].Receipt
	change := func(timeout time.Duration, refused bool) {
		t.Helper()
		failed, err := q.ChangeVisibility(t.Context(), []backend.VisibilityChange{{Receipt: receipt, Timeout: timeout}})
		if err != nil || len(failed) > 0 != refused {
			t.Fatalf("for %v: %v, %v", timeout, failed, err)
		}
	}
	change(11*time.Hour, false)
	clock.advance(10 * time.Hour)
	change(2*time.Hour+time.Second, true)
	clock.advance(time.Hour - time.Second)
	wantBodies(t, q)
	clock.advance(time.Second)
	wantBodies(t, q, "1")
}

// A batch with an item that is too large writes none.
func TestBatchWithALargeItem(t *testing.T) {
	t.Parallel()
	table, _ := newTable(t, open(t, Memory, Options{}))
	large := message(2)
	large["message"] = text(strings.Repeat("x", backend.MaxItemBytes))
	_, units, err := table.BatchWrite(t.Context(), []backend.Write{{Put: message(1)}, {Put: large}})
	wantKind(t, err, backend.KindInvalid)
	if err != nil && !strings.Contains(err.Error(), "item size has exceeded") {
		t.Errorf("the error is %v", err)
	}
	if item, _, err := table.Get(t.Context(), backend.KeyOf(message(1))); item != nil || err != nil || units != (backend.Units{}) {
		t.Errorf("there is %v, %v; units %+v", item, err, units)
	}
}

// An iterator belongs to one stream, and leads nowhere once that is gone.
func TestS24IteratorOfAStreamThatIsGone(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, stream := newTable(t, b)
	put(t, table, message(1))
	page, err := stream.Shards(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	iterator, err := stream.Iterator(t.Context(), page.StreamARN, page.Shards[0].ID, backend.Position{Type: backend.TrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteTable(t.Context(), "postroom"); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Records(t.Context(), iterator, 10)
	wantKind(t, err, backend.KindNotFound)
	table, stream = newTable(t, b)
	put(t, table, message(2))
	_, err = stream.Records(t.Context(), iterator, 10)
	wantKind(t, err, backend.KindNotFound)
}

// A page of an index ends at 1 MB of keys too, and the next one goes on after it.
func TestPageOfLargeIndexKeys(t *testing.T) {
	t.Parallel()
	table, _ := newTable(t, open(t, Memory, Options{}))
	const entries = 400
	for i := range entries {
		put(t, table, backend.Item{
			"PK": text(fmt.Sprintf("%02000d", i)), "SK": text(fmt.Sprintf("%01000d", i)),
			"group": text("g"), "user": text(fmt.Sprintf("%04d", i)),
		})
	}
	q, seen := backend.Query{PK: "g", Index: "by-group"}, 0
	for pages := 1; ; pages++ {
		page, err := table.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, it := range page.Items {
			if got, want := backend.Text(it, "user"), fmt.Sprintf("%04d", seen); got != want {
				t.Fatalf("entry %s, want %s", got, want)
			}
			seen++
			size += backend.ItemBytes(it)
		}
		if size > 1<<20 || page.Last == nil && pages < 2 {
			t.Errorf("page %d has %d bytes, last %v", pages, size, page.Last)
		}
		if page.Last == nil {
			break
		}
		q.After, q.AfterIndex = *page.Last, page.LastIndex
	}
	if seen != entries {
		t.Errorf("%d entries, want %d", seen, entries)
	}
}

// A name that is AWS's is refused with what makes it so.
func TestAttributeNamesOfAWS(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"AWS.x": `begins with "AWS."`, "Amazon.x.y": `begins with "Amazon."`} {
		if err := checkAttributeName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
