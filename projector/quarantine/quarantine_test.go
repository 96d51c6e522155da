package quarantine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/sim"
)

// TestS12QuarantinedWhole quarantines a message that takes several parts and one
// that takes a single one, and reads them back.
func TestS12QuarantinedWhole(t *testing.T) {
	t.Parallel()
	control := sim.NewStore(1).Table("control")
	q := New(control, 0.5, slog.New(slog.DiscardHandler))
	group := "11111111-1111-4111-8111-111111111111"
	message := func(id, text string) postroom.Message {
		return postroom.Message{
			GroupUUID: group, MessageUUID: id, UserUUID: "22222222-2222-4222-8222-222222222222",
			DisplayName: "a", Handle: "@a", Text: text,
			CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
		}
	}
	random := make([]byte, 350<<10) // does not shrink
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	big := message("33333333-3333-4333-8333-333333333333", "with a large attribute of somebody else's")
	small := message("44444444-4444-4444-8444-444444444444", "hello")
	for i, m := range []postroom.Message{big, small} {
		r := Record{
			Origin: Stream, Shard: "shard-0", EventID: string(rune('a' + i)), Key: backend.Key{PK: group, SK: m.Key()},
			CreatedAt: m.CreatedAt, Sequence: "1",
			Image: func() (backend.Item, error) {
				it := m.Item()
				if i == 0 {
					it["attachment"] = &types.AttributeValueMemberB{Value: random}
				}
				return it, nil
			},
		}
		if err := q.PutWaiting(t.Context(), r, errBroken); err != nil {
			t.Fatal(err)
		}
	}
	found, err := q.WaitingOf(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	var got []postroom.Message
	for _, w := range found {
		got = append(got, w.Message)
	}
	if diff := cmp.Diff([]postroom.Message{big, small}, got); diff != "" {
		t.Fatal(diff)
	}
	if n, _, err := Count(t.Context(), control); n.Records != 2 || err != nil {
		t.Fatalf("%d records are quarantined (%v), want 2", n.Records, err)
	}
	if parts := len(found[0].keys); parts < 2 {
		t.Fatalf("the big one took %d parts: the test shows nothing", parts)
	}
	for _, w := range found {
		if err := q.Remove(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if n, _, err := Count(t.Context(), control); n.Records != 0 || err != nil {
		t.Fatalf("%d records are quarantined (%v), want none", n.Records, err)
	}
}

// TestF16QuarantinedTwiceCountsOnce: also where the answer to the first put was lost,
// and whichever of its two origins comes first.
func TestF16QuarantinedTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := backend.Key{PK: "11111111-1111-4111-8111-111111111111", SK: "MSG#"}
		ofStream, ofLog := Record{Origin: Stream, EventID: "e", Key: key}, logRecord(key)
		for name, records := range map[string][]Record{
			"stream": {ofStream, ofStream, ofStream}, "log": {ofLog, ofLog}, "stream, log": {ofStream, ofLog, ofStream},
			"log, stream": {ofLog, ofStream, ofLog},
		} {
			for _, lost := range []bool{false, true} {
				control := &losing{Table: sim.NewStore(1).Table("control"), lost: lost}
				q := New(control, 0.5, slog.New(slog.DiscardHandler))
				for i, r := range records {
					if err := q.Put(t.Context(), r, fmt.Errorf("reason %d", i/2), 1); err != nil {
						t.Fatal(err)
					}
				}
				stored, _, err := Count(t.Context(), control)
				if err != nil || stored.Records != 1 || q.Total() != 1 {
					t.Errorf("%s, lost %t: %d are stored and %d counted, want one (%v)", name, lost, stored.Records, q.Total(), err)
				}
			}
		}
	})
}

// losing is a table that loses the answer to its first put or transaction.
type losing struct {
	backend.Table

	lost bool
}

func (l *losing) Put(ctx context.Context, it backend.Item, c backend.Condition) (backend.Units, error) {
	units, err := l.Table.Put(ctx, it, c)
	if l.lost && err == nil {
		l.lost = false
		return backend.Units{}, &backend.Error{Op: "Put", Kind: backend.KindUnavailable}
	}
	return units, err
}

func (l *losing) Transact(ctx context.Context, token string, actions []backend.Action) (backend.Units, error) {
	units, err := l.Table.Transact(ctx, token, actions)
	if l.lost && err == nil {
		l.lost = false
		return backend.Units{}, &backend.Error{Op: "Transact", Kind: backend.KindUnavailable}
	}
	return units, err
}

