package quarantine

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/sim"
)

// newRetries makes retries of a control table whose log holds a message.
func newRetries(control backend.Table, it backend.Item, submit func(Retry)) *Retries {
	log := sim.NewStore(1).Table("t")
	if it != nil {
		_, _ = log.Put(context.Background(), it, backend.Condition{})
	}
	discard := slog.New(slog.DiscardHandler)
	return NewRetries(RetriesConfig{
		Log: log, Quarantine: New(control, 0.5, discard), Incidents: incident.NewLog(discard), Logger: discard,
		Submit: func(_ context.Context, r Retry) error {
			submit(r)
			r.Done()
			return nil
		},
	})
}

// TestS12DroppedWhileRetried: a record that is dropped while it is tried again does not
// come back, and an attempt of two workers is counted once.
func TestS12DroppedWhileRetried(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(control backend.Table, s *Stored, r Retry, q *Quarantine) error{
		"dropped": func(control backend.Table, s *Stored, _ Retry, _ *Quarantine) error {
			_, err := Drop(context.Background(), control, s)
			return err
		},
		"tried by another": func(_ backend.Table, _ *Stored, r Retry, q *Quarantine) error {
			return q.Again(context.Background(), r.Kept, errBroken, false)
		},
	} {
		control := sim.NewStore(1).Table("control")
		rec, it := inTwoParts(t)
		if err := New(control, 0.5, slog.New(slog.DiscardHandler)).Put(t.Context(), rec, errBroken, 1); err != nil {
			t.Fatal(err)
		}
		s := stored(t, control)
		if _, err := Ask(t.Context(), control, []*Stored{s}, 100); err != nil {
			t.Fatal(err)
		}
		var r *Retries
		r = newRetries(control, it, func(k Retry) {
			if left, tried := r.Progress(); left != 1 || tried != 0 {
				t.Errorf("%s: meanwhile %d left, %d tried", name, left, tried)
			}
			if err := meanwhile(control, s, k, r.Quarantine); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := r.Quarantine.Again(t.Context(), k.Kept, errGone, false); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		b, err := r.next(t.Context())
		if n, _, err := Count(t.Context(), control); n.Records != 1 || n.Asked != 1 || time.Since(n.AskedAt).Abs() > time.Hour || err != nil {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
		if err != nil || b == nil || r.workOff(t.Context(), *b) != nil {
			t.Fatalf("%s: %v, %v", name, b, err)
		}
		if n, _, err := Count(t.Context(), control); n.Asked != 0 || !n.AskedAt.IsZero() || err != nil {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
		if left, tried := r.Progress(); left != 0 || tried != 1 {
			t.Errorf("%s: %d left, %d tried", name, left, tried)
		}
		switch s := stored(t, control); name {
		case "dropped":
			if s != nil {
				t.Errorf("%s: %+v is back", name, s)
			}
		default:
			if s.Reason != errBroken.Error() || s.Attempts != 2 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

// TestS12RetryOfOddRecords: a message that the log no longer holds is not shown, neither is
// one whose key is none, and a record that is gone is left out.
func TestS12RetryOfOddRecords(t *testing.T) {
	t.Parallel()
	control := sim.NewStore(1).Table("control")
	q := New(control, 0.5, slog.New(slog.DiscardHandler))
	gone, _ := inTwoParts(t)
	odd := Record{Origin: Stream, EventID: "odd", Key: backend.Key{PK: "x", SK: "MSG#x"}}
	twin := gone
	twin.EventID = "twin"
	for _, r := range []Record{gone, odd, twin} {
		if err := q.Put(t.Context(), r, errBroken, 1); err != nil {
			t.Fatal(err)
		}
	}
	var records []*Stored
	for s, err := range All(t.Context(), control, Reading{}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, s)
	}
	missing := *records[0]
	missing.first.SK = "missing" + missing.first.SK
	b, err := Ask(t.Context(), control, append(records, &missing), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	r := newRetries(control, nil, func(k Retry) { t.Errorf("%+v is processed", k) })
	if next, err := r.next(t.Context()); err != nil || r.workOff(t.Context(), *next) != nil {
		t.Fatal(err)
	}
	if pending, err := b.Pending(t.Context(), control); pending || err != nil {
		t.Errorf("pending: %v, %v", pending, err)
	}
	now, err := Reread(t.Context(), control, records)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range now {
		if want := map[bool]string{true: "not a canonical", false: "does not hold"}[records[i].Key == odd.Key]; s.Attempts != 2 || !strings.Contains(s.Reason, want) {
			t.Errorf("%+v, want %q", s, want)
		}
	}
}

// TestF18DamagedBatches are refused whatever is wrong with them.
func TestF18DamagedBatches(t *testing.T) {
	t.Parallel()
	key := backend.Key{PK: keyPrefix + "g", SK: "2026#e#000"}
	good := Batch{key: backend.Key{PK: retryPartition, SK: "1"}, rate: 100, records: []backend.Key{key}}
	if _, err := decodeBatch(good.encode()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Batch){
		"rate 0":         func(b *Batch) { b.rate = 0 },
		"rate":           func(b *Batch) { b.rate = maxRate + 1 },
		"twice":          func(b *Batch) { b.records = []backend.Key{key, key} },
		"too many":       func(b *Batch) { b.records = make([]backend.Key, MaxBatch+1) },
		"another item":   func(b *Batch) { b.records[0].PK = "stream#s" },
		"another part":   func(b *Batch) { b.records[0].SK = "2026#e#001" },
		"an endless key": func(b *Batch) { b.records[0].SK = strings.Repeat("x", 2000) + firstPart },
	} {
		b := good
		b.records = []backend.Key{key}
		change(&b)
		if _, err := decodeBatch(b.encode()); item.AsDamaged(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{0, MaxBatch + 1} {
		if _, err := Ask(t.Context(), sim.NewStore(1).Table("control"), make([]*Stored, n), 1); err == nil {
			t.Errorf("a batch of %d records", n)
		}
	}
}

// TestS12BatchUntilDone: a batch is there until each of its messages is done.
func TestS12BatchUntilDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		control := sim.NewStore(1).Table("control")
		rec, it := inTwoParts(t)
		if err := New(control, 0.5, slog.New(slog.DiscardHandler)).Put(t.Context(), rec, errBroken, 1); err != nil {
			t.Fatal(err)
		}
		b, err := Ask(t.Context(), control, []*Stored{stored(t, control)}, 100)
		if err != nil {
			t.Fatal(err)
		}
		tried := make(chan Retry, 2)
		r := newRetries(control, it, nil)
		r.Submit = func(_ context.Context, one Retry) error {
			tried <- one
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Lead(ctx) }()
		for _, done := range []bool{false, true} {
			if done {
				(<-tried).Done()
			}
			time.Sleep(time.Minute)
			pending, err := b.Pending(t.Context(), control)
			_, idle := r.IdleSince(true)
			if err != nil || pending == done || idle != done {
				t.Errorf("done: %t, pending: %t, idle: %t (%v)", done, pending, idle, err)
			}
		}
		stop()
		if err := <-ended; err != nil || len(tried) > 0 {
			t.Errorf("%d more were tried (%v)", len(tried), err)
		}
	})
}
