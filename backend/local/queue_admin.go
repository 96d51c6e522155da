package local

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"regexp"
	"strings"

	"github.com/postroom/postroom/backend"
)

// Bounds of a queue's settings. Source: SQS API reference, CreateQueue.
const (
	fifoSuffix      = ".fifo"
	maxVisibilityS  = 43_200
	minRetentionS   = 60
	maxRetentionS   = 1_209_600
	maxMaxReceives  = 1_000
	maxQueueNameLen = 80
)

var queueNamePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.fifo)?$`)

// Queue returns the named queue.
//
// A FIFO queue delivers a group's messages in the order of sending, several in one
// receive, and none behind a message in flight; a message that was released, or
// whose visibility has ended, comes first again. Deduplication is per group, for
// five minutes after the first sending, even if the message was deleted meanwhile.
// A standard queue delivers the oldest message first, and no message blocks another.
//
// Depth is exact. There is no delay and no limit of messages in flight. A message
// moves to the dead-letter queue, or is dropped at the end of its retention, only
// when it would be received next or when a message is sent.
func (b *Backend) Queue(name string) backend.Queue { return &queue{b: b, name: name} }

// CreateQueue creates a queue. An existing name is KindExists, and a dead-letter
// queue that does not exist is KindNotFound.
func (b *Backend) CreateQueue(ctx context.Context, spec backend.QueueSpec) error {
	op := "CreateQueue " + spec.Name
	if err := checkQueueSpec(spec); err != nil {
		return b.wrap(op, err)
	}
	return b.write(ctx, op, func(t *tx) error {
		if dead := spec.DeadLetterQueue; dead != "" {
			found, err := findQueue(t, dead)
			if err != nil {
				return err
			}
			if found == nil {
				return fail(backend.KindNotFound, "its dead-letter queue %s does not exist: create that first", dead)
			}
		}
		added, err := t.exec(`INSERT INTO queues (name, nonce, visibility_s, retention_s, dead_letter, max_receives)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			spec.Name, rand.Int64(), spec.VisibilitySeconds, spec.RetentionSeconds, spec.DeadLetterQueue, spec.MaxReceiveCount)
		if err == nil && added == 0 {
			return fail(backend.KindExists, "there is a queue %q", spec.Name)
		}
		return err
	})
}

func checkQueueSpec(s backend.QueueSpec) error {
	switch {
	case !queueNamePattern.MatchString(s.Name) || len(s.Name) > maxQueueNameLen:
		return invalid("the name must have 1 to %d letters, digits, - and _, with %s at the end included", maxQueueNameLen, fifoSuffix)
	case s.VisibilitySeconds < 0 || s.VisibilitySeconds > maxVisibilityS:
		return invalid("VisibilitySeconds is %d, want 0 to %d", s.VisibilitySeconds, maxVisibilityS)
	case s.RetentionSeconds < minRetentionS || s.RetentionSeconds > maxRetentionS:
		return invalid("RetentionSeconds is %d, want %d to %d", s.RetentionSeconds, minRetentionS, maxRetentionS)
	case s.DeadLetterQueue == "" && s.MaxReceiveCount != 0:
		return invalid("MaxReceiveCount is set without a DeadLetterQueue")
	case s.DeadLetterQueue == "":
		return nil
	case s.MaxReceiveCount < 1 || s.MaxReceiveCount > maxMaxReceives:
		return invalid("MaxReceiveCount is %d, want 1 to %d", s.MaxReceiveCount, maxMaxReceives)
	case isFIFO(s.DeadLetterQueue) != isFIFO(s.Name):
		return invalid("the dead-letter queue %s is not of the same type: both names must end in %s, or neither", s.DeadLetterQueue, fifoSuffix)
	}
	return nil
}

func isFIFO(name string) bool { return strings.HasSuffix(name, fifoSuffix) }

// DescribeQueue returns the shape of an existing queue.
func (b *Backend) DescribeQueue(ctx context.Context, name string) (spec backend.QueueSpec, err error) {
	err = b.read(ctx, "DescribeQueue "+name, func(t *tx) error {
		q, err := t.queue(name)
		spec = q.spec
		return err
	})
	return spec, err
}

// DeleteQueue deletes a queue and everything in it. Queues that have it as their
// dead-letter queue then keep the messages that would have moved there.
func (b *Backend) DeleteQueue(ctx context.Context, name string) error {
	return b.write(ctx, "DeleteQueue "+name, func(t *tx) error {
		q, err := t.queue(name)
		if err != nil {
			return err
		}
		t.wake(queueTopic(name)) // the waiters find that the queue is gone
		return t.execAll(q.id,
			"DELETE FROM queue_messages WHERE queue = ? AND grp IS NOT NULL",
			"DELETE FROM queue_messages WHERE queue = ? AND grp IS NULL AND visible_at IS NULL",
			"DELETE FROM queue_messages WHERE queue = ? AND visible_at IS NOT NULL",
			"DELETE FROM queue_groups WHERE queue = ?",
			"DELETE FROM queues WHERE id = ?")
	})
}

// queueRow is a queue's row in the file.
type queueRow struct {
	id, nonce int64
	fifo      bool
	spec      backend.QueueSpec
}

const selectQueues = "SELECT id, nonce, name, visibility_s, retention_s, dead_letter, max_receives FROM queues"

func scanQueue(rows *sql.Rows, q *queueRow) error {
	s := &q.spec
	err := rows.Scan(&q.id, &q.nonce, &s.Name, &s.VisibilitySeconds, &s.RetentionSeconds, &s.DeadLetterQueue, &s.MaxReceiveCount)
	q.fifo = isFIFO(s.Name)
	return err
}

// findQueue reads the row of a queue; nil: there is none.
func findQueue(t *tx, name string) (*queueRow, error) {
	found, err := collect(t, scanQueue, selectQueues+" WHERE name = ?", name)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// queue reads the row of a queue that must exist.
func (t *tx) queue(name string) (queueRow, error) {
	q, err := findQueue(t, name)
	if err == nil && q == nil {
		err = fail(backend.KindNotFound, "there is no queue %q", name)
	}
	if err != nil {
		return queueRow{}, err
	}
	return *q, nil
}
