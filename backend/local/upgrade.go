package local

import "context"

// upgrades bring a file from the version before to the one that they stand
// under: version 1 is the first. A program of an older version that has the file
// open meanwhile can go on with it, since columns are added with defaults only.
var upgrades = map[int64]string{
	2: `
ALTER TABLE tables ADD COLUMN ttl TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN expires_at INTEGER;
CREATE INDEX items_expiring ON items (tbl, expires_at) WHERE expires_at IS NOT NULL;
ALTER TABLE queue_messages ADD COLUMN attributes TEXT NOT NULL DEFAULT '';`,
}

// upgrade brings a file of an older version up to this one.
func upgrade(t *tx, version int64) error {
	if version == schemaVersion {
		return nil
	}
	for v := version + 1; v <= schemaVersion; v++ {
		if _, err := t.c.ExecContext(context.Background(), upgrades[v]); err != nil {
			return err
		}
	}
	_, err := t.exec("UPDATE settings SET value = ? WHERE name = 'schema_version'", schemaVersion)
	return err
}
