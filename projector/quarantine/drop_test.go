package quarantine

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
)

// inTwoParts is a record whose image takes two parts.
func inTwoParts(t *testing.T) (Record, backend.Item) {
	t.Helper()
	m := postroom.Message{
		GroupUUID: "11111111-1111-4111-8111-111111111111", MessageUUID: "33333333-3333-4333-8333-333333333333",
		UserUUID: "22222222-2222-4222-8222-222222222222", DisplayName: "a", Handle: "@a", Text: "hello",
		CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
	random := make([]byte, 350<<10) // does not shrink
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	it := m.Item()
	it["attachment"] = &types.AttributeValueMemberB{Value: random}
	return Record{
		Origin: Stream, EventID: "event", Shard: "shard-0", Sequence: "1", Key: backend.KeyOf(it), CreatedAt: m.CreatedAt,
		Image: func() (backend.Item, error) { return it, nil },
	}, it
}

// stored returns the only record of a control table; nil: there is none.
func stored(t *testing.T, control backend.Table) (one *Stored) {
	t.Helper()
	for s, err := range All(t.Context(), control, Reading{}) {
		if err != nil || one != nil {
			t.Fatalf("%+v beside %+v (%v)", s, one, err)
		}
		one = s
	}
	return one
}

// TestS12StoredWhole: what is read back is what was quarantined, found by its ID.
func TestS12StoredWhole(t *testing.T) {
	t.Parallel()
	control := sim.NewStore(1).Table("control")
	r, image := inTwoParts(t)
	if err := New(control, 0.5, slog.New(slog.DiscardHandler)).Put(t.Context(), r, errBroken, 3); err != nil {
		t.Fatal(err)
	}
	s := stored(t, control)
	want := Stored{
		ID: r.Key.PK + "/2026-05-21T10:30:00.000000Z/event", Key: r.Key, Reason: errBroken.Error(), Origin: Stream, Attempts: 3,
		CreatedAt: r.CreatedAt, QuarantinedAt: s.QuarantinedAt, EventID: "event", Shard: "shard-0", Sequence: "1", first: r.partKey(0), parts: 2,
	}
	if diff := cmp.Diff(want, *s, cmp.AllowUnexported(Stored{})); diff != "" || time.Since(s.QuarantinedAt) > time.Hour {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	place, err := ParseID(s.ID)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Load(t.Context(), control, place)
	if err != nil || w.ImageErr != nil || !backend.EqualItems(w.Image, image) {
		t.Errorf("loaded with %v, %v", w.ImageErr, err)
	}
	if _, _, err := control.BatchWrite(t.Context(), []backend.Write{{Delete: r.partKey(1)}}); err != nil {
		t.Fatal(err)
	}
	if w, err = Load(t.Context(), control, place); err != nil || w.Image != nil || w.ImageErr == nil {
		t.Errorf("without its second part: %+v, %v", w, err)
	}
	for _, group := range []string{r.Key.PK, "-"} {
		n := 0
		for range All(t.Context(), control, Reading{Group: group}) {
			n++
		}
		if want := strings.Count(group, r.Key.PK); n != want {
			t.Errorf("%d records of %s, want %d", n, group, want)
		}
	}
	for range All(t.Context(), control, Reading{Group: r.Key.PK, After: place}) {
		t.Error("a record comes after the last one")
	}
}

// TestS12CrashWhileDropping: whichever call was the last, the record is there whole, or all
// of it is gone.
func TestS12CrashWhileDropping(t *testing.T) {
	t.Parallel()
	r, _ := inTwoParts(t)
	for _, happens := range []bool{false, true} { // does the last call?
		for n := 1; ; n++ {
			control := sim.NewStore(1).Table("control")
			if err := New(control, 0.5, slog.New(slog.DiscardHandler)).Put(t.Context(), r, errBroken, 1); err != nil {
				t.Fatal(err)
			}
			s := stored(t, control)
			calls := 0
			crashing := backend.Intercept(control, func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
				if calls++; calls < n {
					return next(ctx)
				}
				if calls == n && happens {
					_ = next(ctx)
				}
				return &backend.Error{Op: "test", Kind: backend.KindDenied}
			})
			dropped, err := Drop(t.Context(), crashing, s)
			if (err == nil) != dropped || dropped != (calls < n) {
				t.Errorf("dropped: %v, %v, where call %d fails", dropped, err, n)
			}
			if s = stored(t, control); s != nil {
				w, err := Load(t.Context(), control, s.Place())
				if err != nil || w.ImageErr != nil || w.Image == nil || happens {
					t.Errorf("after call %d: %+v, %v", n, w, err)
				}
				if dropped, err := Drop(t.Context(), control, s); !dropped || err != nil {
					t.Errorf("again: %v, %v", dropped, err)
				}
			}
			if page, err := control.Scan(t.Context(), backend.Scan{Consistent: true}); err != nil || len(page.Items) > 0 {
				t.Errorf("%d items are left (%v)", len(page.Items), err)
			}
			if calls < n {
				break
			}
		}
	}
}

// TestS12DropsWhatWasRead: a record that was tried again since it was read stays, and a
// record that is gone is not dropped. A lost answer changes nothing.
func TestS12DropsWhatWasRead(t *testing.T) {
	t.Parallel()
	r, _ := inTwoParts(t)
	for name, c := range map[string]struct {
		change  func(backend.Item)
		lost    bool
		dropped bool
	}{
		"as it was":               {func(backend.Item) {}, false, true},
		"lost answer":             {func(backend.Item) {}, true, true},
		"tried again":             {func(it backend.Item) { it[attrAttempts] = &types.AttributeValueMemberN{Value: "2"} }, false, false},
		"kept for another reason": {func(it backend.Item) { it[attrReason] = &types.AttributeValueMemberS{Value: "another"} }, false, false},
	} {
		control := &losing{Table: sim.NewStore(1).Table("control")}
		if err := New(control, 0.5, slog.New(slog.DiscardHandler)).Put(t.Context(), r, errBroken, 1); err != nil {
			t.Fatal(err)
		}
		s := stored(t, control)
		first, _, err := control.Get(t.Context(), s.first)
		if err != nil {
			t.Fatal(err)
		}
		first = maps.Clone(first)
		c.change(first)
		if _, err := control.Put(t.Context(), first, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		control.lost = c.lost
		dropped, err := Drop(t.Context(), control, s)
		if err != nil || dropped != c.dropped || (stored(t, control) == nil) != c.dropped {
			t.Errorf("%s: dropped %v, %v", name, dropped, err)
		}
		if again, err := Drop(t.Context(), control, s); again || err != nil {
			t.Errorf("%s: dropped again: %v, %v", name, again, err)
		}
	}
}
