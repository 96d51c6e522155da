package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// While a process holds the lock for writing, others open the file, read it, and close
// it. Opening it for writing takes no lock either.
func TestF8ReadingNeedsNoWriteLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	writer := open(t, path, Options{})
	table, _ := newTable(t, writer)
	put(t, table, message(1))
	if err := writer.write(t.Context(), "hold", func(hold *tx) error {
		if _, err := hold.exec("DELETE FROM items"); err != nil {
			return err
		}
		for _, readOnly := range []bool{true, false} {
			b := open(t, path, Options{ReadOnly: readOnly})
			if n := len(readAll(t, b.Stream("postroom"))); n != 1 {
				t.Errorf("read-only %v: %d records, want 1", readOnly, n)
			}
			if item, _, err := b.Table("postroom").Get(t.Context(), backend.KeyOf(message(1))); err != nil || item == nil {
				t.Errorf("read-only %v: item %v, %v", readOnly, item, err)
			}
			if err := b.Close(); err != nil {
				t.Errorf("read-only %v: close: %v", readOnly, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A backend that only reads refuses to write, sees what others write, and is woken by it.
func TestF8ReadOnlyBackend(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	writer := open(t, path, Options{})
	table, _ := newTable(t, writer)
	b := open(t, path, Options{ReadOnly: true})
	_, err := b.Table("postroom").Put(t.Context(), message(1), backend.Condition{})
	wantKind(t, err, backend.KindDenied)
	for i := range 3 {
		changed := b.Stream("postroom").Changed()
		put(t, table, message(i))
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			t.Fatal("not woken")
		}
		if n := count(t, b, "items"); n != i+1 {
			t.Errorf("%d items, want %d", n, i+1)
		}
	}
}

func TestF8ReadOnlyNeedsAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]backend.Kind{
		filepath.Join(dir, "none.db"): backend.KindNotFound, empty: backend.KindNotFound, Memory: backend.KindInvalid,
	} {
		_, err := Open(path, Options{ReadOnly: true})
		wantKind(t, err, kind)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("the folder holds %v, %v; want the empty file", names, err)
	}
}

// A file that is read without locks, since it cannot be written, is answered from for
// as long as it stays as it is.
func TestF8FileThatChangesWhileItIsReadWithoutLocks(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"a writer comes": func(t *testing.T, path string) {
			table := open(t, path, Options{}).Table("postroom")
			put(t, table, message(2))
		},
		"a writer came and went": func(t *testing.T, path string) {
			writer := open(t, path, Options{})
			put(t, writer.Table("postroom"), message(2))
			if err := writer.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"replaced": func(t *testing.T, path string) { move(t, otherFile(t, path), path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "postroom.db")
			writer := open(t, path, Options{})
			table, _ := newTable(t, writer)
			put(t, table, message(1))
			if err := writer.Close(); err != nil {
				t.Fatal(err)
			}
			b := openWithoutLocks(t, path)
			if n := count(t, b, "items"); n != 1 {
				t.Fatalf("%d items, want 1", n)
			}
			if names, err := filepath.Glob(path + "*"); err != nil || len(names) != 1 {
				t.Errorf("files %v, %v; want the data file", names, err)
			}
			change(t, path)
			_, _, err := b.Table("postroom").Get(t.Context(), backend.KeyOf(message(1)))
			wantKind(t, err, backend.KindUnavailable)
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v does not name the file", err)
			}
		})
	}
}

// openWithoutLocks opens a file as if this process had no permission to write it.
func openWithoutLocks(t *testing.T, path string) *Backend {
	t.Helper()
	b := &Backend{path: path, clock: time.Now, readOnly: true, done: make(chan struct{})}
	b.place.init(path)
	t.Cleanup(func() { _ = b.Close() })
	if err := b.connectReadOnly(readAccess(path, false)); err != nil {
		t.Fatal(err)
	}
	return b
}
