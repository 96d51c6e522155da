package local

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
)

// queue implements [backend.Queue].
type queue struct {
	b    *Backend
	name string
	// registered: the file names this process, so that others can find out whether
	// the receiver of a message is still alive.
	registered atomic.Bool
}

// upkeepStep bounds the upkeep of one call, so that each transaction stays short.
const upkeepStep = 100

func (q *queue) op(call string) string { return call + " " + q.name }

// write runs f with the queue's row in a transaction, unless the call is wrong as
// a whole: then refused says why.
func (q *queue) write(ctx context.Context, call string, refused error, f func(*tx, queueRow) error) error {
	if refused != nil {
		return q.b.wrap(q.op(call), refused)
	}
	return q.b.write(ctx, q.op(call), q.withRow(f))
}

func (q *queue) read(ctx context.Context, call string, f func(*tx, queueRow) error) error {
	return q.b.read(ctx, q.op(call), q.withRow(f))
}

func (q *queue) withRow(f func(*tx, queueRow) error) func(*tx) error {
	return func(t *tx) error {
		row, err := t.queue(q.name)
		if err != nil {
			return err
		}
		return f(t, row)
	}
}

// checkEntries reports a batch of a length that SQS does not take.
func checkEntries(n int) error {
	switch {
	case n == 0:
		return invalid("EmptyBatchRequest: the batch has no entries")
	case n > backend.MaxQueueBatch:
		return invalid("TooManyEntriesInBatchRequest: the batch has %d entries, at most %d are allowed", n, backend.MaxQueueBatch)
	}
	return nil
}

// senderFault returns the failure of an entry whose retry would fail too.
func senderFault(index int, code, format string, args ...any) backend.EntryError {
	return backend.EntryError{Index: index, Code: code, SenderFault: true, Message: fmt.Sprintf(format, args...)}
}

// Depth counts exactly, and tells how old the oldest message is.
func (q *queue) Depth(ctx context.Context) (depth backend.Depth, err error) {
	err = q.read(ctx, "Depth", func(t *tx, row queueRow) error {
		query := depthOfStandard
		if row.fifo {
			query = depthOfFIFO
		}
		now := t.now.UnixMicro()
		var oldest sql.NullInt64
		if _, err := t.row(query, []any{row.id, now}, &depth.Visible, &depth.InFlight, &oldest); err != nil {
			return err
		}
		if oldest.Valid {
			depth.Oldest = fromMicros(oldest.Int64)
		}
		return nil
	})
	return depth, err
}

// A message in flight past its retention counts as in flight; it is gone when its
// visibility ends.
const (
	inFlight = `(SELECT count(*) FROM queue_messages WHERE queue = ?1 AND visible_at > ?2)`

	depthOfStandard = `SELECT
  (SELECT count(*) FROM queue_messages
     WHERE queue = ?1 AND grp IS NULL AND visible_at IS NULL AND expires_at > ?2) +
  (SELECT count(*) FROM queue_messages
     WHERE queue = ?1 AND visible_at <= ?2 AND expires_at > ?2), ` + inFlight + `,
  (SELECT sent_at FROM queue_messages WHERE id = (SELECT min(id) FROM
    (SELECT min(id) AS id FROM queue_messages
       WHERE queue = ?1 AND grp IS NULL AND visible_at IS NULL AND expires_at > ?2
     UNION ALL
     SELECT min(id) FROM queue_messages WHERE queue = ?1 AND visible_at IS NOT NULL AND expires_at > ?2)))`

	depthOfFIFO = `SELECT
  (SELECT count(*) FROM queue_messages
     WHERE queue = ?1 AND grp IS NOT NULL AND expires_at > ?2) -
  (SELECT count(*) FROM queue_messages
     WHERE queue = ?1 AND visible_at > ?2 AND expires_at > ?2), ` + inFlight + `,
  (SELECT sent_at FROM queue_messages WHERE id =
    (SELECT min(id) FROM queue_messages WHERE queue = ?1 AND grp IS NOT NULL AND expires_at > ?2))`
)

// fromMicros is the inverse of UnixMicro.
func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
