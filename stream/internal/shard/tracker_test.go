package shard

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

// pending is one record of a page.
type pending struct {
	page      *Page
	index     int
	sequence  string
	sizeBytes int64

	acked, refused, stale bool
}

func (p *pending) Ack() { p.page.Ack(p.index) }

func deliver(t *tracker, records []backend.Record) (all []*pending) {
	page := t.deliver("s", records, time.Time{})
	for i, r := range records {
		all = append(all, &pending{page: page, index: i, sequence: r.Sequence, sizeBytes: r.SizeBytes})
	}
	return all
}

// trackerModel is what a tracker has to say, kept in a list.
type trackerModel struct {
	*tracker

	records []*pending
	from    lease.Position // where it began, or began anew
	next    int            // sequence number
	fresh   int
	closed  bool
	ended   bool

	released, due, drained int
	releasedBytes          int64
}

func newTrackerModel() *trackerModel {
	m := &trackerModel{}
	release := func(n int, sizeBytes int64) { m.released += n; m.releasedBytes += sizeBytes }
	m.tracker = newTracker(lease.Position{}, 3, release, func() { m.due++ }, func() { m.drained++ })
	return m
}

// wants compares the tracker with the list.
func (m *trackerModel) wants(t *rapid.T) {
	want, waiting, gone, goneBytes := m.from.Sequence, 0, 0, int64(0)
	blocked := false
	for _, r := range m.records {
		blocked = blocked || !r.acked
		if !blocked && !r.stale && backend.CompareSequence(r.sequence, want) > 0 {
			want = r.sequence
		}
		if !r.acked && !r.refused {
			waiting++
			continue
		}
		gone++
		goneBytes += r.sizeBytes
	}
	if n, since, done := m.inFlight(); n != waiting || since.IsZero() != (n == 0) || done.Sequence != want {
		t.Fatalf("%d in flight since %s, checkpoint %q; want %d, %q", n, since, done.Sequence, waiting, want)
	}
	if m.released != gone || m.releasedBytes != goneBytes {
		t.Fatalf("released are %d records of %d bytes, want %d of %d", m.released, m.releasedBytes, gone, goneBytes)
	}
	if want := m.closed && waiting == 0; m.isDrained() != want || m.drained > 0 != want {
		t.Fatalf("drained is %v, said %d times, want %v", m.isDrained(), m.drained, want)
	}
}

// The tracker against a list: whatever order acknowledgements come in, the
// checkpoint is the last record before the first gap. What was delivered before a
// loss moves it no more, and what nobody took over holds it.
func TestS4TrackerAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, wantDue := newTrackerModel(), 0
		some := func(t *rapid.T) *pending {
			if len(m.records) == 0 {
				t.Skip()
			}
			return rapid.SampledFrom(m.records).Draw(t, "record")
		}
		t.Repeat(map[string]func(*rapid.T){
			"deliver": func(t *rapid.T) {
				if m.closed {
					t.Skip()
				}
				page := make([]backend.Record, rapid.IntRange(1, 4).Draw(t, "records"))
				for i := range page {
					m.next = rapid.IntRange(max(1, m.next-2), m.next+2).Draw(t, "sequence") // streams repeat records
					page[i] = backend.Record{Sequence: fmt.Sprint(m.next), SizeBytes: int64(m.next * 7)}
				}
				m.records = append(m.records, deliver(m.tracker, page)...)
			},
			"ack": func(t *rapid.T) {
				r := some(t)
				r.Ack()
				if !r.acked && !r.refused {
					r.acked = true
					if m.fresh++; m.fresh == 3 {
						wantDue++
					}
				}
				if m.due != wantDue {
					t.Fatalf("said to be due %d times, want %d", m.due, wantDue)
				}
			},
			"refuse": func(t *rapid.T) {
				page := some(t).page
				if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
					t.Skip() // nothing moves the checkpoint after it
				}
				m.refuse(page)
				for _, r := range m.records {
					r.refused = r.refused || r.page == page && !r.acked
				}
			},
			"restart": func(t *rapid.T) {
				m.next += rapid.IntRange(0, 5).Draw(t, "lost")
				m.from = lease.Position{Sequence: rapid.SampledFrom([]string{"", fmt.Sprint(m.next)}).Draw(t, "from")}
				m.restart(m.from)
				for _, r := range m.records {
					r.stale = true
				}
			},
			"close": func(t *rapid.T) {
				if m.closed {
					t.Skip()
				}
				m.closed, m.ended = true, rapid.Bool().Draw(t, "ended")
				m.close(m.ended)
			},
			"save": func(t *rapid.T) {
				_, finished := m.state()
				m.fresh = 0
				if want := m.ended && m.isDrained(); finished != want {
					t.Fatalf("finished is %v, want %v", finished, want)
				}
			},
			"": m.wants,
		})
	})
}

// The checkpoint goes with the time of its record, and what waits is as old as the
// oldest page that is not all acknowledged.
func TestTrackerTellsTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker(lease.Position{}, 100, func(int, int64) {}, func() {}, func() {})
		made := time.Now().Add(-time.Hour)
		first := deliver(tr, []backend.Record{{Sequence: "1", CreatedAt: made}, {Sequence: "2", CreatedAt: made.Add(1)}})
		began := time.Now()
		time.Sleep(time.Second)
		second := deliver(tr, []backend.Record{{Sequence: "3"}})
		for i, c := range []struct {
			ack     *pending
			waiting int
			since   time.Time
			done    lease.Position
		}{
			{first[0], 2, began, lease.Position{Sequence: "1", At: made}},
			{first[1], 1, began.Add(time.Second), lease.Position{Sequence: "2", At: made.Add(1)}},
			{second[0], 0, time.Time{}, lease.Position{Sequence: "3"}},
		} {
			c.ack.Ack()
			if waiting, since, done := tr.inFlight(); waiting != c.waiting || !since.Equal(c.since) || done != c.done {
				t.Errorf("%d: %d in flight since %s, done is %+v; want %+v", i, waiting, since, done, c)
			}
		}
	})
}

func TestRefusedRecordsHoldTheCheckpoint(t *testing.T) {
	t.Parallel()
	released := 0
	tr := newTracker(lease.Position{}, 100, func(n int, _ int64) { released += n }, func() {}, func() {})
	first := deliver(tr, []backend.Record{{Sequence: "1"}, {Sequence: "2"}})
	first[0].Ack()
	first[1].Ack()
	second := deliver(tr, []backend.Record{{Sequence: "3"}, {Sequence: "4"}})
	second[0].Ack()
	tr.refuse(second[0].page)
	second[1].Ack()
	if done, finished := tr.state(); done.Sequence != "3" || finished || released != 4 {
		t.Errorf("checkpoint %q, finished %v, released %d", done.Sequence, finished, released)
	}
}
