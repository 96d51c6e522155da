package local

import (
	"context"
	"path/filepath"
	"testing"
)

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?#%.db")
	for i := range 3 {
		b, err := Open(path, Options{Shards: 7 + i})
		if err != nil {
			t.Fatal(err)
		}
		if b.settings.Shards != 7 {
			t.Errorf("opened %d times: shards %d, want 7 of the first", i, b.settings.Shards)
		}
		if err := b.write(context.Background(), "x", func(*tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
