package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?#%&'ä.db")
	want := settings{Shards: 7, RollSize: 9, IndexLag: time.Minute}
	for i := range 3 {
		b := open(t, path, Options{Shards: 7 + i, RollSize: 9 + i, IndexLag: time.Minute + time.Duration(i)})
		if b.settings != want {
			t.Errorf("opened %d times before: settings %+v, want those of the first, %+v", i, b.settings, want)
		}
		if i == 0 {
			table, _ := newTable(t, b)
			put(t, table, message(1))
		}
		if item, _, err := b.Table("postroom").Get(t.Context(), backend.KeyOf(message(1))); err != nil || item == nil {
			t.Errorf("opened %d times before: item %v, %v", i, item, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is not where it was asked for: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	textFile := write("notes.txt", strings.Repeat("no database at all\n", 100))
	for name, test := range map[string]struct {
		path    string
		kind    backend.Kind
		message string
	}{
		"nothing":         {"", backend.KindInvalid, "path is empty"},
		"a folder":        {dir, backend.KindInvalid, "folder"},
		"no such folder":  {filepath.Join(dir, "none", "x.db"), backend.KindNotFound, "folder"},
		"file as folder":  {filepath.Join(textFile, "x.db"), backend.KindInvalid, "not a directory"},
		"a device":        {os.DevNull, backend.KindInvalid, "not a regular file"},
		"not SQLite":      {textFile, backend.KindInvalid, "not a SQLite database"},
		"another program": {foreignDatabase(t, dir, "CREATE TABLE t (x)"), backend.KindInvalid, "another program"},
		"a newer format":  {newerDatabase(t, dir), backend.KindInvalid, "has format 1000, this program knows format 2;"},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := os.ReadFile(test.path)
			b, err := Open(test.path, Options{})
			if err == nil {
				t.Fatal(errors.Join(errors.New("no error"), b.Close()))
			}
			wantKind(t, err, test.kind)
			if !strings.Contains(err.Error(), test.message) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("error %q does not name the file and say %q", err, test.message)
			}
			if after, _ := os.ReadFile(test.path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for says, opts := range map[string]Options{
		"Shards is -1": {Shards: -1}, "Shards is 1001": {Shards: 1001}, "RollSize is -1": {RollSize: -1}, "IndexLag is -1ns": {IndexLag: -1},
	} {
		_, err := Open(Memory, opts)
		wantKind(t, err, backend.KindInvalid)
		if err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("error %q, want %q", err, says)
		}
	}
	for _, want := range []settings{
		{Shards: 1, RollSize: 1, IndexLag: 1}, {Shards: 1000, RollSize: math.MaxInt, IndexLag: math.MaxInt64},
	} {
		b := open(t, Memory, Options{Shards: want.Shards, RollSize: want.RollSize, IndexLag: want.IndexLag})
		if b.settings != want {
			t.Errorf("settings %+v, want %+v", b.settings, want)
		}
	}
	if want, got := (settings{Shards: 4, RollSize: 1000}), open(t, Memory, Options{}).settings; got != want {
		t.Errorf("by default %+v, want %+v", got, want)
	}
}

// foreignDatabase makes a SQLite file that is not Postroom's.
func foreignDatabase(t *testing.T, dir, statement string) string {
	t.Helper()
	path := filepath.Join(dir, "other.db")
	execFile(t, path, statement)
	return path
}

func newerDatabase(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "newer.db")
	if err := open(t, path, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	execFile(t, path, "PRAGMA user_version = 1000")
	return path
}

// execFile runs a statement on a file, past this package.
func execFile(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// Many open a new file at once: one makes it, all can use it.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			b, err := Open(path, Options{})
			if err != nil {
				return err
			}
			err = b.CreateTable(t.Context(), backend.TableSpec{Name: fmt.Sprintf("table-%d", i), PartitionKey: "PK", SortKey: "SK"})
			return errors.Join(err, b.Close())
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, open(t, path, Options{}), "tables"); n != 8 {
		t.Errorf("%d tables, want 8", n)
	}
}

// Two handles on one file write and read beside each other; no update is lost.
func TestTwoHandlesOnOneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	handles := []*Backend{open(t, path, Options{RollSize: 20}), open(t, path, Options{})}
	newTable(t, handles[0])
	const writers, rounds = 4, 30
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			table := handles[w%2].Table("postroom")
			for i := 0; i < rounds; {
				old, _, err := table.Get(t.Context(), key("counter"))
				if err != nil {
					return err
				}
				condition := backend.Condition{Absent: true}
				n := 0
				if old != nil {
					condition = backend.Condition{Equals: old}
					n, _ = strconv.Atoi(backend.Number(old, "n"))
				}
				_, err = table.Transact(t.Context(), fmt.Sprintf("%d-%d-%d", w, i, n), []backend.Action{
					{Put: item("counter", backend.Item{"n": number(strconv.Itoa(n + 1))}), Condition: condition},
					{Put: message(n), Condition: backend.Condition{Absent: true}},
				})
				switch backend.KindOf(err) {
				case backend.KindConditionFailed:
					continue
				case backend.KindUnknown:
					if err != nil {
						return err
					}
				default:
					return err
				}
				i++
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	got, _, err := handles[1].Table("postroom").Get(t.Context(), key("counter"))
	if err != nil || backend.Number(got, "n") != strconv.Itoa(writers*rounds) {
		t.Errorf("counter %v, %v; want %d", got, err, writers*rounds)
	}
	if n := len(readAll(t, handles[1].Stream("postroom"))); n != 2*writers*rounds {
		t.Errorf("%d records, want %d", n, 2*writers*rounds)
	}
}

// A waiter learns of a change by another handle within 5 ms while the file is
// busy, and within 250 ms otherwise.
func TestChangesOfOthersWake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	newTable(t, open(t, path, Options{}))
	synctest.Test(t, func(t *testing.T) {
		mine, others := open(t, path, Options{}), open(t, path, Options{})
		table, stream := others.Table("postroom"), mine.Stream("postroom")
		for i, step := range []struct{ idle, within time.Duration }{
			{0, busyInterval}, {busyFor / 2, busyInterval}, {time.Minute, idleInterval}, {0, busyInterval}, {time.Hour, idleInterval},
		} {
			stream.Changed()
			time.Sleep(step.idle)
			changed := stream.Changed() // the same one, unless it was closed for nothing
			put(t, table, message(i))
			start := time.Now()
			<-changed
			if d := time.Since(start); d > step.within {
				t.Errorf("step %d: woken after %v, want %v", i, d, step.within)
			}
		}
	})
}

