package projector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

// lose makes a new projector on a stream that does not hold what was posted in
// the first hour. Its window is small, so that a recovery takes several pages.
func (r *rig) lose(o Options) {
	o.Logger, o.RecoveryWindow = r.p.opts.Logger, orDefault(o.RecoveryWindow, 16)
	config := r.config()
	config.Stream = lossy{r.store.Stream("t")}
	r.p = New(config, o)
}

// lossy is a stream that lost everything of the first hour of the test.
type lossy struct{ backend.Stream }

func (s lossy) Records(ctx context.Context, iterator string, limit int) (backend.RecordPage, error) {
	page, err := s.Stream.Records(ctx, iterator, limit)
	page.Records = slices.DeleteFunc(page.Records, func(r backend.Record) bool { return r.CreatedAt.Before(start.Add(time.Hour)) })
	return page, err
}

// later lets the hour pass of which the stream holds nothing.
func later() { time.Sleep(time.Until(start.Add(time.Hour))) }

// shifted are messages posted at another time.
func shifted(ms []postroom.Message, by time.Duration) []postroom.Message {
	ms = slices.Clone(ms)
	for i := range ms {
		ms[i].CreatedAt = ms[i].CreatedAt.Add(by)
	}
	return ms
}

func loss(from, until time.Duration) *stream.DataLossError {
	return &stream.DataLossError{
		StreamARN: "arn:old", Shard: "shard-9", Reason: "trimmed", After: "9",
		AfterTime: start.Add(from), Until: start.Add(until),
	}
}

func (r *rig) loses(l *stream.DataLossError) {
	r.t.Helper()
	if err := r.p.lost.record(r.t.Context(), l); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) recovery() Recovery {
	r.t.Helper()
	state, err := ReadRecovery(r.t.Context(), r.store.Table("control"))
	if err != nil {
		r.t.Fatal(err)
	}
	return state
}

// wantRecovered checks that nothing is left but the history of so many gaps,
// and returns the counts of the last.
func (r *rig) wantRecovered(gaps int) RecoveryCounts {
	r.t.Helper()
	state := r.recovery()
	if len(state.Open) > 0 || state.Scan != nil || len(state.Finished) != gaps {
		r.t.Fatalf("%+v\nwant %d finished gaps and nothing else; the log:\n%s", state, gaps, r.log.String())
	}
	if gaps == 0 {
		return RecoveryCounts{}
	}
	return state.Finished[0].Counts
}

// toldOf counts the notifications of a conversation's messages, by event.
func (r *rig) toldOf(group string) int {
	told := map[string]bool{}
	for _, e := range r.store.Sent("q.fifo") {
		if strings.Contains(e.Body, group) {
			told[e.DeduplicationID] = true
		}
	}
	return len(told)
}

// TestS6LostRangeIsRecovered: what was posted in the lost range is projected and
// told, also what the stream brings again; what is older and had not been
// projected is projected and counted; what is younger comes from the stream.
func TestS6LostRangeIsRecovered(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		lost := shifted(conversationOf(1, 3, 40), 30*time.Minute)
		imported := shifted(conversationOf(2, 3, 40), -48*time.Hour)
		done := shifted(conversationOf(3, 3, 10), -48*time.Hour)
		half := append(shifted(conversationOf(4, 3, 20)[:10], -48*time.Hour), shifted(conversationOf(4, 3, 20)[10:], 30*time.Minute)...)
		r.project(done...)
		r.project(half[:10]...)
		r.lose(Options{})
		for _, ms := range [][]postroom.Message{lost, imported, half[10:]} {
			r.post(ms...)
		}
		later()
		r.loses(loss(20*time.Minute, 50*time.Minute))
		r.run()
		defer r.end()
		live := shifted(conversationOf(5, 3, 5), 2*time.Hour)
		r.post(live...)
		r.settled()
		for _, c := range []struct {
			what string
			ms   []postroom.Message
			told int
		}{
			{"lost", lost, 80}, {"imported", imported, 0}, {"done", done, 0}, {"half of it lost", half, 20}, {"live", live, 10},
		} {
			r.wantLast(c.ms[len(c.ms)-1], 3)
			if n := r.toldOf(c.ms[0].GroupUUID); n != c.told {
				t.Errorf("%s: %d notifications, want %d", c.what, n, c.told)
			}
		}
		c := r.wantRecovered(1)
		if c.Read != 115 || c.Projected != 90 || c.Notified != 50 || c.Unnotified != 40 {
			t.Errorf("%+v", c)
		}
		if s := r.p.Stats(); s.Gaps != 1 || s.OpenGaps != 0 || s.Recovered != c {
			t.Errorf("%+v", s)
		}
	})
}

