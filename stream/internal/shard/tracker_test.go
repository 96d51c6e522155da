package shard

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

// pending is one record of a page.
type pending struct {
	page     *Page
	index    int
	sequence string
}

func (p *pending) Ack() { p.page.Ack(p.index) }

func deliver(t *tracker, records []backend.Record) (all []*pending) {
	page := t.deliver("s", records)
	for i, r := range records {
		all = append(all, &pending{page, i, r.Sequence})
	}
	return all
}

// The tracker against a list: whatever order acknowledgements come in, the
// checkpoint is the last record before the first gap.
func TestS4TrackerAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		released, due, drained := 0, 0, false
		tr := newTracker(lease.Position{}, 3, func(n int, _ int64) { released += n }, func() { due++ }, func() { drained = true })
		var records []*pending
		acked := make(map[*pending]bool)
		fresh, wantDue, ended := 0, 0, false
		t.Repeat(map[string]func(*rapid.T){
			"deliver": func(t *rapid.T) {
				if ended {
					t.Skip()
				}
				page := make([]backend.Record, rapid.IntRange(1, 4).Draw(t, "records"))
				for i := range page {
					page[i].Sequence = fmt.Sprint(len(records) + i + 1)
				}
				records = append(records, deliver(tr, page)...)
			},
			"ack": func(t *rapid.T) {
				if len(records) == 0 {
					t.Skip()
				}
				r := rapid.SampledFrom(records).Draw(t, "record")
				r.Ack()
				if !acked[r] {
					acked[r] = true
					if fresh++; fresh == 3 {
						wantDue++
					}
				}
			},
			"end": func(*rapid.T) {
				if !ended {
					ended = true
					tr.close(true)
				}
			},
			"flush": func(*rapid.T) { tr.state(); fresh = 0 },
			"": func(t *rapid.T) {
				want := ""
				for _, r := range records {
					if !acked[r] {
						break
					}
					want = r.sequence
				}
				tr.mu.Lock()
				done := tr.done
				tr.mu.Unlock()
				if done.Sequence != want || released != len(acked) || due != wantDue {
					t.Fatalf("checkpoint %q, released %d, due %d; want %q, %d, %d", done.Sequence, released, due, want, len(acked), wantDue)
				}
				if want := ended && len(acked) == len(records); drained != want || tr.isDrained() != want {
					t.Fatalf("drained is %v and %v, want %v", drained, tr.isDrained(), want)
				}
			},
		})
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