// TestNewerFormatIsRefused by name, and neither requeued nor removed.
func TestNewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	control := sim.NewStore(1).Table("control")
	q := New(control, 0.5, slog.New(slog.DiscardHandler))
	const group = "11111111-1111-4111-8111-111111111111"
	r := Record{Origin: Stream, EventID: "e", Key: backend.Key{PK: group, SK: "MSG#"}}
	for _, it := range []backend.Item{r.encode(errBroken, 1, true)[0], logRecord(r.Key).encode(errBroken, 1, true)[0]} {
		it[item.AttrFormat] = item.Int(format + 1)
		if _, err := control.Put(t.Context(), it, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	_, waiting := q.WaitingOf(t.Context(), group)
	for name, err := range map[string]error{"requeued": waiting, "replaced": q.Put(t.Context(), r, errBroken, 1)} {
		if err == nil || !strings.Contains(err.Error(), "format 2") || !strings.Contains(err.Error(), keyPrefix+group) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestF18GarbageInQuarantine: an item that is damaged is left aside and named, the
// messages that wait beside it are found, and the record of its key can be replaced.
func TestF18GarbageInQuarantine(t *testing.T) {
	t.Parallel()
	control := sim.NewStore(1).Table("control")
	var log strings.Builder
	q := New(control, 0.5, slog.New(slog.NewTextHandler(&log, nil)))
	const group = "11111111-1111-4111-8111-111111111111"
	m := postroom.Message{
		GroupUUID: group, MessageUUID: "33333333-3333-4333-8333-333333333333", UserUUID: "22222222-2222-4222-8222-222222222222",
		DisplayName: "a", Handle: "@a", Text: "hello", CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
	r := Record{
		Origin: Stream, EventID: "e", Key: backend.Key{PK: group, SK: m.Key()}, CreatedAt: m.CreatedAt,
		Image: func() (backend.Item, error) { return m.Item(), nil },
	}
	if err := q.PutWaiting(t.Context(), r, errBroken); err != nil {
		t.Fatal(err)
	}
	whole := r.encode(errBroken, 1, true)[0]
	var damaged []backend.Item
	for name := range whole {
		if name == backend.AttrPK || name == backend.AttrSK {
			continue
		}
		it := maps.Clone(whole)
		it[backend.AttrSK], it[name] = item.String(name+"#x#000"), &types.AttributeValueMemberNULL{Value: true}
		damaged = append(damaged, it)
	}
	damaged = append(damaged, backend.Item{backend.AttrPK: whole[backend.AttrPK], backend.AttrSK: item.String("z#000")})
	for _, it := range damaged {
		if _, err := control.Put(t.Context(), it, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		if repair, err := Repair(it); err != nil || repair == nil || repair.Put != nil {
			t.Errorf("%v is repaired by %v (%v)", backend.KeyOf(it), repair, err)
		}
	}
	for range 10 {
		found, err := q.WaitingOf(t.Context(), group)
		if err != nil || len(found) != 1 || found[0].Message.MessageUUID != m.MessageUUID {
			t.Fatalf("%v wait (%v)", found, err)
		}
	}
	if n := len(q.Damaged()); n != len(damaged) || strings.Count(log.String(), "is damaged and left aside") != n {
		t.Errorf("%d are damaged, want %d:\n%s", n, len(damaged), log.String())
	}
	if _, all, err := Count(t.Context(), control); err != nil || len(all) != len(damaged) {
		t.Errorf("%d are damaged (%v), want %d", len(all), err, len(damaged))
	}
	twin := logRecord(r.Key).encode(errBroken, 1, true)[0]
	twin[attrParts] = item.String("many")
	if _, err := control.Put(t.Context(), twin, backend.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := q.Put(t.Context(), r, errBroken, 1); err != nil {
		t.Errorf("beside a damaged record of the log: %v", err)
	}
}

// TestUnreadableQuarantineIsAnError: what cannot be read is not taken for empty.
func TestUnreadableQuarantineIsAnError(t *testing.T) {
	t.Parallel()
	denied := &backend.Error{Op: "read", Kind: backend.KindDenied}
	m := postroom.Message{GroupUUID: "11111111-1111-4111-8111-111111111111", MessageUUID: "33333333-3333-4333-8333-333333333333"}
	r := LogRecord(m.Item())
	ofStream := r
	ofStream.Origin, ofStream.EventID = Stream, "e"
	for name, read := range map[string]func(*Quarantine, backend.Table) error{
		"waiting": func(q *Quarantine, _ backend.Table) error {
			_, err := q.WaitingOf(t.Context(), m.GroupUUID)
			return err
		},
		"count": func(_ *Quarantine, control backend.Table) error {
			_, _, err := Count(t.Context(), control)
			return err
		},
		"put, of the log":    func(q *Quarantine, _ backend.Table) error { return q.Put(t.Context(), r, errBroken, 1) },
		"put, of the stream": func(q *Quarantine, _ backend.Table) error { return q.Put(t.Context(), ofStream, errBroken, 1) },
	} {
		control := backend.Intercept(sim.NewStore(1).Table("control"),
			func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
				if call.Op != "Put" {
					return denied
				}
				return next(ctx)
			})
		q := New(control, 0.5, slog.New(slog.DiscardHandler))
		if err := read(q, control); !errors.Is(err, denied) {
			t.Errorf("%s: error %v, want %v", name, err, denied)
		}
		if n := q.Total(); n != 0 {
			t.Errorf("%s: %d were counted", name, n)
		}
	}
}