// TestS6RangeOfAGap: two minutes are added at both ends, since the stream's
// times are about and a producer's clock is its own.
func TestS6RangeOfAGap(t *testing.T) {
	t.Parallel()
	l := loss(time.Hour, 2*time.Hour)
	open := *l
	open.AfterTime = time.Time{}
	first := *l
	first.FirstStart = true
	for _, c := range []struct {
		loss *stream.DataLossError
		at   time.Duration
		want bool
	}{
		{l, 58 * time.Minute, true},
		{l, 58*time.Minute - time.Microsecond, false},
		{l, 122 * time.Minute, true},
		{l, 122*time.Minute + time.Microsecond, false},
		{&open, -999 * time.Hour, true},
		{&open, 123 * time.Minute, false},
		{&first, 90 * time.Minute, false},
	} {
		if got := gapOf(c.loss, start).covers(start.Add(c.at)); got != c.want {
			t.Errorf("a message at %v: %t", c.at, got)
		}
	}
}

// TestS6RecordedTwice: one loss is one gap, however often and by however many
// workers it is told. If it grew meanwhile it is open again.
func TestS6RecordedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.lose(Options{})
		other := New(r.config(), Options{})
		var told sync.WaitGroup
		for _, p := range []*Projector{r.p, other, r.p, other} {
			told.Go(func() {
				if err := p.lost.record(t.Context(), loss(0, time.Hour)); err != nil {
					t.Error(err)
				}
			})
		}
		told.Wait()
		before := r.recovery().Open
		if len(before) != 1 || r.p.Stats().Gaps+other.Stats().Gaps != 1 {
			t.Fatalf("%+v", before)
		}
		r.run()
		defer r.end()
		r.settled()
		r.wantRecovered(1)
		r.loses(loss(0, time.Hour))
		r.settled()
		r.wantRecovered(1)
		ms := conversationOf(1, 2, 1)
		r.store.Table("t").Put(t.Context(), ms[0].Item(), backend.Condition{})
		r.loses(loss(10*time.Minute, 2*time.Hour))
		r.settled()
		r.wantRecovered(1)
		r.wantLast(ms[0], 2)
		if s := r.p.Stats(); s.Gaps > 2 {
			t.Errorf("%+v", s)
		}
	})
}

