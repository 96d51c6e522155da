package quarantine

import (
	"context"
	"log/slog"
	"testing"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
)

// TestS12OwedStaysOwed: a record that was put silently and then found to be owed to
// somebody stays as that was put, whoever works with what was read before: nobody would be
// notified of it otherwise.
func TestS12OwedStaysOwed(t *testing.T) {
	t.Parallel()
	_, it := inTwoParts(t)
	owed := LogRecord(it)
	silent := owed
	silent.Silent = true
	for name, work := range map[string]func(q *Quarantine, k *Kept, s *Stored) error{
		"processed":         func(q *Quarantine, k *Kept, _ *Stored) error { return q.Remove(t.Context(), k) },
		"tried in vain":     func(q *Quarantine, k *Kept, _ *Stored) error { return q.Again(t.Context(), k, errBroken, true) },
		"kept for good":     func(q *Quarantine, k *Kept, _ *Stored) error { return q.Keep(t.Context(), k, errGone) },
		"quarantined again": func(q *Quarantine, _ *Kept, _ *Stored) error { return q.PutWaiting(t.Context(), silent, errBroken) },
		"dropped": func(q *Quarantine, _ *Kept, s *Stored) error {
			_, err := Drop(t.Context(), q.table.Table, s)
			return err
		},
	} {
		control := sim.NewStore(1).Table("control")
		putWaiting(t, control, silent)
		q := New(control, 0.5, slog.New(slog.DiscardHandler))
		read, err := q.WaitingOf(t.Context(), owed.Key.PK)
		if err != nil || len(read) != 1 || !read[0].Silent {
			t.Fatalf("%+v, %v", read, err)
		}
		before := stored(t, control)
		putWaiting(t, control, owed)
		if err := work(q, read[0], before); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s := stored(t, control); s == nil || s.Silent || s.Attempts != 1 || !s.Waiting {
			t.Errorf("%s: %+v is left, want it as it was put", name, s)
		}
	}
}

// TestS12OwedIsPutMeanwhile: where two put a record of the log for the first time at once,
// one silently, it is owed.
func TestS12OwedIsPutMeanwhile(t *testing.T) {
	t.Parallel()
	_, it := inTwoParts(t)
	owed := LogRecord(it)
	silent := owed
	silent.Silent = true
	control := sim.NewStore(1).Table("control")
	puts := 0
	racing := backend.Intercept(control, func(ctx context.Context, c *backend.TableCall, next func(context.Context) error) error {
		if c.Op == "Put" {
			if puts++; puts == 1 {
				putWaiting(t, control, owed)
			}
		}
		return next(ctx)
	})
	putWaiting(t, racing, silent)
	if s := stored(t, control); s == nil || s.Silent || puts != 2 {
		t.Errorf("%+v after %d puts, want it to be owed", s, puts)
	}
}

// TestS12SilentIsRemoved whole once it is processed, and nothing else is: not one that is
// gone, and not when the answer is lost.
func TestS12SilentIsRemoved(t *testing.T) {
	t.Parallel()
	r, _ := inTwoParts(t)
	r.Silent = true
	control := &losing{Table: sim.NewStore(1).Table("control")}
	putWaiting(t, control, r)
	q := New(control, 0.5, slog.New(slog.DiscardHandler))
	read, err := q.WaitingOf(t.Context(), r.Key.PK)
	if err != nil || len(read) != 1 {
		t.Fatalf("%+v, %v", read, err)
	}
	for range 2 {
		control.lost = true
		if err := q.Remove(t.Context(), read[0]); err != nil {
			t.Error(err)
		}
		if page, err := control.Scan(t.Context(), backend.Scan{Consistent: true}); err != nil || len(page.Items) > 0 {
			t.Errorf("%d items are left (%v)", len(page.Items), err)
		}
	}
}
