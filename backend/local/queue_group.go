package local

import "database/sql"

// group returns the id of a FIFO group, creating its row if there is none; nil on a
// standard queue. A new row is blocked and has no head yet.
func (q queueRow) group(t *tx, name string) (id *int64, made bool, err error) {
	if !q.fifo {
		return nil, false, nil
	}
	id = new(int64)
	found, err := t.row("SELECT id FROM queue_groups WHERE queue = ? AND name = ?", []any{q.id, name}, id)
	if err != nil || found {
		return id, false, err
	}
	_, err = t.row("INSERT INTO queue_groups (queue, name, head, blocked) VALUES (?, ?, 0, 1) RETURNING id",
		[]any{q.id, name}, id)
	return id, true, err
}

// refresh updates a group's head, and whether the group is blocked, from its
// messages. It deletes the row of a group without messages. Nil stands for no group.
func (q queueRow) refresh(t *tx, group *int64) error {
	if group == nil {
		return nil
	}
	var head int64
	var blocked bool
	found, err := t.row(`SELECT id, visible_at IS NOT NULL FROM queue_messages
		WHERE queue = ? AND grp = ? ORDER BY id LIMIT 1`, []any{q.id, *group}, &head, &blocked)
	switch {
	case err != nil:
		return err
	case found:
		_, err = t.exec("UPDATE queue_groups SET head = ?, blocked = ? WHERE id = ?", head, blocked, *group)
	default:
		_, err = t.exec("DELETE FROM queue_groups WHERE id = ?", *group)
	}
	return err
}

// groups collects the groups that a call touched, so that each is refreshed once.
type groups map[int64]struct{}

func (g groups) add(group *int64) {
	if group != nil {
		g[*group] = struct{}{}
	}
}

func (q queueRow) refreshAll(t *tx, touched groups) error {
	for group := range touched {
		if err := q.refresh(t, &group); err != nil {
			return err
		}
	}
	return nil
}

// member is a message of a group, or of none.
type member struct {
	id    int64
	group *int64
}

func members(t *tx, query string, args ...any) ([]member, error) {
	return collect(t, func(rows *sql.Rows, m *member) error { return rows.Scan(&m.id, &m.group) }, query, args...)
}

// releaseDue makes the messages ready whose visibility has ended, in the order in
// which it ended. It reports whether there may be more of them.
func (q queueRow) releaseDue(t *tx) (more bool, err error) {
	due, err := members(t, `SELECT id, grp FROM queue_messages WHERE queue = ? AND visible_at <= ?
		ORDER BY visible_at LIMIT +?`, q.id, t.now.UnixMicro(), upkeepStep)
	if err != nil {
		return false, err
	}
	return len(due) == upkeepStep, q.release(t, due)
}

// release makes messages in flight ready.
func (q queueRow) release(t *tx, ms []member) error {
	touched := groups{}
	for _, m := range ms {
		if _, err := t.exec("UPDATE queue_messages SET visible_at = NULL, process = NULL WHERE id = ?", m.id); err != nil {
			return err
		}
		touched.add(m.group)
	}
	return q.refreshAll(t, touched)
}

// dropExpired drops ready messages past their retention. Ids grow with time, so it
// reads the oldest messages only.
func (q queueRow) dropExpired(t *tx) error {
	for range upkeepStep {
		var m member
		var expiresAt int64
		found, err := t.row(q.oldestReady(), []any{q.id}, &m.id, &m.group, &expiresAt)
		if err != nil || !found || expiresAt > t.now.UnixMicro() {
			return err
		}
		if _, err := t.exec("DELETE FROM queue_messages WHERE id = ?", m.id); err != nil {
			return err
		}
		if err := q.refresh(t, m.group); err != nil {
			return err
		}
	}
	return nil
}

func (q queueRow) oldestReady() string {
	if q.fifo {
		return `SELECT m.id, m.grp, m.expires_at FROM queue_groups g JOIN queue_messages m ON m.id = g.head
			WHERE g.queue = ? AND g.blocked = 0 ORDER BY g.head LIMIT 1`
	}
	return `SELECT id, grp, expires_at FROM queue_messages
		WHERE queue = ? AND grp IS NULL AND visible_at IS NULL ORDER BY id LIMIT 1`
}
