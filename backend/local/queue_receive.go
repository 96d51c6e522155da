package local

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
)

// Receive implements [backend.Queue]. The oldest available message comes first. On a
// FIFO queue Receive takes as many messages as possible from the group with the
// oldest message before it goes on to the next group, as SQS does.
func (q *queue) Receive(ctx context.Context, max int, wait, visibility time.Duration) ([]backend.Delivery, error) {
	if err := backend.CheckReceive(max, wait, visibility); err != nil {
		return nil, q.b.wrap(q.op("Receive"), invalid("InvalidParameterValue: %w", err))
	}
	got, err := q.receive(ctx, max, visibility)
	if err != nil || len(got) > 0 || wait == 0 {
		return got, err
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		changed := q.b.changed(queueTopic(q.name)) // before the queue is read, so that no change is missed
		available, next, err := q.available(ctx)
		if err != nil {
			return nil, err
		}
		if available {
			if got, err = q.receive(ctx, max, visibility); err != nil || len(got) > 0 {
				return got, err
			}
			continue
		}
		over, err := q.pause(ctx, changed, deadline.C, next)
		if err != nil || over {
			return nil, err
		}
	}
}

// available reports, without the lock for writing, whether a receive may find a
// message. If not, next is when the next message becomes visible; zero: no message
// is in flight.
func (q *queue) available(ctx context.Context) (available bool, next time.Time, err error) {
	err = q.read(ctx, "Receive", func(t *tx, row queueRow) error {
		query := "SELECT 1 FROM queue_messages WHERE queue = ? AND grp IS NULL AND visible_at IS NULL LIMIT 1"
		if row.fifo {
			query = "SELECT 1 FROM queue_groups WHERE queue = ? AND blocked = 0 LIMIT 1"
		}
		var one, visibleAt int64
		if t.behind {
			available = true // a receive moves the deadlines
			return nil
		}
		if available, err = t.row(query, []any{row.id}, &one); err != nil || available {
			return err
		}
		inFlight, err := t.row(`SELECT visible_at FROM queue_messages
			WHERE queue = ? AND visible_at IS NOT NULL ORDER BY visible_at LIMIT 1`, []any{row.id}, &visibleAt)
		if inFlight {
			next = fromMicros(visibleAt)
			available = !next.After(t.now)
		}
		return err
	})
	return available, next, err
}

// pause waits for a change, for the next message to become visible, or for the
// deadline.
func (q *queue) pause(ctx context.Context, changed <-chan struct{}, deadline <-chan time.Time, next time.Time) (over bool, err error) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(next.Sub(q.b.now()))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-deadline:
		return true, nil
	case <-ctx.Done():
		return false, q.b.wrap(q.op("Receive"), ctx.Err())
	}
	return false, nil
}

// receive takes the messages that are available.
func (q *queue) receive(ctx context.Context, max int, visibility time.Duration) (got []backend.Delivery, err error) {
	for more := true; more && len(got) == 0; {
		err = q.write(ctx, "Receive", nil, func(t *tx, row queueRow) error {
			if !q.registered.Load() {
				if err := registerProcess(t); err != nil {
					return err
				}
			}
			r := receiving{queueRow: row, t: t, max: max, visibleAt: t.now.Add(visibility)}
			more, err = r.run()
			got = r.got
			return err
		})
		if err != nil {
			return nil, err
		}
		q.registered.Store(true)
	}
	return got, nil
}
