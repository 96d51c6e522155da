package local

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/retry"
)

// Memory is the path of a private database in memory that is gone once it is closed.
const Memory = ":memory:"

// Options of [Open]. The zero value is ready for use.
type Options struct {
	// Now is the wall clock; default time.Now. Times are kept with a precision of a
	// microsecond. Everything that ends with time follows this clock: iterators,
	// records, visibility, retention. It may be set back.
	Now func() time.Time
	// ReadOnly opens a file that exists for reading: it waits for no writer, and needs
	// no permission to write the file or its folder. Calls that write are KindDenied.
	ReadOnly bool

	// The settings below are stored in the file. They apply when the file is
	// created and are ignored when it exists.

	// Shards is how many shards of a stream may be open at once; default 4, at most
	// 1,000. A stream starts with one shard, which splits as the stream grows.
	Shards int
	// RollSize is how many records a shard takes before it closes; default 1,000.
	RollSize int
	// IndexLag is how far an index lags behind its table; default 0. Entries appear
	// after IndexLag and disappear after half of it, so a moved item may be missing
	// for a moment, as it may on DynamoDB.
	IndexLag time.Duration
}

// Backend is an open file. It implements [backend.Backend].
type Backend struct {
	path     string
	clock    func() time.Time
	readOnly bool
	settings settings
	place    place
	patience time.Duration // with another process's write lock

	writer  chan *conn // holds the one writing connection while nobody uses it; it only reads if readOnly
	readers chan *conn // the same channel as writer for Memory
	dbs     []*sql.DB

	notifier   notifier
	committed  chan struct{}  // starts a checkpoint; nil for Memory
	background sync.WaitGroup // of the checkpoints and the guard
	done       chan struct{}  // closed when Close begins
	closeOnce  sync.Once
	closeErr   error
}

var _ backend.Backend = (*Backend)(nil)

const (
	readConnections = 4

	defaultShards   = 4
	maxShards       = 1000
	defaultRollSize = 1000
)

// Open opens the file at path, and creates the file if there is none; its folder
// must exist. The errors are [backend.Error]s that name the file.
func Open(path string, opts Options) (*Backend, error) {
	op := "open " + path
	if opts.Now == nil {
		opts.Now = time.Now
	}
	fresh, err := opts.settings()
	if err != nil {
		return nil, &backend.Error{Op: op, Kind: backend.KindInvalid, Err: err}
	}
	// Where several processes create a file at once it has companions before its first
	// page, and while that page is written SQLite fails other openers without waiting.
	begun := time.Now()
	beginning := retry.Policy{
		Min: 20 * time.Millisecond, Max: 40 * time.Millisecond, Patience: beginTime,
		Final: func(err error) bool {
			begins := errors.Is(err, errStray) || backend.KindOf(err) == backend.KindThrottled
			return !begins || time.Since(begun) > beginTime
		},
	}
	var b *Backend
	err = beginning.Do(context.Background(), func(context.Context) (err error) {
		b, err = openOnce(path, opts, fresh)
		return err
	})
	return b, err
}

// beginTime bounds how long it takes another process to create a file.
const beginTime = 2 * time.Second

func openOnce(path string, opts Options, fresh settings) (b *Backend, err error) {
	if err := checkPath(path, opts.ReadOnly); err != nil {
		return nil, &backend.Error{Op: "open " + path, Kind: pathKind(err), Err: err}
	}
	b = &Backend{path: path, clock: opts.Now, readOnly: opts.ReadOnly, patience: busyTimeout, done: make(chan struct{})}
	b.place.init(path)
	if opts.ReadOnly {
		err = b.connectReadOnly(readAccess(path, canWrite(path)))
	} else {
		err = b.connect(fresh)
	}
	if err != nil {
		if gone := b.inPlace(); gone != nil {
			err = gone // and the cause
		}
		return nil, b.wrap("open "+path, errors.Join(err, b.Close()))
	}
	return b, nil
}

// settings returns the settings of a new file.
func (o Options) settings() (settings, error) {
	s := settings{Shards: o.Shards, RollSize: o.RollSize, IndexLag: o.IndexLag}
	option.Default(&s.Shards, defaultShards)
	option.Default(&s.RollSize, defaultRollSize)
	return s, errors.Join(
		option.Check("local", "Shards", s.Shards, 1, maxShards),
		option.Check("local", "RollSize", s.RollSize, 1, math.MaxInt),
		option.Check("local", "IndexLag", s.IndexLag, 0, math.MaxInt64))
}

// Stream returns the stream of a table.
func (b *Backend) Stream(table string) backend.Stream { return &stream{b: b, table: table} }

// now reads the wall clock, to the microsecond.
func (b *Backend) now() time.Time { return b.clock().UTC().Truncate(time.Microsecond) }

// Close waits for running calls, ends the calls that wait for a change, and closes
// the file. Calls after it fail. It may be called again and returns the same error.
func (b *Backend) Close() error {
	b.closeOnce.Do(func() {
		_ = b.inPlace() // for hangUp
		close(b.done)
		b.notifier.close()
		b.background.Wait()
		b.drain(b.writer)
		if b.readers != b.writer {
			b.drain(b.readers)
		}
		var errs []error
		for _, db := range b.dbs {
			errs = append(errs, db.Close())
		}
		b.closeErr = b.wrap("close "+b.path, errors.Join(errs...))
	})
	return b.closeErr
}

// drain takes all connections out of a pool and closes them.
func (b *Backend) drain(pool chan *conn) {
	for range cap(pool) {
		b.hangUp(<-pool)
	}
}
