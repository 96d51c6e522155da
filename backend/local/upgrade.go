package local

import "context"

// additions bring a file up to date in place, one after the other. A program that
// does not know them can go on with the file, also one that starts after them, so
// that a new version may be rolled back: they add columns with defaults, indexes
// and tables, and no more. Another change needs another [schemaVersion].
var additions = []string{
	// Time to live, and attributes of messages.
	`
ALTER TABLE tables ADD COLUMN ttl TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN expires_at INTEGER;
CREATE INDEX items_expiring ON items (tbl, expires_at) WHERE expires_at IS NOT NULL;
ALTER TABLE queue_messages ADD COLUMN attributes TEXT NOT NULL DEFAULT '';`,
}

// upgrade makes the additions that a file does not have yet. It may have more
// than this program knows.
func upgrade(t *tx) error {
	var made int64
	if _, err := t.row("SELECT value FROM settings WHERE name = 'schema_additions'", nil, &made); err != nil {
		return err
	}
	if made >= int64(len(additions)) {
		return nil
	}
	for _, statements := range additions[made:] {
		if _, err := t.c.ExecContext(context.Background(), statements); err != nil {
			return err
		}
	}
	_, err := t.exec(`INSERT INTO settings (name, value) VALUES ('schema_additions', ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value`, len(additions))
	return err
}
