package projector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/projector/verify"
)

// TestS21BackfillUnderFaults backfills a table two days after it was filled, by
// two workers that are killed and frozen at any call, beside live messages: half
// of the seeds as a bootstrap, which notifies nobody, the others after a loss, which
// notifies everybody. In the end every conversation is projected, everybody was notified
// of what they are owed and of nothing else, and nothing is left but the history.
func TestS21BackfillUnderFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) { newBackfillSim(t, seed).run() })
	}
}

type backfillSim struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	store  *sim.Store
	sched  *sim.Scheduler
	slots  [2]simSlot
	silent bool // a bootstrap
	owed   map[string]bool
}

type simSlot struct {
	lives  int
	p      *Projector
	worker *sim.Worker
	stop   context.CancelFunc
	ended  chan error
}

func newBackfillSim(t *testing.T, seed uint64) *backfillSim {
	return &backfillSim{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 9)), store: sim.NewStore(seed),
		sched: sim.NewScheduler(seed, sim.Faults{
			Conflict: 30, Throttle: 20, Lost: 40, Partial: 100, Crash: 12, Freeze: 12, FreezeFor: 4 * time.Second,
		}),
		silent: seed%2 == 0, owed: map[string]bool{},
	}
}

func (s *backfillSim) run() {
	if !s.silent { // the stream was read before, up to something else's record
		r := &rig{t: s.t, store: s.store}
		r.put(backend.Item{backend.AttrPK: text("other"), backend.AttrSK: text("item")})
		r.readBefore()
	}
	for n := range 8 {
		members := 2 + n%2
		if n == 7 {
			members = 120 // of which two transactions are made
		}
		ms := now(conversationOf(1+n, members, 1+s.rng.IntN(8)))
		if n == 3 {
			ms[0], ms[len(ms)-1] = ms[len(ms)-1], ms[0] // the opening comes last
		}
		for _, m := range ms {
			s.post(m, members, !s.silent)
		}
	}
	nonMember := conversationOf(1, 2, 10)[9]
	nonMember.UserUUID = id(7)
	s.put(nonMember)
	time.Sleep(48 * time.Hour)
	s.start(0)
	for !s.begun() { // who is the first of two is not what this is about
		s.sched.Step()
		s.revive()
	}
	s.start(1)
	live := now(conversationOf(4, 3, 30))[20:]
	for n := 0; n < 2000 || !s.done(); n++ {
		s.sched.Step()
		if n < 1500 && n%150 == 0 {
			s.post(live[n/150], 3, true)
		}
		if n == 1500 {
			s.sched.Free()
		}
		s.revive()
		if n > 40_000 {
			s.fail("it comes to no end")
			break
		}
	}
	s.judge()
	s.end()
}

// post adds a message, of which all other members are to be notified if owed.
func (s *backfillSim) post(m postroom.Message, members int, owed bool) {
	s.put(m)
	for _, user := range postroom.Recipients(people(members), m.UserUUID) {
		if owed {
			s.owed[postroom.NotificationID(m, user)] = true
		}
	}
}

func (s *backfillSim) put(m postroom.Message) {
	if _, err := s.store.Table("t").Put(s.t.Context(), m.Item(), backend.Condition{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *backfillSim) start(i int) {
	slot := &s.slots[i]
	slot.lives++
	ctx, stop := context.WithCancel(context.Background())
	slot.stop, slot.ended = stop, make(chan error, 1)
	slot.worker = s.sched.Worker(fmt.Sprintf("w%d-%d", i, slot.lives), s.store, stop)
	slot.p = newTuned(Config{
		Table: slot.worker.Table("t"), Control: slot.worker.Table("control"),
		Stream: slot.worker.Stream("t"), Queue: slot.worker.Queue("q.fifo"), QueueName: "q.fifo", TableName: "t",
	}, Options{Worker: slot.worker.Name, LeaseDuration: time.Second}, tuning{
		MemberWait: 2 * time.Second, Movers: 2, Senders: 1, Backfill: backfill.Options{Window: 6, Segments: 3, Units: 50},
	})
	go func(p *Projector, ended chan error) { ended <- p.Run(ctx) }(slot.p, slot.ended)
}

// begun reports whether the stream is known as one that is read.
func (s *backfillSim) begun() bool {
	return slices.ContainsFunc(s.store.Items("control"), func(item backend.Item) bool { return backend.KeyOf(item).PK == "streams" })
}

func (s *backfillSim) revive() {
	for i := range s.slots {
		select {
		case err := <-s.slots[i].ended: // nil: not started yet
			s.sched.Note("%s ended: %v", s.slots[i].worker.Name, err)
			s.start(i)
		default:
		}
	}
}

func (s *backfillSim) done() bool {
	for i := range s.slots {
		since, ok := s.slots[i].p.IdleSince()
		if !ok || s.slots[i].worker.Dead() || time.Since(since) < 3*time.Second {
			return false
		}
	}
	return true
}

func (s *backfillSim) end() {
	for i := range s.slots {
		s.slots[i].stop()
	}
	for i := range s.slots {
		for ended := false; !ended; {
			s.sched.Step()
			select {
			case <-s.slots[i].ended:
				ended = true
			default:
			}
		}
	}
}

func (s *backfillSim) fail(format string, args ...any) {
	s.t.Errorf("seed %d: %s; the last of its history:\n%s", s.seed, fmt.Sprintf(format, args...), s.sched.History(80))
}

func (s *backfillSim) judge() {
	ctx := s.t.Context()
	state, err := backfill.ReadStatus(ctx, s.store.Table("control"))
	if err != nil || len(state.Open) > 0 || state.Scan != nil || len(state.Finished) == 0 {
		s.fail("%+v, %v", state, err)
	}
	found := func(d verify.Difference) {
		if d.Kind != verify.NotShown {
			s.fail("%+v", d)
		}
	}
	if report, err := verify.Run(ctx, s.store.Table("t"), verify.Options{Found: found}); err != nil || report.Skipped != 1 { // the non-member's
		s.fail("%+v, %v", report, err)
	}
	if n, _, err := quarantine.Count(ctx, s.store.Table("control")); n.Records != 1 || err != nil {
		s.fail("%d records are quarantined, %v", n.Records, err)
	}
	sent := map[string]bool{}
	for _, e := range s.store.Sent("q.fifo") {
		sent[e.DeduplicationID] = true
		if !s.owed[e.DeduplicationID] {
			s.fail("nobody was to be notified by %s", e.Body)
			return
		}
	}
	if len(sent) != len(s.owed) {
		s.fail("%d notifications, want %d", len(sent), len(s.owed))
	}
}
