package local

import (
	"errors"
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

// Writers are held for few pages, unless they add more faster than these can be moved,
// and not at all for a short WAL.
func TestWritersAreHeldForFewPages(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	for name, c := range map[string]struct {
		left  []int // behind each round; -1: it fails
		pages int
		held  bool
	}{
		"a short WAL": {[]int{0}, resetPages - 1, false},
		"few left":    {[]int{fewPages - 1}, resetPages, true},
		"many left":   {[]int{most, fewPages, 0}, most, true},
		"always many": {[]int{most, most, most, most}, most, true},
		"an error":    {[]int{most, -1}, most, false},
	} {
		rounds := 0
		held := moveBeside(func() (pages, moved int, err error) {
			if rounds++; rounds > len(c.left) {
				t.Fatalf("%s: more than %d rounds", name, len(c.left))
			}
			left := c.left[rounds-1]
			if left < 0 {
				return 0, 0, errors.New("disk full")
			}
			return c.pages, c.pages - left, nil
		}, resetPages)
		if held != c.held || rounds != len(c.left) {
			t.Errorf("%s: held %t after %d rounds, want %t after %d", name, held, rounds, c.held, len(c.left))
		}
	}
}
