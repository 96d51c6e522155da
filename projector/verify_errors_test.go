package projector

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/verify"
)

// TestVerifyReadsAllOrFails: whichever read fails, there is no verdict.
func TestVerifyReadsAllOrFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, ms := newVerifyRig(t)
		stray := r.row(ms[2], 1) // so that something is checked twice
		stray[backend.AttrSK] = text(postroom.RowKey(ms[1].CreatedAt, ms[1].GroupUUID))
		r.put(stray)
		r.remove(backend.KeyOf(r.row(ms[2], 2)))
		for n := 1; ; n++ {
			reads := make(chan struct{}, 1000) // the scan has several readers
			table := backend.Intercept(r.table, func(ctx context.Context, c *backend.TableCall, next func(context.Context) error) error {
				if reads <- struct{}{}; len(reads) == n {
					return failure(backend.KindDenied)
				}
				return next(ctx)
			})
			_, err := verify.Run(t.Context(), table, verify.Options{Index: true})
			if len(reads) < n {
				if err != nil || n < 15 {
					t.Errorf("%v after %d reads", err, n)
				}
				return
			}
			if backend.KindOf(err) != backend.KindDenied {
				t.Errorf("read %d fails: %v", n, err)
			}
		}
	})
}
