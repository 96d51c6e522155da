package local

import (
	"context"
	"fmt"
	"time"
)

const (
	// fileFormat is the number of the schema, in SQLite's header (user_version).
	// It grows with every change of the schema; a file of another format is
	// refused.
	fileFormat = 2
	// applicationID marks the file as Postroom's in SQLite's header: "Post".
	applicationID = 0x506f7374
)

const settingsSchema = `
CREATE TABLE settings ( -- one row
  shards       INTEGER NOT NULL,
  roll_size    INTEGER NOT NULL,
  index_lag_us INTEGER NOT NULL,
  clock_us     INTEGER NOT NULL -- later than every time at which something happened
);`

// settings are stored in the file.
type settings struct {
	Shards   int
	RollSize int
	IndexLag time.Duration
}

// prepareFile creates the schema in an empty file, or reads the settings of a file
// that has one. Two processes may do so at once: the transaction decides. A file that
// has its schema is opened without the lock for writing.
func (b *Backend) prepareFile(ctx context.Context, fresh settings) error {
	// Reading comes first: a file that is refused must not be changed.
	var isNew bool
	if _, err := b.transact(ctx, b.writer, "BEGIN", func(t *tx) (err error) {
		isNew, err = t.isNew()
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
	begin := "BEGIN"
	if isNew {
		begin = "BEGIN IMMEDIATE"
	}
	_, err = b.transact(ctx, b.writer, begin, func(t *tx) error {
		isNew, err := t.isNew()
		if err != nil {
			return err
		}
		if isNew {
			b.settings = fresh
			return createSchema(t, fresh)
		}
		return b.loadSettings(t)
	})
	return err
}

// isNew reports whether a file is empty. A file that is neither empty nor of this
// program's format is an error.
func (t *tx) isNew() (bool, error) {
	var application, format, objects int64
	if _, err := t.row(`SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version`, nil, &application, &format, &objects); err != nil {
		return false, err
	}
	switch {
	case application == 0 && objects == 0:
		return true, nil
	case application != applicationID:
		return false, invalid("the file is a SQLite database of another program: choose another file")
	case format != fileFormat:
		return false, invalid("the file was written by another version of Postroom: the file has format %d, this program knows format %d; use the version of Postroom that wrote it, or another file",
			format, fileFormat)
	}
	return false, nil
}

func createSchema(t *tx, s settings) error {
	for _, statements := range []string{
		settingsSchema, tableSchema, streamSchema, queueSchema,
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, fileFormat),
	} {
		if _, err := t.c.ExecContext(context.Background(), statements); err != nil {
			return err
		}
	}
	_, err := t.exec("INSERT INTO settings (shards, roll_size, index_lag_us, clock_us) VALUES (?, ?, ?, 0)",
		s.Shards, s.RollSize, s.IndexLag.Microseconds())
	return err
}

func (b *Backend) loadSettings(t *tx) error {
	var lag int64
	_, err := t.row("SELECT shards, roll_size, index_lag_us FROM settings", nil, &b.settings.Shards, &b.settings.RollSize, &lag)
	b.settings.IndexLag = time.Duration(lag) * time.Microsecond
	return err
}
