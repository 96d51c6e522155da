package local

import "time"

// A clock can be set back. Deadlines in the file are times, so a message in flight would
// stay hidden, and a deduplication id be remembered, for as long as the clock was set
// back. So the file has a bound that is later than every time at which something
// happened. A transaction that writes and finds the clock behind the bound moves the
// deadlines with the clock: what is left of an interval stays as it was.
const (
	// clockAhead is how far the bound is set ahead, so that few transactions write it.
	clockAhead = 100 * time.Millisecond
	// clockStep is how far the clock may be behind before deadlines move. Until then
	// time stands still.
	clockStep = time.Second
)

// setTime sets the time of a transaction. It is never earlier than the time of another
// one, unless deadlines were moved.
func (t *tx) setTime(wall time.Time, writes bool) error {
	var us int64
	if _, err := t.row("SELECT clock_us FROM settings WHERE rowid = 1", nil, &us); err != nil {
		return err
	}
	bound := fromMicros(us)
	back := bound.Add(-clockAhead).Sub(wall) // at least by so much the clock was set back
	switch {
	case back > clockStep && writes:
		t.now = wall
		if err := t.setBack(back); err != nil {
			return err
		}
	case back > 0:
		t.now, t.behind = bound, back > clockStep
		return nil
	default:
		t.now = wall
		if !writes || !wall.After(bound) {
			return nil
		}
	}
	_, err := t.exec("UPDATE settings SET clock_us = ? WHERE rowid = 1", t.now.Add(clockAhead).UnixMicro())
	return err
}

// setBack moves what ends with time by the duration by which the clock was set back. A
// retention is not moved, but none ends later than if it began now, and no part of the
// stream is trimmed early. The expiry of items is a time that their writers chose.
func (t *tx) setBack(by time.Duration) error {
	us, now := by.Microseconds(), t.now.UnixMicro()
	for _, s := range []struct {
		statement string
		arg       int64
	}{
		{"UPDATE queue_messages SET visible_at = visible_at - ? WHERE visible_at IS NOT NULL", us},
		{"UPDATE queue_messages SET received_at = ?1 WHERE visible_at IS NOT NULL AND received_at > ?1", now},
		{`UPDATE queue_messages SET expires_at = ?1 + q.retention_s * 1000000
FROM queues q WHERE q.id = queue_messages.queue AND expires_at > ?1 + q.retention_s * 1000000`, now},
		{"UPDATE queue_dedup SET sent_at = sent_at - ?", us},
		{"UPDATE tokens SET ends_at = ends_at - ?", us},
		{"UPDATE shards SET closed_at = ?1 WHERE closed_at > ?1", now},
	} {
		if _, err := t.exec(s.statement, s.arg); err != nil {
			return err
		}
	}
	_, err := t.exec(`UPDATE OR REPLACE index_entries SET from_at = from_at - ?1, until_at = until_at - ?1
WHERE from_at > ?2 OR until_at > ?2`, us, now)
	return err
}
