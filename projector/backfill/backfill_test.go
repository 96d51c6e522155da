package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/projector/quarantine"
)

// start is the time of the first message.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// rig is a backfill on tables in memory, which submits to nobody.
type rig struct {
	t       *testing.T
	log     backend.Table
	control backend.Table
	b       *Backfill

	mu        sync.Mutex
	submitted []Item
}

func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := sim.NewStore(1)
		r := &rig{t: t, log: store.Table("t"), control: store.Table("control")}
		logger := slog.New(slog.DiscardHandler)
		r.b = New(Config{
			Log: r.log, Control: r.control, Quarantine: quarantine.New(r.control, 0.5, logger),
			Incidents: incident.NewLog(logger), Logger: logger,
			Submit: func(_ context.Context, items []Item) error {
				r.mu.Lock()
				r.submitted = append(r.submitted, items...)
				r.mu.Unlock()
				for _, it := range items {
					it.Done(Outcome{Projected: true, Silent: it.Record.Silent})
				}
				return nil
			},
		}, Options{})
		test(t, r)
	})
}

func (r *rig) record(g Gap) {
	r.t.Helper()
	if err := r.b.Record(r.t.Context(), g); err != nil {
		r.t.Fatal(err)
	}
}

// resume begins a scan, or goes on with the one there is.
func (r *rig) resume() *scan {
	r.t.Helper()
	all, err := r.b.store.read(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := r.b.resume(r.t.Context(), all, all.openGaps())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) status() Status {
	r.t.Helper()
	s, err := ReadStatus(r.t.Context(), r.control)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func (r *rig) post(n int, at time.Duration) {
	r.t.Helper()
	m := postroom.Message{
		GroupUUID: id(n), MessageUUID: id(n), UserUUID: id(1), DisplayName: "user 1", Handle: "@1",
		Text: "hello", CreatedAt: start.Add(at),
	}
	if _, err := r.log.Put(r.t.Context(), m.Item(), backend.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

func gapBetween(from, until time.Duration) Gap {
	return Gap{
		StreamARN: "arn:old", Shard: "shard-9", Reason: "trimmed", After: "9",
		From: start.Add(from), Until: start.Add(until),
	}
}

// TestS6ScanOfTheLog: each message of the log is submitted once, silent unless it
// is in the gap; what cannot be decoded is quarantined.
func TestS6ScanOfTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 600 {
			r.post(n, time.Duration(n)*time.Minute)
		}
		broken := backend.Item{
			backend.AttrPK: item.String(id(7)), backend.AttrSK: item.String(postroom.MessageKey(start, id(8))),
		}
		if _, err := r.log.Put(t.Context(), broken, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		r.record(gapBetween(time.Hour, 2*time.Hour))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := r.b.Lead(ctx); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, it := range r.submitted {
			seen[it.Message.MessageUUID] = true
			at := it.Message.CreatedAt.Sub(start)
			if want := at < 58*time.Minute || at > 122*time.Minute; it.Record.Silent != want || it.Record.Origin != quarantine.Log {
				t.Errorf("the message at %v: silent %t", at, it.Record.Silent)
			}
		}
		if len(seen) != 600 || len(r.submitted) != 600 {
			t.Errorf("%d messages are submitted, %d times", len(seen), len(r.submitted))
		}
		if n, _, err := quarantine.Count(t.Context(), r.control); n.Records != 1 || err != nil {
			t.Errorf("%d records are quarantined (%v), want 1", n.Records, err)
		}
		want := Counts{Read: 601, Projected: 600, Notified: 65, Unnotified: 535}
		if s := r.status(); len(s.Open) > 0 || s.Scan != nil || len(s.Finished) != 1 || s.Finished[0].Counts != want {
			t.Errorf("%+v", s)
		}
		if s := r.b.Stats(); s.Counts != want || s.Gaps != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestNewerFormatIsRefused by name, of gaps and of scans.
func TestNewerFormatIsRefused(t *testing.T) {
	for name, encode := range map[string]func() backend.Item{
		gapPrefix:  func() backend.Item { return gapBetween(0, time.Hour).found(start).encode() },
		scanPrefix: func() backend.Item { return newProgress(nil, 1, "w", start).encode() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				it := encode()
				it[item.AttrFormat] = item.Int(format + 1)
				if _, err := r.control.Put(t.Context(), it, backend.Condition{}); err != nil {
					t.Fatal(err)
				}
				_, err := ReadStatus(t.Context(), r.control)
				if err == nil || !strings.Contains(err.Error(), "format 2") || !strings.Contains(err.Error(), name) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// TestS6RangeOfAGap: two minutes are added at both ends, since the stream's times
// are approximate and a producer's clock is its own.
func TestS6RangeOfAGap(t *testing.T) {
	t.Parallel()
	g := gapBetween(time.Hour, 2*time.Hour)
	open := g
	open.From = time.Time{}
	first := g
	first.Silent = true
	for _, c := range []struct {
		gap  Gap
		at   time.Duration
		want bool
	}{
		{g, 58 * time.Minute, true},
		{g, 58*time.Minute - time.Microsecond, false},
		{g, 122 * time.Minute, true},
		{g, 122*time.Minute + time.Microsecond, false},
		{open, -999 * time.Hour, true},
		{open, 123 * time.Minute, false},
		{first, 90 * time.Minute, false},
	} {
		if got := c.gap.found(start).covers(start.Add(c.at)); got != c.want {
			t.Errorf("a message at %v: %t", c.at, got)
		}
	}
}

// TestS6GapThatGrowsMeanwhile is not closed by a scan that may have passed what
// it grew by, also where the next leader goes on with it, and keeps its earlier
// bound.
func TestS6GapThatGrowsMeanwhile(t *testing.T) {
	for name, again := range map[string]bool{"one leader": false, "two, one after the other": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.record(gapBetween(10*time.Minute, time.Hour))
				s := r.resume()
				if err := s.readAll(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.record(gapBetween(20*time.Minute, 2*time.Hour))
				if again {
					s = r.resume()
				}
				if err := s.finish(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := r.status()
				if len(got.Open) != 1 || len(got.Finished) != 0 || got.Scan != nil {
					t.Fatalf("%+v", got)
				}
				if g := got.Open[0]; !g.From.Equal(start.Add(10*time.Minute)) || !g.Until.Equal(start.Add(2*time.Hour)) {
					t.Errorf("%+v", g)
				}
			})
		})
	}
}

// TestS6ProgressIsOneLeaders: a write whose answer was lost may be made again, and one
// after which another leader has written fails.
func TestS6ProgressIsOneLeaders(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ours := newProgress(nil, 1, "we", start)
		ours.version = 1
		theirs, later, gone := ours, ours, ours
		theirs.writer = "somebody else"
		later.version = 2
		gone.sk += "gone"
		absent := backend.Condition{Absent: true}
		for _, c := range []struct {
			what      string
			p         progress
			condition backend.Condition
			want      error
		}{
			{"the first write", ours, absent, nil},
			{"the same again", ours, absent, nil},
			{"another one's", theirs, absent, errOvertaken},
			{"over another one's", later, theirs.unchanged(), errOvertaken},
			{"over none", gone, ours.unchanged(), errOvertaken},
			{"over ours", later, ours.unchanged(), nil},
		} {
			if err := r.b.store.write(t.Context(), c.p, c.condition); !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", c.what, err, c.want)
			}
		}
	})
}

// TestS6PagesBehindAStuckOne do not add up: those that are done are joined to the
// one before them.
func TestS6PagesBehindAStuckOne(t *testing.T) {
	t.Parallel()
	seg := &segment{moved: make(chan struct{}, 1)}
	stuck := &page{left: 1}
	seg.push(stuck)
	for n := range 1000 {
		p := &page{last: backend.Key{PK: id(n)}, ends: n == 999}
		p.counts.Read = 2
		seg.push(p)
		if at, err := seg.advance(t.Context(), longscan.Segment{}); err != nil || at.Done || at.After.PK != "" {
			t.Fatal("progress past what is not done")
		}
	}
	if len(seg.pages) != 1 || stuck.counts.Read != 2000 || !stuck.ends || stuck.last.PK != id(999) {
		t.Errorf("%d pages, the first is %+v", len(seg.pages), stuck)
	}
}

// While a gap is being recorded nobody is idle, also if its leader looks for gaps
// in the middle of that.
func TestF11NotIdleWhileAGapIsRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		idle := func(want bool) {
			t.Helper()
			if _, ok := r.b.IdleSince(true); ok != want {
				t.Errorf("idle is %v, want %v", ok, want)
			}
		}
		r.b.noteOpen(r.b.recordedSoFar(), 0)
		idle(true)
		r.b.noteRecording()
		r.b.noteOpen(r.b.recordedSoFar(), 0) // it is not in the table yet
		idle(false)
		r.b.noteRecorded()
		idle(false)
		r.b.noteOpen(r.b.recordedSoFar(), 1)
		idle(false)
		r.b.noteOpen(r.b.recordedSoFar(), 0)
		idle(true)
	})
}

