package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/postroom/postroom/backend"
)

// connect opens the connections, and creates the schema in a new file.
func (b *Backend) connect(fresh settings) error {
	ctx := context.Background()
	_, err := os.Stat(b.path)
	exists := err == nil && b.path != Memory
	if exists {
		b.place.hold(b.path)
	}
	if err := b.connectWriter(ctx); err != nil {
		return err
	}
	if err := b.prepareFile(ctx, fresh); err != nil {
		return err
	}
	if err := b.waitInSteps(ctx); err != nil {
		return err
	}
	b.readers = b.writer
	if b.path == Memory {
		return nil
	}
	if !exists {
		b.place.init(b.path) // by now a link leads somewhere
		b.place.hold(b.path)
	}
	b.place.hold(b.place.wal, b.place.shm)
	if err := b.connectReaders(ctx, nil); err != nil {
		return err
	}
	return b.startCheckpoints(ctx)
}

// connectWriter opens the writing connection, and with it the file.
func (b *Backend) connectWriter(ctx context.Context) (err error) {
	mode := url.Values{}
	if b.path != Memory {
		like, err := template(b.path)
		if like != "" {
			defer func() { _ = os.Remove(like) }() // it is empty: if it stays it does no harm
			mode.Set("modeof", like)
		}
		if err != nil {
			return err
		}
	}
	// The cache is 16 MB. The checkpoints move the WAL into the file; the writer
	// itself does so only if they do not keep up, at 128 MB.
	b.writer, err = b.dial(ctx, 1, mode, "cache_size(-16384)", "wal_autocheckpoint(32000)")
	return err
}

// waitInSteps has the writing connection wait for locks in steps, from now on.
func (b *Backend) waitInSteps(ctx context.Context) error {
	c := <-b.writer
	defer func() { b.writer <- c }()
	_, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyStep.Milliseconds()))
	return err
}

// connectReaders opens the connections that read, and begins to guard the files.
func (b *Backend) connectReaders(ctx context.Context, access url.Values) (err error) {
	b.readers, err = b.dial(ctx, readConnections, access, "query_only(1)")
	if err != nil {
		return err
	}
	b.notifier.watch = b.watch
	if b.notifier.version, err = b.dataVersion(); err != nil {
		return err
	}
	b.background.Go(b.guard)
	return b.inPlace()
}

// connectReadOnly opens the connections of a backend that only reads. It waits for no
// lock that a writer holds.
func (b *Backend) connectReadOnly(access url.Values) error {
	ctx := context.Background()
	b.place.hold(b.path)
	if err := b.readFile(ctx, access); err != nil {
		if access.Has("readonly_shm") {
			err = fmt.Errorf("%w\nWhat was written last is in %s, which cannot be read without permission to write the file and its folder: copy both to another folder, and read them there", err, b.place.wal)
		}
		return err
	}
	if b.place.frozen = access.Has("immutable"); !b.place.frozen {
		b.place.hold(b.place.wal, b.place.shm)
	}
	return b.connectReaders(ctx, access)
}

// readFile opens the first connection of a backend that only reads, and reads the
// settings.
func (b *Backend) readFile(ctx context.Context, access url.Values) (err error) {
	b.writer, err = b.dial(ctx, 1, access, "query_only(1)") // it only watches for changes
	if err != nil {
		return err
	}
	_, err = b.transact(ctx, b.writer, "BEGIN", func(t *tx) error {
		isNew, err := t.isNew()
		if err == nil && isNew {
			err = fail(backend.KindNotFound, "nothing was ever written to the file")
		}
		if err != nil {
			return err
		}
		return b.loadSettings(t)
	})
	return err
}

// readAccess returns with which parameters SQLite reads a file and leaves nothing
// behind. A reader takes part in the locks, for which it writes to -shm. One that must
// not write can read all the same, unless part of the data is in the WAL and no writer
// keeps a -shm beside it: alone it takes the file for one that nobody changes, which
// the place checks.
func readAccess(path string, writable bool) url.Values {
	wal, _ := companions(path)
	switch {
	case writable:
		return url.Values{"mode": {"rw"}}
	case hasContent(wal):
		return url.Values{"mode": {"ro"}, "readonly_shm": {"1"}}
	}
	return url.Values{"mode": {"ro"}, "immutable": {"1"}}
}

var errStray = errors.New("the file is missing or empty")

// checkStray returns an error if there is no data file, or an empty one, beside
// companions of another one. SQLite would delete what they hold, or mix them with a
// new file.
func checkStray(path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return nil
	}
	wal, shm := companions(path)
	for _, name := range []string{wal, shm} {
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w, and %s of an earlier file is there: if the file was moved, move it back; "+
				"if it was removed, stop all processes that use it, and remove %s and %s too", errStray, name, wal, shm)
		}
	}
	return nil
}
