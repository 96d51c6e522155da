package backfill

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// TestPriceOfAPage: what the server reports, or a unit for each 4 KB that was begun; and
// one for each conversation with messages in it.
func TestPriceOfAPage(t *testing.T) {
	t.Parallel()
	of := func(pk, sk string, sizeBytes int) backend.Item {
		it := backend.Item{backend.AttrPK: item.String(pk), backend.AttrSK: item.String(sk)}
		it["x"] = item.String(strings.Repeat("x", sizeBytes-backend.ItemBytes(it)-1))
		return it
	}
	m := postroom.MessagePrefix
	for name, c := range map[string]struct {
		page backend.Page
		want float64
	}{
		"empty":                  {backend.Page{}, 1},
		"as reported":            {backend.Page{Units: backend.Units{Read: 7.5}, Items: []backend.Item{of("a", m+"1", 9000)}}, 8.5},
		"4 KB":                   {backend.Page{Items: []backend.Item{of("a", "x", 4096)}}, 1},
		"a byte more":            {backend.Page{Items: []backend.Item{of("a", "x", 2000), of("b", "x", 2097)}}, 2},
		"conversations":          {backend.Page{Items: []backend.Item{of("a", m+"1", 100), of("a", m+"2", 100), of("b", m+"1", 100)}}, 3},
		"rows and heads besides": {backend.Page{Items: []backend.Item{of("a", "HEAD", 100), of("grp#b", "2026", 100), of("c", m+"1", 100)}}, 2},
	} {
		if got := unitsOf(c.page); got != c.want {
			t.Errorf("%s: %v units, want %v", name, got, c.want)
		}
	}
}

// TestNothingIsReadWhenStoppedBeforeItIsPaid: a segment that waits until its last page is
// paid makes no further call.
func TestNothingIsReadWhenStoppedBeforeItIsPaid(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		calls := 0
		r.b.Log = backend.Intercept(r.log, func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
			calls++
			return next(ctx)
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		seg := &segment{scan: &scan{b: r.b, segments: 1}, paid: time.Now().Add(time.Hour)}
		if _, err := seg.read(ctx, backend.Key{}); !errors.Is(err, context.Canceled) || calls != 0 {
			t.Errorf("error %v after %d calls, want no call", err, calls)
		}
	})
}