// TestF18GarbageStopsNoBackfill: damaged gaps and scans are left aside, whatever of
// them is damaged, and the gap that is there is closed. A scan at its own key that is
// damaged is begun anew.
func TestF18GarbageStopsNoBackfill(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 10 {
			r.post(n, time.Duration(n)*time.Minute)
		}
		r.record(gapBetween(0, time.Hour))
		good, err := r.b.store.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		gap := good.gaps[0].encode()
		scan := newProgress(good.openGaps(), 4, "somebody", start).encode()
		broken := map[backend.Key]bool{} // whether it blocks
		put := func(it backend.Item, blocks bool) {
			if _, err := r.control.Put(t.Context(), it, backend.Condition{}); err != nil {
				t.Fatal(err)
			}
			broken[backend.KeyOf(it)] = blocks
		}
		for name := range gap {
			if name != backend.AttrPK && name != backend.AttrSK {
				it := maps.Clone(gap)
				it[backend.AttrSK], it[name] = item.String(gapPrefix+name), item.Bytes(nil)
				put(it, true)
			}
		}
		scan[attrSegments] = item.String("four")
		put(scan, false)
		other := maps.Clone(scan)
		other[backend.AttrSK] = item.String(scanPrefix + "garbage")
		put(other, false)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := r.b.Lead(ctx); err != nil {
			t.Fatal(err)
		}
		delete(broken, backend.KeyOf(scan)) // replaced, and removed at the end
		if len(r.submitted) != 10 {
			t.Errorf("%d messages were submitted", len(r.submitted))
		}
		s := r.status()
		if len(s.Open) > 0 || len(s.Finished) != 1 || s.Scan != nil || len(s.Damaged) != len(broken) || r.b.Stats().OpenGaps > 0 {
			t.Errorf("%+v", s)
		}
		for _, d := range r.b.Damaged() {
			if blocks, ok := broken[d.Key]; !ok || d.Blocks != blocks {
				t.Errorf("%v: blocks %t", d, d.Blocks)
			}
			delete(broken, d.Key)
		}
		if len(broken) > 0 {
			t.Errorf("not named: %v", broken)
		}
	})
}

