package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/postroom/postroom/backend"
)

// A file whose pages are damaged is told as such, whatever is read of it first.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b := open(t, path, Options{})
	table, _ := newTable(t, b)
	for i := range 100 {
		put(t, table, message(i))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096 // the first one says what the file is
	for i := page; i < len(data); i++ {
		data[i] = 0xaa
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		_, err := Open(path, Options{ReadOnly: readOnly})
		if err == nil || !strings.Contains(err.Error(), "damaged: restore a copy") {
			t.Errorf("error %v does not say that the file is damaged", err)
		}
	}
}

// A row that no version of this program has written is an error, and not a queue
// without settings.
func TestDamagedQueue(t *testing.T) {
	t.Parallel()
	b, _, name, _ := newQueueFile(t)
	if err := b.write(t.Context(), "damage", func(tx *tx) error {
		_, err := tx.exec("UPDATE queues SET visibility_s = 'soon'")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.DescribeQueue(t.Context(), name); err == nil || !strings.Contains(err.Error(), "soon") {
		t.Errorf("DescribeQueue: error %v, want one with the value", err)
	}
	spec := fifoSpec("live")
	spec.DeadLetterQueue, spec.MaxReceiveCount = name, 1
	if err := b.CreateQueue(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "soon") {
		t.Errorf("CreateQueue with it as dead-letter queue: error %v, want one with the value", err)
	}
	if _, err := b.Queue(name).Receive(t.Context(), 1, 0, 0); err == nil {
		t.Error("a damaged queue is received from")
	}
}

// TestDamagedItem is an error of whoever reads it: it is not missing.
func TestDamagedItem(t *testing.T) {
	t.Parallel()
	b := open(t, Memory, Options{})
	if err := b.CreateTable(t.Context(), backend.TableSpec{Name: "table", PartitionKey: "PK", SortKey: "SK"}); err != nil {
		t.Fatal(err)
	}
	table, key := b.Table("table"), backend.KeyOf(row(1, 1))
	if _, err := table.Put(t.Context(), row(1, 1), backend.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := b.write(t.Context(), "damage", func(tx *tx) error {
		_, err := tx.exec(`UPDATE items SET item = '{"PK":'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if item, _, err := table.Get(t.Context(), key); err == nil {
		t.Errorf("Get returns %v", item)
	}
	if page, err := table.Query(t.Context(), backend.Query{PK: key.PK}); err == nil {
		t.Errorf("Query returns %v", page.Items)
	}
	if page, err := table.Scan(t.Context(), backend.Scan{Segments: 1}); err == nil {
		t.Errorf("Scan returns %v", page.Items)
	}
}

func TestF8CanWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "postroom.db")
	newTable(t, open(t, path, Options{}))
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no links here: ", err)
	}
	folder := filepath.Join(dir, "folder")
	mine, shared := filepath.Join(folder, "postroom.db"), filepath.Join(dir, "shared.db")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(mine, nil, 0o600), os.Symlink(mine, shared), os.Chmod(folder, 0o500)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) }) // to be removed
	root := os.Geteuid() == 0                         // may write everywhere
	for name, want := range map[string]bool{path: true, link: true, shared: root, filepath.Join(dir, "none", "x.db"): false} {
		if got := canWrite(name); got != want {
			t.Errorf("canWrite(%s) is %v, want %v", name, got, want)
		}
	}
}

// The longest name is taken, and one byte more is not.
func TestLongestAttributeName(t *testing.T) {
	t.Parallel()
	for length, ok := range map[int]bool{maxAttributeBytes: true, maxAttributeBytes + 1: false} {
		name := strings.Repeat("a", length)
		b := open(t, Memory, Options{})
		newTable(t, b)
		if err := b.SetTimeToLive(t.Context(), "postroom", name); (err == nil) != ok {
			t.Errorf("an attribute of %d bytes that expires: %v", length, err)
		}
		err := b.CreateTable(t.Context(), backend.TableSpec{Name: "other", PartitionKey: name, SortKey: "SK"})
		if (err == nil) != ok {
			t.Errorf("a key of %d bytes: %v", length, err)
		}
	}
}

// A token is remembered until the last moment of its life, and not at its end; from
// then on old ones leave faster than new ones come.
// The reason of a refused action is DynamoDB's text alone.
// Close waits for the goroutine that watches for changes.
func TestCloseWaitsForTheWatcher(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Memory, Options{})
		watching := make(chan struct{})
		b.notifier.watch = func() { <-watching }
		b.changed(tableTopic("postroom"))
		closed := make(chan error, 1)
		go func() { closed <- b.Close() }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Errorf("closed while the watcher runs: %v", err)
			close(watching)
		default:
			close(watching)
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
	})
}

// A transaction has at most 4 MB of items, and one that has more writes nothing.
// The digest of a transaction is kept in the file, where other builds compare it.