// Nothing is missed while nobody waits: a change before the watcher starts is
// seen by its first look at the latest.
func TestChangeBeforeTheWatcherStarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	mine, others := open(t, path, Options{}), open(t, path, Options{})
	table, _ := newTable(t, others)
	for i := range 20 {
		changed := mine.Stream("postroom").Changed()
		put(t, table, message(i))
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			t.Fatal("not woken")
		}
	}
}

func TestCloseWakesWaiters(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "postroom.db"), Options{})
	changed := b.Stream("postroom").Changed()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	<-changed
	<-b.Stream("postroom").Changed()
	_, _, err := b.Table("postroom").Get(t.Context(), key("s"))
	wantKind(t, err, backend.KindInvalid)
	if err != nil && !strings.Contains(err.Error(), "closed") {
		t.Errorf("error %q does not say that the file is closed", err)
	}
}

// A cancelled call leaves no transaction open, wherever it was: waiting for the
// connection, for another process's lock, or in the transaction itself.
func TestCancelledCallLeavesNoTransaction(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b, other := open(t, path, Options{}), open(t, path, Options{})
	table, _ := newTable(t, b)

	within := func(name string, hold *Backend) {
		t.Helper()
		held, release := make(chan struct{}), make(chan struct{})
		var g sync.WaitGroup
		g.Go(func() {
			_ = hold.write(context.Background(), "hold", func(*tx) error {
				close(held)
				<-release
				return nil
			})
		})
		<-held
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := table.Put(ctx, message(1), backend.Condition{})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want the context's", name, err)
		}
		close(release)
		g.Wait()
		put(t, table, message(2))
	}
	within("connection taken", b)
	within("file locked", other)

	ctx, cancel := context.WithCancel(t.Context())
	err := b.write(ctx, "test", func(tx *tx) error {
		cancel()
		_, err := tx.exec("DELETE FROM items")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if n := count(t, b, "items"); n != 1 {
		t.Errorf("%d items, want the one that was put", n)
	}
}

// A panic in a transaction rolls it back and gives the connection back.
func TestPanicRollsBack(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	table, _ := newTable(t, b)
	put(t, table, message(1))
	func() {
		defer func() { _ = recover() }()
		_ = b.write(t.Context(), "test", func(tx *tx) error {
			_, _ = tx.exec("DELETE FROM items")
			panic("test")
		})
	}()
	if n := count(t, b, "items"); n != 1 {
		t.Errorf("%d items, want 1", n)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b := open(t, path, Options{})
	table, _ := newTable(t, b)
	put(t, table, message(0))
	limit := func(pages string) {
		c := <-b.writer
		defer func() { b.writer <- c }()
		if _, err := c.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("40")
	var err error
	i := 1
	for ; err == nil && i < 1000; i++ {
		_, err = table.Put(t.Context(), message(i), backend.Condition{})
	}
	wantKind(t, err, backend.KindUnavailable)
	if err != nil && (!strings.Contains(err.Error(), "disk is full") || !strings.Contains(err.Error(), path)) {
		t.Errorf("error %q does not name the file and that the disk is full", err)
	}
	if items, records := count(t, b, "items"), count(t, b, "records"); items != i-1 || records != i-1 {
		t.Errorf("%d items and %d records, %d were answered", items, records, i-1)
	}
	limit("100000")
	put(t, table, message(i))
}

// A file that could not be made whole is made anew by the next one who opens it.
func TestFullDiskWhileAFileIsMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b := &Backend{path: path, done: make(chan struct{})}
	b.place.init(path)
	var err error
	if b.writer, err = b.dial(t.Context(), 1, nil, "max_page_count(4)"); err != nil {
		t.Fatal(err)
	}
	if err := b.prepareFile(t.Context(), settings{}); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("making the file: %v, want that the disk is full", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	newTable(t, open(t, path, Options{}))
}

// A call that waits for another process's lock ends with its context.
func TestF7WaitForALockHeedsTheContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b, other := open(t, path, Options{}), open(t, path, Options{})
	table, _ := newTable(t, b)
	b.patience = time.Hour
	if err := other.write(t.Context(), "hold", func(*tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := table.Put(ctx, message(1), backend.Condition{})
		wantKind(t, err, backend.KindUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	put(t, table, message(1))
}

// A lock that another process holds too long is KindThrottled.
func TestLockedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b, other := open(t, path, Options{}), open(t, path, Options{})
	table, _ := newTable(t, b)
	b.patience = time.Millisecond
	if err := other.write(t.Context(), "hold", func(*tx) error {
		_, err := table.Put(t.Context(), message(1), backend.Condition{})
		wantKind(t, err, backend.KindThrottled)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	put(t, table, message(1))
}
