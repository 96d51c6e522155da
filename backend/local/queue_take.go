package local

import (
	"database/sql"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom/backend"
)

// receiving is one transaction of a receive.
type receiving struct {
	queueRow
	t         *tx
	max       int
	visibleAt time.Time

	got  []backend.Delivery
	dead *queueRow // the dead-letter queue, if it exists
	gone int       // messages that were dropped or dead-lettered meanwhile
}

// candidate is a message that a receive may deliver.
type candidate struct {
	member
	visibleAt, receivedAt *int64
	expiresAt             int64
	receives              int
	d                     backend.Delivery
}

const candidateColumns = `SELECT id, grp, visible_at, received_at, expires_at, sent_at, receives, uuid, group_id, dedup_id, body, attributes
	FROM queue_messages `

// run takes up to max messages. It reports whether there may be more to take even if
// it took none, since its upkeep goes in steps.
func (r *receiving) run() (more bool, err error) {
	if more, err = r.releaseDue(r.t); err != nil {
		return false, err
	}
	if name := r.spec.DeadLetterQueue; name != "" {
		if r.dead, err = findQueue(r.t, name); err != nil {
			return false, err
		}
	}
	take := r.takeStandard
	if r.fifo {
		take = r.takeGroups
	}
	for len(r.got) < r.max {
		if r.gone >= upkeepStep {
			return true, nil
		}
		found, err := take()
		if err != nil {
			return false, err
		}
		if !found {
			break
		}
	}
	return more, nil
}

// takeStandard takes the oldest messages that are ready.
func (r *receiving) takeStandard() (found bool, err error) {
	ms, err := r.candidates("WHERE queue = ? AND grp IS NULL AND visible_at IS NULL ORDER BY id LIMIT +?", r.id, r.max-len(r.got))
	if err != nil {
		return false, err
	}
	taken, err := r.deliverAll(ms)
	if err != nil {
		return false, err
	}
	return len(ms) > 0, r.hide(taken)
}

// takeGroups takes messages from the free groups with the oldest heads.
func (r *receiving) takeGroups() (found bool, err error) {
	free, err := members(r.t, "SELECT head, id FROM queue_groups WHERE queue = ? AND blocked = 0 ORDER BY head LIMIT +?", r.id, r.max-len(r.got))
	if err != nil {
		return false, err
	}
	var taken, blocked []int64
	for _, g := range free {
		if len(r.got) == r.max {
			break
		}
		gone := r.gone
		ids, err := r.takeGroup(*g.group)
		if err != nil {
			return false, err
		}
		if r.gone == gone {
			taken = append(taken, ids...)
			blocked = append(blocked, *g.group)
			continue
		}
		// Its head has changed.
		if err := r.hide(ids); err != nil {
			return false, err
		}
		if err := r.refresh(r.t, g.group); err != nil {
			return false, err
		}
	}
	if err := r.hide(taken); err != nil {
		return false, err
	}
	if len(blocked) > 0 {
		_, err = r.t.exec("UPDATE queue_groups SET blocked = 1 WHERE id IN (SELECT value FROM json_each(?))", jsonList(blocked))
	}
	return len(free) > 0, err
}

// takeGroup takes a group's messages from the head up to the first one in flight.
func (r *receiving) takeGroup(group int64) (taken []int64, err error) {
	after := int64(0)
	for len(r.got) < r.max && r.gone < upkeepStep {
		limit := r.max - len(r.got)
		ms, err := r.candidates("WHERE queue = ? AND grp = ? AND id > ? ORDER BY id LIMIT +?", r.id, group, after, limit)
		if err != nil {
			return nil, err
		}
		last := len(ms) < limit
		for i, m := range ms {
			after = m.id
			if m.visibleAt != nil {
				ms, last = ms[:i], true
				break
			}
		}
		ids, err := r.deliverAll(ms)
		if err != nil {
			return nil, err
		}
		if taken = append(taken, ids...); last {
			break
		}
	}
	return taken, nil
}

func (r *receiving) candidates(where string, args ...any) ([]candidate, error) {
	return collect(r.t, scanCandidate, candidateColumns+where, args...)
}

func scanCandidate(rows *sql.Rows, m *candidate) error {
	var sentAt int64
	var id uuid.UUID
	var attributes string
	err := rows.Scan(&m.id, &m.group, &m.visibleAt, &m.receivedAt, &m.expiresAt, &sentAt, &m.receives,
		&id, &m.d.GroupID, &m.d.DeduplicationID, &m.d.Body, &attributes)
	if err != nil {
		return err
	}
	m.d.MessageID, m.d.SentAt = id.String(), fromMicros(sentAt)
	m.d.Attributes, err = decodeAttributes(attributes)
	return err
}

// deliverAll drops messages past their retention, dead-letters messages that were
// received too often, and delivers the others, whose ids it returns.
func (r *receiving) deliverAll(ms []candidate) (taken []int64, err error) {
	for _, m := range ms {
		switch {
		case m.expiresAt <= r.t.now.UnixMicro():
			r.gone++
			_, err = r.t.exec("DELETE FROM queue_messages WHERE id = ?", m.id)
		case r.dead != nil && m.receives >= r.spec.MaxReceiveCount:
			r.gone++
			err = r.dead.deadLetter(r.t, m)
		default:
			taken = append(taken, m.id)
			r.deliver(m)
		}
		if err != nil {
			return nil, err
		}
	}
	return taken, nil
}

func (r *receiving) deliver(m candidate) {
	d := m.d
	d.ReceiveCount = m.receives + 1
	d.Receipt = receipt{r.nonce, m.id, d.ReceiveCount}.String()
	d.FirstReceivedAt = r.t.now
	if m.receivedAt != nil && *m.receivedAt < r.t.now.UnixMicro() {
		d.FirstReceivedAt = fromMicros(*m.receivedAt)
	}
	r.got = append(r.got, d)
}

// hide puts messages in flight.
func (r *receiving) hide(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := r.t.exec(`UPDATE queue_messages
		SET visible_at = ?1, process = ?3, receives = receives + 1, received_at = min(coalesce(received_at, ?2), ?2)
		WHERE id IN (SELECT value FROM json_each(?4))`,
		r.visibleAt.UnixMicro(), r.t.now.UnixMicro(), processToken, jsonList(ids))
	return err
}

// deadLetter moves a message from another queue to q, its dead-letter queue. On a
// FIFO queue the message's retention starts anew, on a standard queue it continues.
// Source: SQS developer guide, dead-letter queue retention.
func (q queueRow) deadLetter(t *tx, m candidate) error {
	group, _, err := q.group(t, m.d.GroupID)
	if err != nil {
		return err
	}
	expires := m.d.SentAt.Add(q.retention())
	if q.fifo {
		expires = t.now.Add(q.retention())
	}
	if _, err := t.exec(`UPDATE queue_messages
		SET queue = ?, grp = ?, visible_at = NULL, process = NULL, received_at = NULL, expires_at = ? WHERE id = ?`,
		q.id, group, expires.UnixMicro(), m.id); err != nil {
		return err
	}
	t.wake(queueTopic(q.spec.Name))
	if err := q.refresh(t, group); err != nil {
		return err
	}
	return q.dropExpired(t)
}

// jsonList returns ids in the form that SQLite's json_each takes.
func jsonList(ids []int64) string {
	data, _ := json.Marshal(ids) // of numbers, cannot fail
	return string(data)
}