// TestF18DamagedGapIsRepaired: it is open then, and is closed by a scan. Nobody is
// notified if its range is not known. A loss that is recorded again replaces it.
func TestF18DamagedGapIsRepaired(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		g := gapBetween(0, time.Hour).found(start)
		for name, silent := range map[string]bool{attrReason: false, attrRead: false, attrUntil: true, attrFrom: true, attrSilent: true} {
			it := g.encode()
			it[name] = item.Bytes(nil)
			m, err := Repair(it, start)
			if err != nil || m == nil {
				t.Fatalf("%s: %v (%v)", name, m, err)
			}
			repaired, err := decodeGap(m.Put)
			if err != nil || repaired.ID != g.ID || repaired.state() != stateOpen || repaired.Silent != silent {
				t.Errorf("%s: %+v (%v)", name, repaired, err)
			}
			if _, err := r.control.Put(t.Context(), it, backend.Condition{}); err != nil {
				t.Fatal(err)
			}
			r.record(gapBetween(0, time.Hour))
			if s := r.status(); len(s.Open) != 1 || len(s.Damaged) > 0 || s.Open[0].Silent {
				t.Errorf("%s: recorded again, it is %+v", name, s)
			}
		}
		scan := newProgress([]Gap{g}, 1, "w", start).encode()
		if m, err := Repair(scan, start); m != nil || err != nil {
			t.Errorf("a good scan is repaired: %v (%v)", m, err)
		}
		delete(scan, attrVersion)
		if m, err := Repair(scan, start); err != nil || m == nil || m.Put != nil {
			t.Errorf("%v (%v)", m, err)
		}
	})
}

// TestWhatAnOutcomeCounts: what is quarantined is neither projected nor notified of.
func TestWhatAnOutcomeCounts(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[Outcome]Counts{
		{}:                                   {Notified: 1},
		{Projected: true}:                    {Projected: 1, Notified: 1},
		{Projected: true, Silent: true}:      {Projected: 1, Unnotified: 1},
		{Silent: true}:                       {},
		{Quarantined: true}:                  {},
		{Projected: true, Quarantined: true}: {},
		{Projected: true, Silent: true, Quarantined: true}: {},
	} {
		if got := outcome.counts(); got != want {
			t.Errorf("%+v counts as %+v, want %+v", outcome, got, want)
		}
	}
}

// TestS6SmallestWindow: one message at a time, however many segments there are.
func TestS6SmallestWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 20 {
			r.post(n, time.Duration(n)*time.Minute)
		}
		submit := r.b.Submit
		r.b = New(r.b.Config, Options{Window: 1})
		r.b.Submit = func(ctx context.Context, items []Item) error {
			if len(items) > 1 {
				t.Errorf("%d messages at once", len(items))
			}
			return submit(ctx, items)
		}
		r.record(gapBetween(time.Hour, 2*time.Hour))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := r.b.Lead(ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(r.submitted); n != 20 {
			t.Errorf("%d messages are submitted", n)
		}
	})
}
