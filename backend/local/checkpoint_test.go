package local

import (
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

// The WAL begins anew although writers never stop.
func TestLongWALBeginsAnew(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "postroom.db"), Options{})
	table, _ := newTable(t, b)
	pool, err := b.dial(t.Context(), 1, nil, "wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	c := <-pool
	defer b.hangUp(c)

	stop := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return nil
			default:
				if _, err := table.Put(t.Context(), message(i), backend.Condition{}); err != nil {
					return err
				}
			}
		}
	})
	longest, shorter := 0, 0
	for before := 0; shorter < 5; {
		b.checkpoint(c, 1)
		pages, _, err := c.checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		if pages < before {
			shorter++
		}
		before = pages
		longest = max(longest, pages)
	}
	close(stop)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if longest > resetPages {
		t.Errorf("the WAL had %d pages", longest)
	}
}
