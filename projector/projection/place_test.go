package projection

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// TestPlaced: a row is in its place where the head is, if that is one that a move can
// have left there.
func TestPlaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row  func(r *restoreRig) backend.Key
		do   func(r *restoreRig)
		want bool
	}{
		"the live row":            {nil, func(*restoreRig) {}, true},
		"an older one":            {func(r *restoreRig) backend.Key { return r.row(0, r.ms[1]) }, func(*restoreRig) {}, false},
		"a later one":             {func(r *restoreRig) backend.Key { return r.row(0, r.ms[3]) }, func(*restoreRig) {}, false},
		"that of a stranger":      {func(r *restoreRig) backend.Key { return r.row(7, r.ms[2]) }, func(*restoreRig) {}, false},
		"without a head":          {nil, func(r *restoreRig) { r.remove(backend.KeyOf(r.head())) }, false},
		"with an unreadable head": {nil, func(r *restoreRig) { r.setHead(backend.Item{attrOpen: item.String("no")}) }, false},
		"where no message is": {
			func(r *restoreRig) backend.Key {
				return backend.Key{PK: r.row(0, r.ms[2]).PK, SK: postroom.RowKey(r.ms[2].CreatedAt.Add(time.Hour), id(1))}
			},
			func(r *restoreRig) {
				r.setHead(backend.Item{attrLastReplyAt: item.String(postroom.FormatTime(r.ms[2].CreatedAt.Add(time.Hour)))})
			}, false,
		},
		"without any message": {nil, func(r *restoreRig) {
			for _, m := range r.ms {
				r.remove(backend.Key{PK: m.GroupUUID, SK: m.Key()})
			}
		}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRestoreRig(t, 2)
			key := r.row(0, r.ms[2])
			if c.row != nil {
				key = c.row(r)
			}
			c.do(r)
			placed, err := r.p.Placed(t.Context(), id(1))
			if got := placed != nil && placed.Owns(key); got != c.want || err != nil {
				t.Errorf("%s: in place %t (%v), want %t", name, got, err, c.want)
			}
		})
	}
}

// TestRestoreWhatNobodyHasOpened says so, and removes the rows.
func TestRestoreWhatNobodyHasOpened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRestoreRig(t, 2)
		r.remove(backend.Key{PK: id(1), SK: r.ms[0].Key()}, backend.KeyOf(r.head()))
		err := r.p.Restore(t.Context(), id(1), r.scanned(), r.now())
		if rows := r.scanned(); !errors.Is(err, ErrNoMembers) || len(rows) > 0 {
			t.Errorf("%v; rows that are left: %v", err, rows)
		}
	})
}
