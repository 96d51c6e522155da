package quarantine

import (
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
)

// TestS12CrashWhileQuarantining: whichever call was the last that a worker made, what
// it left is whole or not there, and the next one leaves one record of the message,
// without any remains. Of the stream's and the log's record the stream's stays.
func TestS12CrashWhileQuarantining(t *testing.T) {
	t.Parallel()
	m := postroom.Message{
		GroupUUID: "11111111-1111-4111-8111-111111111111", MessageUUID: "33333333-3333-4333-8333-333333333333",
		UserUUID: "22222222-2222-4222-8222-222222222222", DisplayName: "a", Handle: "@a", Text: "hello",
		CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
	fromLog := LogRecord(m.Item())
	fromStream := fromLog
	fromStream.Origin, fromStream.EventID, fromStream.Shard, fromStream.Sequence = Stream, "event", "shard-0", "1"
	silent := fromLog
	silent.Silent = true
	big := fromStream // in two parts
	big.Image = func() (backend.Item, error) {
		random := make([]byte, 350<<10) // does not shrink
		_, err := rand.Read(random)
		it := m.Item()
		it["attachment"] = &types.AttributeValueMemberB{Value: random}
		return it, err
	}
	for name, c := range map[string]struct {
		before []Record
		put    Record
		want   Record
	}{
		"of the stream, a big one":       {nil, big, big},
		"of the stream":                  {nil, fromStream, fromStream},
		"of the log":                     {nil, fromLog, fromLog},
		"of the stream, after the log":   {[]Record{fromLog}, fromStream, fromStream},
		"of the log, after the stream":   {[]Record{fromStream}, fromLog, fromStream},
		"of the log, after a silent one": {[]Record{silent}, fromLog, fromLog},
		"a silent one, after the log":    {[]Record{fromLog}, silent, fromLog},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, happens := range []bool{false, true} { // does the last call?
				for n := 1; ; n++ {
					control := sim.NewStore(1).Table("control")
					for _, r := range c.before {
						putWaiting(t, control, r)
					}
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
					err := New(crashing, 0.5, slog.New(slog.DiscardHandler)).PutWaiting(t.Context(), c.put, errBroken)
					if err == nil && calls >= n {
						t.Errorf("no error where call %d fails", n)
					}
					wantWhole(t, control, m)
					putWaiting(t, control, c.put)
					wantOne(t, control, m, c.want)
					if calls < n {
						break
					}
				}
			}
		})
	}
}

func putWaiting(t *testing.T, control backend.Table, r Record) {
	t.Helper()
	if err := New(control, 0.5, slog.New(slog.DiscardHandler)).PutWaiting(t.Context(), r, errBroken); err != nil {
		t.Fatal(err)
	}
}

// wantWhole expects that all that waits is the message.
func wantWhole(t *testing.T, control backend.Table, m postroom.Message) (waiting []*Kept) {
	t.Helper()
	waiting, err := New(control, 0.5, slog.New(slog.DiscardHandler)).WaitingOf(t.Context(), m.GroupUUID)
	if err != nil {
		t.Error(err)
	}
	for _, w := range waiting {
		if diff := cmp.Diff(m, w.Message); diff != "" {
			t.Errorf("waiting (-want +got):\n%s", diff)
		}
	}
	return waiting
}

// wantOne expects the parts of one record, and nothing else.
func wantOne(t *testing.T, control backend.Table, m postroom.Message, r Record) {
	t.Helper()
	waiting := wantWhole(t, control, m)
	if len(waiting) != 1 || waiting[0].Silent != r.Silent || backend.Text(waiting[0].first, attrEventID) != r.EventID {
		t.Fatalf("waiting are %+v, want %s from the %s, silent: %v", waiting, r.EventID, r.Origin, r.Silent)
	}
	page, err := control.Scan(t.Context(), backend.Scan{Consistent: true})
	if err != nil || len(page.Items) != len(waiting[0].keys) {
		t.Errorf("%d items are left (%v), want the %d parts of one record", len(page.Items), err, len(waiting[0].keys))
	}
	if n, damaged, err := Count(t.Context(), control); n.Records != 1 || damaged != nil || err != nil {
		t.Errorf("%d records are quarantined, damaged %v (%v), want 1", n.Records, damaged, err)
	}
}
