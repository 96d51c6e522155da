package local

import (
	"context"
	"fmt"
	"time"
)

const (
	// schemaVersion grows with every change of the schema that a program which
	// does not know it cannot live with. What is only added to it is counted apart:
	// see additions.
	schemaVersion = 1
	// applicationID marks the file as Postroom's in SQLite's header: "Post".
	applicationID = 0x506f7374
)

// schema is every statement that makes the file.
var schema = []string{settingsSchema, tableSchema, streamSchema, queueSchema}

const settingsSchema = `
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;`

// settings live in the file.
type settings struct {
	Shards   int
	RollSize int
	IndexLag time.Duration
}

// prepareFile makes the schema in an empty file, and reads the settings of one
// that has it. Two processes may do so at once: the transaction decides.
func (b *Backend) prepareFile(ctx context.Context, fresh settings) error {
	// A look first: a file of another program must not be touched.
	if _, err := b.transact(ctx, b.writer, "BEGIN", func(t *tx) error {
		_, err := t.empty()
		return err
	}); err != nil {
		return err
	}
	c := <-b.writer
	_, err := c.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	b.writer <- c
	if err != nil {
		return err
	}
	_, err = b.transact(ctx, b.writer, "BEGIN IMMEDIATE", func(t *tx) error {
		empty, err := t.empty()
		if err != nil {
			return err
		}
		if !empty {
			return b.loadSettings(t)
		}
		b.settings = fresh
		return createSchema(t, fresh)
	})
	return err
}

// empty reports whether a file is new, and an error if it is not Postroom's.
func (t *tx) empty() (bool, error) {
	var application, objects int64
	if _, err := t.row("PRAGMA application_id", nil, &application); err != nil {
		return false, err
	}
	if _, err := t.row("SELECT count(*) FROM sqlite_schema", nil, &objects); err != nil {
		return false, err
	}
	if application == applicationID {
		return false, nil
	}
	if application != 0 || objects != 0 {
		return false, errForeign
	}
	return true, nil
}

func createSchema(t *tx, s settings) error {
	for _, statements := range schema {
		if _, err := t.c.ExecContext(context.Background(), statements); err != nil {
			return err
		}
	}
	for name, value := range map[string]int64{
		"schema_version":   schemaVersion,
		"schema_additions": int64(len(additions)),
		"shards":           int64(s.Shards),
		"roll_size":        int64(s.RollSize),
		"index_lag_us":     s.IndexLag.Microseconds(),
	} {
		if _, err := t.exec("INSERT INTO settings (name, value) VALUES (?, ?)", name, value); err != nil {
			return err
		}
	}
	_, err := t.c.ExecContext(context.Background(), fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return err
}

func (b *Backend) loadSettings(t *tx) error {
	var version, shards, rollSize, lag int64
	for name, value := range map[string]*int64{
		"schema_version": &version, "shards": &shards, "roll_size": &rollSize, "index_lag_us": &lag,
	} {
		found, err := t.row("SELECT value FROM settings WHERE name = ?", []any{name}, value)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w (setting %s is missing)", errForeign, name)
		}
	}
	if version != schemaVersion {
		return fmt.Errorf("%w: the file has schema version %d, this program knows %d", errVersion, version, schemaVersion)
	}
	b.settings = settings{int(shards), int(rollSize), time.Duration(lag) * time.Microsecond}
	return upgrade(t)
}
