package local

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
)

// Delete implements [backend.Queue].
func (q *queue) Delete(ctx context.Context, receipts []string) ([]backend.EntryError, error) {
	return q.eachReceipt(ctx, "Delete", receipts, (*receiptBatch).delete)
}

// delete deletes a message, or reports why it cannot. A message that was deleted
// before is not a failure, and neither is an old receipt on a standard queue.
func (s *receiptBatch) delete(i int, r receipt) error {
	m, err := s.find(r)
	switch {
	case err != nil || m == nil:
		return err
	case m.current && (m.inFlight || !s.fifo):
		s.touched.add(m.group)
		_, err = s.t.exec("DELETE FROM queue_messages WHERE id = ?", m.id)
		return err
	case s.fifo:
		s.fail(i, "InvalidParameterValue", expiredMessage)
	}
	return nil
}

// ChangeVisibility implements [backend.Queue].
func (q *queue) ChangeVisibility(ctx context.Context, changes []backend.VisibilityChange) ([]backend.EntryError, error) {
	receipts := make([]string, len(changes))
	for i, c := range changes {
		receipts[i] = c.Receipt
	}
	return q.eachReceipt(ctx, "ChangeVisibility", receipts, func(s *receiptBatch, i int, r receipt) error {
		return s.change(i, r, changes[i].Timeout)
	})
}

// change sets a message's visibility, or reports why it cannot.
func (s *receiptBatch) change(i int, r receipt, timeout time.Duration) error {
	if timeout < 0 || timeout > backend.MaxVisibility || timeout%time.Second != 0 {
		s.fail(i, "InvalidParameterValue", "the visibility timeout %v is not in whole seconds from 0s to %v", timeout, backend.MaxVisibility)
		return nil
	}
	m, err := s.find(r)
	switch {
	case err != nil:
		return err
	case m == nil:
		s.fail(i, "InvalidParameterValue", "message does not exist or is not available for visibility timeout change")
	case m.current && (m.inFlight || !s.fifo):
		return s.hide(i, m, timeout)
	case s.fifo:
		s.fail(i, "InvalidParameterValue", expiredMessage)
	}
	return nil
}

const expiredMessage = "the receipt handle has expired"

// receivedMessage is the message of a receipt.
type receivedMessage struct {
	member
	receivedAt time.Time
	current    bool // it was neither received again nor moved since
	inFlight   bool
}

// receiptBatch is one transaction of Delete or ChangeVisibility.
type receiptBatch struct {
	queueRow
	t       *tx
	touched groups
	failed  []backend.EntryError
}

func (s *receiptBatch) fail(i int, code, format string, args ...any) {
	s.failed = append(s.failed, senderFault(i, code, format, args...))
}

// eachReceipt runs f for each receipt that belongs to this queue.
func (q *queue) eachReceipt(
	ctx context.Context, call string, receipts []string, f func(*receiptBatch, int, receipt) error,
) (failed []backend.EntryError, err error) {
	err = q.write(ctx, call, checkEntries(len(receipts)), func(t *tx, row queueRow) error {
		s := &receiptBatch{queueRow: row, t: t, touched: groups{}}
		for i, text := range receipts {
			r, ok := parseReceipt(text, row.nonce)
			if !ok {
				s.fail(i, "ReceiptHandleIsInvalid", "the receipt handle %q is not of this queue", text)
				continue
			}
			if err := f(s, i, r); err != nil {
				return err
			}
		}
		failed = s.failed
		if len(s.touched) > 0 || !row.fifo {
			t.wake(queueTopic(q.name)) // a group may have become free, or a message visible
		}
		return row.refreshAll(t, s.touched)
	})
	return failed, err
}

// find reads the message of a receipt; nil: the message is gone.
func (s *receiptBatch) find(r receipt) (*receivedMessage, error) {
	var queue int64
	var receives int
	var visibleAt, receivedAt *int64
	m := &receivedMessage{member: member{id: r.id}}
	found, err := s.t.row("SELECT queue, grp, receives, visible_at, received_at FROM queue_messages WHERE id = ?",
		[]any{r.id}, &queue, &m.group, &receives, &visibleAt, &receivedAt)
	if err != nil || !found {
		return nil, err
	}
	m.current = queue == s.id && receives == r.receives
	m.inFlight = visibleAt != nil && *visibleAt > s.t.now.UnixMicro()
	if receivedAt != nil {
		m.receivedAt = fromMicros(*receivedAt)
	}
	return m, nil
}

// hide hides a message for the timeout from now on, within the message's 12 hours.
func (s *receiptBatch) hide(i int, m *receivedMessage, timeout time.Duration) error {
	s.touched.add(m.group)
	if timeout == 0 {
		_, err := s.t.exec("UPDATE queue_messages SET visible_at = NULL, process = NULL WHERE id = ?", m.id)
		return err
	}
	visibleAt := s.t.now.Add(timeout)
	if visibleAt.After(m.receivedAt.Add(backend.MaxVisibility)) {
		s.fail(i, "InvalidParameterValue", "the visibility timeout would end later than %v after the first receive", backend.MaxVisibility)
		return nil
	}
	_, err := s.t.exec("UPDATE queue_messages SET visible_at = ?, process = ? WHERE id = ?", visibleAt.UnixMicro(), processToken, m.id)
	return err
}

// receipt names one receive of one message. The count of receives makes each receipt
// unique, and the queue's nonce excludes receipts of other queues and files.
type receipt struct {
	nonce    int64
	id       int64
	receives int
}

func (r receipt) String() string { return opaque(r.nonce, r.id, r.receives) }

// parseReceipt reads a receipt of the queue with the given nonce.
func parseReceipt(s string, nonce int64) (r receipt, ok bool) {
	ok = parseOpaque(s, &r.nonce, &r.id, &r.receives)
	return r, ok && r.nonce == nonce && r.String() == s
}
