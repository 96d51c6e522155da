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
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/stream"
)

// lose makes a new projector on a stream that does not hold what was posted in
// the first hour. Its window is small, so that a backfill takes several pages.
func (r *rig) lose(o backfill.Options) {
	option.Default(&o.Window, 16)
	config := r.config()
	config.Stream = lossy{r.store.Stream("t")}
	r.p = newTuned(config, r.options, tuning{Backfill: o})
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
	if err := r.p.recordGap(r.t.Context(), l); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) backfillStatus() backfill.Status {
	r.t.Helper()
	state, err := backfill.ReadStatus(r.t.Context(), r.store.Table("control"))
	if err != nil {
		r.t.Fatal(err)
	}
	return state
}

// wantBackfilled checks that nothing is left but the history of so many gaps,
// and returns the counts of the last.
func (r *rig) wantBackfilled(gaps int) backfill.Counts {
	r.t.Helper()
	state := r.backfillStatus()
	if len(state.Open) > 0 || state.Scan != nil || len(state.Finished) != gaps {
		r.t.Fatalf("%+v\nwant %d finished gaps and nothing else; the log:\n%s", state, gaps, r.log.String())
	}
	if gaps == 0 {
		return backfill.Counts{}
	}
	return state.Finished[0].Counts
}

// notificationsOf counts the notifications of a conversation's messages, by event.
func (r *rig) notificationsOf(group string) int {
	ids := map[string]bool{}
	for _, e := range r.store.Sent("q.fifo") {
		if strings.Contains(e.Body, group) {
			ids[e.DeduplicationID] = true
		}
	}
	return len(ids)
}

// TestS6LostRangeIsBackfilled: what was posted in the lost range is projected and
// notified, also what the stream brings again; what is older and had not been
// projected is projected and counted; what is younger comes from the stream.
func TestS6LostRangeIsBackfilled(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		lost := shifted(conversationOf(1, 3, 40), 30*time.Minute)
		imported := shifted(conversationOf(2, 3, 40), -48*time.Hour)
		done := shifted(conversationOf(3, 3, 10), -48*time.Hour)
		half := append(shifted(conversationOf(4, 3, 20)[:10], -48*time.Hour), shifted(conversationOf(4, 3, 20)[10:], 30*time.Minute)...)
		r.project(done...)
		r.project(half[:10]...)
		r.lose(backfill.Options{})
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
			what     string
			ms       []postroom.Message
			notified int
		}{
			{"lost", lost, 80}, {"imported", imported, 0}, {"done", done, 0}, {"half of it lost", half, 20}, {"live", live, 10},
		} {
			r.wantLast(c.ms[len(c.ms)-1], 3)
			if n := r.notificationsOf(c.ms[0].GroupUUID); n != c.notified {
				t.Errorf("%s: %d notifications, want %d", c.what, n, c.notified)
			}
		}
		c := r.wantBackfilled(1)
		if c.Read != 115 || c.Projected != 90 || c.Notified != 50 || c.Unnotified != 40 {
			t.Errorf("%+v", c)
		}
		if s := r.p.Stats(); s.Backfill != (backfill.Stats{Gaps: 1, Counts: c}) {
			t.Errorf("%+v", s)
		}
	})
}

// TestS6RecordedTwice: one loss is one gap, however often and by however many
// workers it is recorded. If it grew meanwhile it is open again.
func TestS6RecordedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.lose(backfill.Options{})
		other := New(r.config(), Options{})
		var recording sync.WaitGroup
		for _, p := range []*Projector{r.p, other, r.p, other} {
			recording.Go(func() {
				if err := p.recordGap(t.Context(), loss(0, time.Hour)); err != nil {
					t.Error(err)
				}
			})
		}
		recording.Wait()
		before := r.backfillStatus().Open
		if len(before) != 1 || r.p.Stats().Backfill.Gaps+other.Stats().Backfill.Gaps != 1 {
			t.Fatalf("%+v", before)
		}
		r.run()
		defer r.end()
		r.settled()
		r.wantBackfilled(1)
		r.loses(loss(0, time.Hour))
		r.settled()
		r.wantBackfilled(1)
		ms := conversationOf(1, 2, 1)
		r.store.Table("t").Put(t.Context(), ms[0].Item(), backend.Condition{})
		r.loses(loss(10*time.Minute, 2*time.Hour))
		r.settled()
		r.wantBackfilled(1)
		r.wantLast(ms[0], 2)
		if s := r.p.Stats(); s.Backfill.Gaps > 2 {
			t.Errorf("%+v", s)
		}
	})
}

// TestP17NothingChangesWhereAllWasRight: a backfill of a table that is projected
// already writes nothing into it, and notifies nobody of what is not in the range.
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
		r.p = New(config, r.options)
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
		want := backfill.Counts{Read: int64(len(all))}
		if c := r.wantBackfilled(1); c != want {
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

// TestS21GoesOnWhereItWas: a backfill that was stopped is taken up by the next
// leader at the progress that was written, with the counts so far.
func TestS21GoesOnWhereItWas(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 40 {
			r.post(conversationOf(1+n, 2, 25)...)
		}
		later()
		begin := func() *scanned {
			r.lose(backfill.Options{Units: 20, Window: 80, Segments: 2})
			table := &scanned{Table: r.table}
			r.p.backfill.Log = table
			r.run()
			return table
		}
		r.loses(loss(-2*time.Hour, -time.Hour))
		first := begin()
		time.Sleep(5 * time.Second)
		r.end()
		half := r.backfillStatus()
		if half.Scan == nil || half.Scan.Gaps != 1 || half.Scan.Segments != 2 || half.Scan.Done != 0 || half.Scan.Counts.Read < 200 {
			t.Fatalf("%+v", half)
		}
		second := begin()
		defer r.end()
		r.settled()
		c := r.wantBackfilled(1)
		if c.Read != 1000 || c.Projected > 1000 || c.Projected < 800 { // what was not written down counts no more
			t.Errorf("%+v", c)
		}
		// Rows are read too, 80 of them; what was done in the last second again.
		if read := first.items + second.items; read < 1040 || read > 1040+80+250 {
			t.Errorf("%d items were read, of about 1,120", read)
		}
	})
}
