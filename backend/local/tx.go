package local

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/postroom/postroom/backend"
)

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
