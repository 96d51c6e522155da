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