// TestS6GapThatGrowsMeanwhile is not closed by a scan that may have passed what
// it grew by, also where the next leader goes on with it, and keeps its earlier
// bound.
func TestS6GapThatGrowsMeanwhile(t *testing.T) {
	for name, again := range map[string]bool{"one leader": false, "two, one after the other": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.lose(Options{})
				r.loses(loss(10*time.Minute, time.Hour))
				s := r.takeUp()
				if err := s.readAll(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.loses(loss(20*time.Minute, 2*time.Hour))
				if again {
					s = r.takeUp()
				}
				if err := s.finish(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := r.recovery()
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

// takeUp begins a scan, or goes on with the one there is.
func (r *rig) takeUp() *scan {
	r.t.Helper()
	state, err := r.p.lost.gaps.read(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := r.p.lost.takeUp(r.t.Context(), state, state.openGaps())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// TestP17NothingChangesWhereAllWasRight: a recovery of a table that is projected
// already writes nothing into it, and tells nobody of what is not in the range.
func TestP17NothingChangesWhereAllWasRight(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var all []postroom.Message
		for n := range 30 {
			all = append(all, conversationOf(n, 2+n%3, 10)...)
		}
		all = append(all, conversationOf(99, 150, 10)...)
		r.post(all...)
		r.run()
		r.settled()
		r.end()
		sent := r.sent()
		before := fmt.Sprint(sorted(r.store.Items("t")))

		config := r.config()
		reads := &readOnly{Table: r.store.Table("t")}
		config.Table = reads
		r.p = New(config, Options{Logger: r.p.opts.Logger})
		r.loses(loss(-48*time.Hour, -24*time.Hour))
		r.run()
		defer r.end()
		r.settled()
		if n := reads.writes.Load(); n > 0 {
			t.Errorf("%d calls that write", n)
		}
		if after := fmt.Sprint(sorted(r.store.Items("t"))); after != before {
			t.Error("the table has changed")
		}
		if r.sent() != sent {
			t.Errorf("%d notifications", r.sent()-sent)
		}
		want := RecoveryCounts{Read: int64(len(all))}
		if c := r.wantRecovered(1); c != want {
			t.Errorf("%+v, want %+v", c, want)
		}
		if n := reads.reads.Load(); n > 31*4 {
			t.Errorf("%d reads for 31 conversations", n)
		}
	})
}

func sorted(items []backend.Item) []string {
	var all []string
	for _, item := range items {
		all = append(all, encoded(item))
	}
	slices.Sort(all)
	return all
}

// readOnly counts the calls of a table, its scans aside.
type readOnly struct {
	backend.Table

	reads, writes atomic.Int64
}

func (t *readOnly) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	t.reads.Add(1)
	return t.Table.Get(ctx, key)
}

func (t *readOnly) Query(ctx context.Context, q backend.Query) (backend.Page, error) {
	t.reads.Add(1)
	return t.Table.Query(ctx, q)
}

func (t *readOnly) BatchGet(ctx context.Context, keys []backend.Key) ([]backend.Item, []backend.Key, backend.Units, error) {
	t.reads.Add(1)
	return t.Table.BatchGet(ctx, keys)
}

func (t *readOnly) Put(ctx context.Context, item backend.Item, c backend.Condition) (backend.Units, error) {
	t.writes.Add(1)
	return t.Table.Put(ctx, item, c)
}

func (t *readOnly) BatchWrite(ctx context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	t.writes.Add(1)
	return t.Table.BatchWrite(ctx, writes)
}

func (t *readOnly) Transact(ctx context.Context, token string, actions []backend.Action) (backend.Units, error) {
	t.writes.Add(1)
	return t.Table.Transact(ctx, token, actions)
}

// TestS21GoesOnWhereItWas: a recovery that was stopped is taken up by the next
// leader at the progress that was written, with the counts so far.
func TestS21GoesOnWhereItWas(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 40 {
			r.post(conversationOf(1+n, 2, 25)...)
		}
		later()
		start := func() *scanned {
			r.lose(Options{RecoveryUnits: 20, RecoveryWindow: 80, RecoverySegments: 2})
			table := &scanned{Table: r.table}
			r.p.lost.table = table
			r.run()
			return table
		}
		r.loses(loss(-2*time.Hour, -time.Hour))
		first := start()
		time.Sleep(5 * time.Second)
		r.end()
		half := r.recovery()
		if half.Scan == nil || half.Scan.Gaps != 1 || half.Scan.Segments != 2 || half.Scan.Done != 0 || half.Scan.Counts.Read < 200 {
			t.Fatalf("%+v", half)
		}
		second := start()
		defer r.end()
		r.settled()
		c := r.wantRecovered(1)
		if c.Read != 1000 || c.Projected > 1000 || c.Projected < 800 { // what was not written down counts no more
			t.Errorf("%+v", c)
		}
		// Rows are read too, 80 of them; what was done in the last second again.
		if read := first.items + second.items; read < 1040 || read > 1040+80+250 {
			t.Errorf("%d items were read, of about 1,120", read)
		}
	})
}

// TestRecoveryOptions that cannot be are refused by name.
func TestRecoveryOptions(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for name, o := range map[string]Options{
			"RecoveryUnits": {RecoveryUnits: -1}, "RecoverySegments": {RecoverySegments: -1}, "RecoveryWindow": {RecoveryWindow: -1},
		} {
			if err := New(r.config(), o).Run(t.Context()); err == nil || !strings.Contains(err.Error(), name+" is -1") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
