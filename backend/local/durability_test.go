package local

import (
	"path/filepath"
	"testing"
)

// Every connection writes so that a loss of power leaves the file intact. Nothing that
// a test can do to a process shows the difference to one that never syncs.
func TestConnectionsSync(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "postroom.db"), Options{})
	checkpoints, err := b.dial(t.Context(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { b.hangUp(<-checkpoints) }()
	for name, pool := range map[string]chan *conn{"writer": b.writer, "readers": b.readers, "checkpoints": checkpoints} {
		for range cap(pool) {
			c := <-pool
			var level int
			var mode string
			x := &tx{c: c}
			if _, err := x.row("PRAGMA synchronous", nil, &level); err != nil {
				t.Fatal(err)
			}
			if _, err := x.row("PRAGMA journal_mode", nil, &mode); err != nil {
				t.Fatal(err)
			}
			pool <- c
			if level != 1 || mode != "wal" { // 1 is NORMAL
				t.Errorf("%s: synchronous %d and journal mode %s, want 1 and wal", name, level, mode)
			}
		}
	}
}
