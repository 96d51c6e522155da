package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/stream/internal/lease"
)

// A group reads up to a time that is to come, beside the daemon, while shards split and
// its workers freeze, wake up and start. In the end each of them returns, and the
// records of before are done: by the referee of the daemon nothing is amiss there.
func TestGroupReadsUpToATimeAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { readsUpToATimeAtRandom(t, rand.New(rand.NewPCG(seed, 9))) })
		})
	}
}

func readsUpToATimeAtRandom(t *testing.T, rng *rand.Rand) {
	daemon := newCrew(t, manyShards(3)...)
	daemon.stream.tells = rng.IntN(2) == 0
	daemon.hireAll("d1", "d2")
	until := time.Now().Add(time.Minute)
	var hands []*hand
	hire := func() {
		h := &hand{worker: &worker{}, name: fmt.Sprint("g", len(hands)), gate: newGate()}
		h.start(t, newReader(gatedStream{daemon.stream, h.gate}, gatedTable{daemon.control, h.gate, h.name},
			func(ctx context.Context, records []*Record) error {
				h.gate.pass("Handle")
				return h.handle(ctx, records)
			},
			config{Worker: h.name, Group: "g", Until: until}))
		t.Cleanup(h.gate.thaw)
		hands = append(hands, h)
	}
	hire()
	hire()
	for time.Now().Before(until.Add(2 * time.Minute)) {
		h := hands[rng.IntN(len(hands))]
		switch rng.IntN(6) {
		case 0:
			h.gate.shut()
		case 1, 2:
			h.gate.thaw()
		case 3:
			h.gate.shutAt([]string{"Put SHARD#", "answer to Put SHARD#", "Put GROUP#", "answer to Put GROUP#", "Shards", "Get GROUP#"}[rng.IntN(6)])
		case 4:
			if len(hands) < 5 {
				hire()
			}
		case 5:
			if open := daemon.openShards(); len(open) < 9 {
				daemon.roll(open[rng.IntN(len(open))])
			}
		}
		daemon.write()
		pass(time.Duration(rng.IntN(12000)) * time.Millisecond)
	}
	got := map[string]bool{}
	for _, h := range hands {
		h.gate.thaw()
	}
	for _, h := range hands {
		if err := h.ended(t); err != nil {
			t.Errorf("%s ends with %v", h.name, err)
		}
		for _, id := range h.got() {
			got[id] = true
		}
	}
	pass(10 * time.Second)
	daemon.finale()
	for _, s := range daemon.stream.shards {
		for _, r := range s.records {
			if before := !r.CreatedAt.After(until); before && !got[s.id+"/"+r.Sequence] || r.CreatedAt.After(until.Add(lease.StartMargin)) && got[s.id+"/"+r.Sequence] {
				t.Errorf("%s/%s of %v, before the end: %v, was delivered: %v", s.id, r.Sequence, r.CreatedAt, before, !before)
			}
		}
	}
	if all, err := ReadGroups(t.Context(), daemon.stream, daemon.control); err != nil || !slices.ContainsFunc(all, func(g GroupStatus) bool { return g.Group == "g" && !g.DoneAt.IsZero() }) {
		t.Errorf("the groups are %+v (%v)", all, err)
	}
}
