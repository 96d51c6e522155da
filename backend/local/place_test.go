package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

// misfortunes are what can happen to the files of an open backend.
var misfortunes = map[string]struct {
	happen  func(t *testing.T, path string)
	message string
}{
	"removed":  {func(t *testing.T, path string) { remove(t, path) }, "the data file "},
	"renamed":  {func(t *testing.T, path string) { move(t, path, path+".old") }, "the data file "},
	"replaced": {func(t *testing.T, path string) { move(t, otherFile(t, path), path) }, "the data file "},
	"truncated": {func(t *testing.T, path string) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}, "was truncated from "},
	"wal removed":  {func(t *testing.T, path string) { remove(t, path+"-wal") }, "-wal, a part of the data file"},
	"shm removed":  {func(t *testing.T, path string) { remove(t, path+"-shm") }, "-shm, a part of the data file"},
	"wal replaced": {func(t *testing.T, path string) { move(t, otherFile(t, path), path+"-wal") }, "-wal, a part of the data file"},
	"all removed": {func(t *testing.T, path string) {
		remove(t, path)
		remove(t, path+"-wal")
		remove(t, path+"-shm")
	}, "the data file "},
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// otherFile makes a data file without companions beside another one.
func otherFile(t *testing.T, path string) string {
	t.Helper()
	other := path + ".other"
	if err := open(t, other, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	return other
}

// Nothing is answered from files that are not at the path: neither a write nor a read,
// whether the file is missing or there is another one.
func TestF1NothingIsAnsweredFromAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	for name, misfortune := range misfortunes {
		for _, first := range []string{"write", "read", "wait"} {
			t.Run(name+"/"+first, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "postroom.db")
				b := open(t, path, Options{})
				table, stream := newTable(t, b)
				put(t, table, message(1))
				settle(t, b)
				misfortune.happen(t, path)
				calls := map[string]func() error{
					"write": func() error {
						_, err := table.Put(t.Context(), message(2), backend.Condition{})
						return err
					},
					"read": func() error {
						_, _, err := table.Get(t.Context(), backend.KeyOf(message(1)))
						return err
					},
					"wait": func() error {
						<-stream.Changed()
						_, err := stream.Shards(t.Context(), "")
						return err
					},
				}
				for _, call := range []string{first, "write", "read"} { // it stays so
					err := calls[call]()
					wantKind(t, err, backend.KindUnavailable)
					if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), misfortune.message) {
						t.Errorf("%s: error %v, want one with the path and %q", call, err, misfortune.message)
					}
				}
				_ = b.write(t.Context(), "write", func(*tx) error {
					t.Error("a transaction begins in a file that is gone")
					return nil
				})
				select {
				case <-b.Gone():
				default:
					t.Error("Gone is open")
				}
				if b.Err() == nil {
					t.Error("no Err")
				}
			})
		}
	}
}

// settle moves the WAL into the file, so that no checkpoint makes it longer later.
func settle(t *testing.T, b *Backend) {
	t.Helper()
	c := <-b.writer
	defer func() { b.writer <- c }()
	for pages, moved := -1, 0; pages < 0 || moved < pages; { // another checkpoint may run
		var err error
		if pages, moved, err = c.checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
}

// It is noticed within a second without any call, by writers and by readers.
func TestF1IsNoticedWithoutACall(t *testing.T) {
	t.Parallel()
	for name, misfortune := range misfortunes {
		for _, readOnly := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "postroom.db")
				newTable(t, open(t, path, Options{}))
				synctest.Test(t, func(t *testing.T) {
					b := open(t, path, Options{ReadOnly: readOnly})
					time.Sleep(time.Hour)
					if err := b.Err(); err != nil {
						t.Fatal(err)
					}
					misfortune.happen(t, path)
					begun := time.Now()
					<-b.Gone()
					if took := time.Since(begun); took > placeInterval {
						t.Errorf("noticed after %v", took)
					}
				})
			})
		}
	}
}

// A file that is gone as soon as it was opened is noticed, also if there is another one
// since.
func TestF1GoneBeforeItIsHeld(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "postroom.db")
		for _, missing := range []string{path, path + "-wal", path + "-shm"} {
			var p place
			p.init(path)
			p.hold(missing)
			if again {
				if err := os.WriteFile(missing, []byte("content"), privateMode); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.check(); err == nil || !strings.Contains(err.Error(), missing) {
				t.Errorf("%s is missing, there again %t: error %v", filepath.Base(missing), again, err)
			}
		}
	}
}

// The files grow, other processes come and go, the WAL is moved into the file: nothing
// of that is a misfortune.
func TestF1WhatSQLiteDoesIsInPlace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b := open(t, path, Options{})
	table, _ := newTable(t, b)
	for i := range 300 {
		put(t, table, message(i))
		if i%50 == 0 {
			other, reader := open(t, path, Options{}), open(t, path, Options{ReadOnly: true})
			put(t, other.Table("postroom"), message(1000+i))
			_ = count(t, reader, "items")
			for _, b := range []*Backend{other, reader} {
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
			}
			execFile(t, path, "PRAGMA wal_checkpoint(FULL)")
		}
	}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
}

// A link to another place works, and what it names is what counts.
func TestF1DataFileBehindALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "postroom.db")
	if err := os.Symlink(filepath.Join(dir, "one", "1.db"), link); err != nil {
		t.Skip("no links here: ", err)
	}
	b := open(t, link, Options{})
	table, _ := newTable(t, b)
	put(t, table, message(1))
	if info, err := os.Stat(filepath.Join(dir, "one", "1.db")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	remove(t, link)
	if err := os.Symlink(filepath.Join(dir, "two", "2.db"), link); err != nil {
		t.Fatal(err)
	}
	_, err := table.Put(t.Context(), message(2), backend.Condition{})
	wantKind(t, err, backend.KindUnavailable)
}

// A process that ends because its file is gone takes nothing away: neither from a file
// that is moved back, nor from those that have opened a new one.
func TestF1TheEndOfAGoneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	old := open(t, path, Options{})
	table, _ := newTable(t, old)
	for i := range 20 {
		put(t, table, message(i))
	}
	move(t, path, path+".old")
	// As long as what belonged to the old file lies there, no new one is made.
	_, err := Open(path, Options{})
	wantKind(t, err, backend.KindInvalid)
	if err == nil || !strings.Contains(err.Error(), path+"-wal") || !strings.Contains(err.Error(), "move it back") {
		t.Errorf("error %v, want one that names the WAL and the remedy", err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	move(t, path+".old", path)
	first := open(t, path, Options{})
	if n := count(t, first, "items"); n != 20 {
		t.Errorf("the file has %d items, 20 were answered", n)
	}

	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		remove(t, name)
	}
	second := open(t, path, Options{})
	table, _ = newTable(t, second)
	put(t, table, message(1))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, table, message(2))
	if n := count(t, open(t, path, Options{}), "items"); n != 2 {
		t.Errorf("the new file has %d items, 2 were answered", n)
	}
}

// An empty file beside a WAL would lose what the WAL holds.
func TestF1EmptyFileBesideAWAL(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	for name, content := range map[string]string{path: "", path + "-wal": "frames"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, readOnly := range []bool{false, true} {
		_, err := Open(path, Options{ReadOnly: readOnly})
		wantKind(t, err, backend.KindInvalid)
	}
	if data, err := os.ReadFile(path + "-wal"); err != nil || string(data) != "frames" {
		t.Errorf("the WAL is %q, %v", data, err)
	}
}
