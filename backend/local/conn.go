package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/postroom/postroom/backend"
)

const (
	// busyTimeout is how long a call waits for another process's write lock.
	busyTimeout = 5 * time.Second
	// busyStep is how long SQLite waits for it at a time: nothing ends its wait, so a
	// call whose context is done returns this much later.
	busyStep = 100 * time.Millisecond
)

// conn is one connection with its prepared statements. One goroutine uses it at a
// time.
type conn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
}

// dial opens a pool of connections. Access holds parameters of SQLite's URIs.
func (b *Backend) dial(ctx context.Context, size int, access url.Values, pragmas ...string) (chan *conn, error) {
	db, err := sql.Open("sqlite", dsn(b.path, access, pragmas))
	if err != nil {
		return nil, err
	}
	b.dbs = append(b.dbs, db)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	pool := make(chan *conn, size)
	for range size {
		c, err := db.Conn(ctx)
		if err != nil {
			for range len(pool) {
				b.hangUp(<-pool)
			}
			return nil, err
		}
		pool <- &conn{Conn: c, stmts: make(map[string]*sql.Stmt)}
	}
	return pool, nil
}

func dsn(path string, access url.Values, pragmas []string) string {
	query := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"synchronous(NORMAL)",
	}}
	query["_pragma"] = append(query["_pragma"], pragmas...)
	maps.Copy(query, access)
	if path == Memory {
		return "file::memory:?" + query.Encode()
	}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + query.Encode()
}

// hangUp closes a connection. With the last one SQLite removes the companions at the
// path, unless the files are gone: then they may be those of another file, or needed
// again once the file is back.
func (b *Backend) hangUp(c *conn) {
	if b.Err() != nil {
		_ = c.Raw(func(driver any) error { // if it fails, the next user of that file notices
			_, err := driver.(sqlite.FileControl).FileControlPersistWAL("main", 1)
			return err
		})
	}
	for _, s := range c.stmts {
		_ = s.Close() // the connection is closed next, which reports what matters
	}
	_ = c.Close() // back to its sql.DB, which closes it and reports errors
}

// prepared returns the statement of a query, prepared once for the connection. SQLite
// plans with the value of a parameter that is the whole limit of a query, and so
// compiles the statement again whenever that is bound. It does not look into LIMIT +?.
func (c *conn) prepared(query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, query)
	}
	c.stmts[query] = s
	return s, nil
}

// tx is a transaction. Its statements are short and run to completion; only the
// wait for the transaction to begin can be cancelled.
type tx struct {
	c      *conn
	now    time.Time // of the whole transaction, to the microsecond
	behind bool      // the clock was set back, and no transaction has moved the deadlines yet
	topics []string  // whose waiters are woken after the commit
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.c.prepared(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row reads the first row of a query into dest, and reports whether there was one.
func (t *tx) row(query string, args []any, dest ...any) (bool, error) {
	s, err := t.c.prepared(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// rows runs a query. The same query must not run again before its rows are closed.
func (t *tx) rows(query string, args ...any) (*sql.Rows, error) {
	s, err := t.c.prepared(query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(context.Background(), args...)
}

// collect reads all rows of a query, each with scan. The same query must not run
// again meanwhile.
func collect[T any](t *tx, scan func(*sql.Rows, *T) error, query string, args ...any) (all []T, err error) {
	rows, err := t.rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var row T
		if err := scan(rows, &row); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// execAll runs statements that take an id.
func (t *tx) execAll(id int64, statements ...string) error {
	for _, statement := range statements {
		if _, err := t.exec(statement, id); err != nil {
			return err
		}
	}
	return nil
}

// wake wakes the waiters of a topic once the transaction is committed.
func (t *tx) wake(topic string) { t.topics = append(t.topics, topic) }

// write runs f in a transaction of the writing connection, commits it unless f
// fails, and then wakes its topics. Errors are [backend.Error]s of the op; a
// [backend.Error] of f is passed on.
func (b *Backend) write(ctx context.Context, op string, f func(*tx) error) error {
	if b.readOnly {
		return b.wrap(op, fail(backend.KindDenied, "the file was opened for reading only"))
	}
	topics, err := b.transact(ctx, b.writer, "BEGIN IMMEDIATE", b.timed(true, f))
	if err != nil {
		return b.wrap(op, err)
	}
	select {
	case b.committed <- struct{}{}:
	default: // a checkpoint is due already, or there is no file
	}
	for _, topic := range topics {
		b.wake(topic)
	}
	return nil
}

// read runs f in a transaction that reads one state of the file.
func (b *Backend) read(ctx context.Context, op string, f func(*tx) error) error {
	_, err := b.transact(ctx, b.readers, "BEGIN", b.timed(false, f))
	return b.wrap(op, err)
}

// timed sets the time of a transaction before f.
func (b *Backend) timed(writes bool, f func(*tx) error) func(*tx) error {
	return func(t *tx) error {
		if err := t.setTime(b.now(), writes); err != nil {
			return err
		}
		return f(t)
	}
}

// transact runs f in a transaction of a connection of the pool. It answers, be it with
// an error, only while the file is in its place.
func (b *Backend) transact(ctx context.Context, pool chan *conn, begin string, f func(*tx) error) (topics []string, err error) {
	c, err := b.acquire(ctx, pool)
	if err != nil {
		return nil, err
	}
	defer func() { pool <- c }()
	topics, err = b.run(ctx, c, begin, f)
	if gone := b.inPlace(); gone != nil { // before Close can remove the companions
		return nil, gone
	}
	return topics, err
}

func (b *Backend) run(ctx context.Context, c *conn, begin string, f func(*tx) error) ([]string, error) {
	if err := c.begin(ctx, begin, b.patience); err != nil {
		c.rollback() // the cancellation may have come together with the lock
		return nil, err
	}
	committed := false
	defer func() {
		if !committed { // f failed or panicked
			c.rollback()
		}
	}()
	t := &tx{c: c}
	if err := f(t); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := t.exec("COMMIT"); err != nil {
		return nil, err
	}
	committed = true
	return t.topics, nil
}

// begin begins a transaction. It waits with patience for another process's lock, until
// ctx is done.
func (c *conn) begin(ctx context.Context, begin string, patience time.Duration) error {
	start, err := c.prepared(begin)
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		_, err := start.ExecContext(ctx)
		s, ok := errors.AsType[*sqlite.Error](err)
		switch {
		case !ok || s.Code()&0xff != sqlite3.SQLITE_BUSY:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(began) >= patience:
			return err
		}
	}
}

// acquire takes a connection out of its pool. The caller must put it back.
func (b *Backend) acquire(ctx context.Context, pool chan *conn) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.Err(); err != nil {
		return nil, fail(backend.KindUnavailable, "%w", err)
	}
	select {
	case <-b.done:
		return nil, errClosed()
	default:
	}
	select {
	case c := <-pool:
		return c, nil
	case <-b.done:
		return nil, errClosed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rollback ends a transaction if there is one. After some errors, such as a full
// disk, SQLite has ended the transaction itself; then the failure of the rollback
// does not matter.
func (c *conn) rollback() {
	if s, err := c.prepared("ROLLBACK"); err == nil {
		_, _ = s.ExecContext(context.Background())
	}
}
