package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
)

// placeInterval is how often the files at the backend's path are checked while no call
// does it.
const placeInterval = time.Second

// place is what stood at the backend's path when it was opened: the data file and its
// companions. SQLite goes on with the files that it has open, even if they are no
// longer at that path; what is written then is gone with the last process. In memory
// there is nothing to check.
//
// A file whose content is overwritten in place, and does not get shorter, cannot be
// told from one that SQLite has written.
type place struct {
	path, wal, shm string

	names []string      // of the files that must stay
	infos []fs.FileInfo // of these files; nil: it was missing, and the first check says so
	size  atomic.Int64  // of the data file, the largest that was seen
	// frozen: the files are read without locks, so nothing at all may change.
	frozen bool

	gone chan struct{} // closed once err is set
	err  error
	once sync.Once
}

func (p *place) init(path string) {
	p.path = path
	p.wal, p.shm = companions(path)
	p.gone = make(chan struct{})
}

// companions returns the names of the files that SQLite keeps beside a data file: by
// the file itself, not by a link to it.
func companions(path string) (wal, shm string) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path + "-wal", path + "-shm"
}

// hold takes what stands at a path of the place now for what has to stay there.
func (p *place) hold(names ...string) {
	for _, name := range names {
		info, err := os.Stat(name)
		p.names, p.infos = append(p.names, name), append(p.infos, info)
		if err == nil && name == p.path {
			p.size.Store(info.Size())
		}
	}
}

// check returns an error, from then on always the same, if something else stands at
// the path than before.
func (p *place) check() error {
	if err := p.compare(); err != nil {
		p.once.Do(func() {
			p.err = err
			close(p.gone)
		})
	}
	return p.failed()
}

// failed returns the error of the first check that has failed.
func (p *place) failed() error {
	select {
	case <-p.gone:
		return p.err
	default:
		return nil
	}
}

func (p *place) compare() error {
	for i, name := range p.names {
		before := p.infos[i]
		size := p.size.Load() // before the look: the file may grow at any time
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return p.moved(name, err)
		case !os.SameFile(before, info):
			return p.moved(name, errors.New("another file has its name"))
		case name != p.path:
		case info.Size() < size:
			return fmt.Errorf("the data file %s was truncated from %d to %d bytes while it was open: stop all processes that use it, and restore a copy",
				name, size, info.Size())
		case p.frozen && (info.Size() != size || !info.ModTime().Equal(before.ModTime()) || hasContent(p.wal)):
			return fmt.Errorf("the data file %s was changed while it was read without locks, since it or its folder cannot be written here: start the command again", name)
		default:
			p.size.CompareAndSwap(size, info.Size())
		}
	}
	return nil
}

// moved says that a file is not where it was.
func (p *place) moved(name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // the name comes first
	}
	if name == p.path {
		return fmt.Errorf("the data file %s was removed, renamed or replaced while it was open (%w), so what is written to it now would be lost: "+
			"start the command again once the right file is in its place", name, err)
	}
	return fmt.Errorf("%s, a part of the data file, was removed or replaced while it was open (%w), so what is written now would be lost: "+
		"stop all processes that use the data file, and start them again", name, err)
}

func hasContent(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Size() > 0
}

// Gone returns a channel that is closed when the file at the backend's path, or one of
// its companions, is no longer the one that was opened, or when it was truncated. The next
// call notices, and within a second so does the backend if there is no call. Then
// every call fails with KindUnavailable, [Backend.Err] says why, and only Close is
// left to do. No call answers from a file that is not at the path.
func (b *Backend) Gone() <-chan struct{} { return b.place.gone }

// Err returns why the channel of [Backend.Gone] is closed; nil: it is open.
func (b *Backend) Err() error { return b.place.failed() }

// inPlace returns an error if the files are not in their place.
func (b *Backend) inPlace() error {
	if err := b.place.check(); err != nil {
		b.notifier.wakeAll() // the waiters' own calls report it
		return fail(backend.KindUnavailable, "%w", err)
	}
	return nil
}

// guard checks the place until Close, or until the files are gone.
func (b *Backend) guard() {
	ticker := time.NewTicker(placeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-b.done:
			return
		case <-b.place.gone:
			return
		case <-ticker.C:
			_ = b.inPlace() // Gone and the calls report it
		}
	}
}
