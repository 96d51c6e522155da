package projector_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/projector"
)

var (
	seeds = flag.Int("seeds", 300, "how many seeds TestSimulation runs")
	first = flag.Uint64("seed", 0, "the first seed of TestSimulation")
)

// TestSimulation runs two projectors on one table and stream under a seeded
// schedule of crashes, frozen workers, conflicts, throttling, lost answers,
// partial batches and replays, and checks the invariants of the design: at
// every write, and at the end. It covers P2, P3, P4, P6, P10, P11, P12, P16,
// P17, P20, S4, S5.
func TestSimulation(t *testing.T) {
	const parallel = 4
	for part := range uint64(parallel) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for seed := *first + part; seed < *first+uint64(*seeds); seed += parallel {
				synctest.Test(t, func(t *testing.T) { newWorld(t, seed).run() })
			}
		})
	}
}

const (
	tableName = "t"
	queueName = "q.fifo"
)

// world is one simulated table with its projectors.
type world struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	store *sim.Store
	sched *sim.Scheduler
	check *checker

	messages []postroom.Message // in the order of their arrival
	slots    []*slot
}

// slot is a place where one projector runs after the other, with one control
// table. Two slots do not know of each other: each works on the whole stream.
type slot struct {
	name   string
	lives  int
	worker *sim.Worker
	proj   *projector.Projector
	stop   context.CancelFunc
	ended  chan error
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t:     t,
		seed:  seed,
		rng:   rand.New(rand.NewPCG(seed, 0)),
		store: sim.NewStore(seed),
	}
	w.sched = sim.NewScheduler(seed, sim.Faults{
		Conflict: 80, Throttle: 20, Lost: 40, Partial: 200, Crash: 25,
		Freeze: 25, FreezeFor: 4 * time.Second, Outage: 10, OutageFor: 4 * time.Second,
	})
	w.check = newChecker()
	w.store.OnWrite = w.check.write
	w.compose()
	return w
}

// compose makes the messages: conversations of two and three, now and then of
// 99, 100 or 237, ties, late arrivals, strangers, and openings that arrive late.
func (w *world) compose() {
	id := func() string {
		var b [16]byte
		for i := range b {
			b[i] = byte(w.rng.Uint32())
		}
		return uuid.Must(uuid.FromBytes(b[:])).String()
	}
	base := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 1 + w.rng.IntN(2) {
		size := 2 + w.rng.IntN(2)
		if w.rng.IntN(5) == 0 {
			size = []int{99, 100, 100, 100, 237}[w.rng.IntN(5)]
		}
		members := make([]postroom.Member, size)
		for i := range members {
			members[i] = postroom.Member{UserUUID: id(), DisplayName: fmt.Sprint("user ", i), Handle: fmt.Sprint("@", i)}
		}
		group, at := id(), base
		var conversation []postroom.Message
		for i := range 2 + w.rng.IntN(8) {
			switch w.rng.IntN(4) {
			case 0: // a tie
			case 1:
				at = at.Add(-3 * time.Microsecond)
			default:
				at = at.Add(time.Duration(1+w.rng.IntN(5)) * time.Microsecond)
			}
			sender := members[w.rng.IntN(size)]
			m := postroom.Message{
				GroupUUID: group, MessageUUID: id(), UserUUID: sender.UserUUID,
				DisplayName: sender.DisplayName, Handle: sender.Handle,
				Text: fmt.Sprintf("message %d", i), CreatedAt: at,
			}
			if i == 0 {
				m.Members = members
			} else if w.rng.IntN(20) == 0 {
				m.UserUUID = id() // a stranger
			}
			conversation = append(conversation, m)
		}
		if w.rng.IntN(3) == 0 { // the opening arrives late
			w.rng.Shuffle(len(conversation), func(i, j int) {
				conversation[i], conversation[j] = conversation[j], conversation[i]
			})
		}
		w.messages = append(w.messages, conversation...)
	}
}

func (w *world) run() {
	w.slots = []*slot{{name: "a"}, {name: "b"}}
	for _, s := range w.slots {
		w.start(s)
	}
	left := w.messages
	var silent time.Time
	for quiet := 0; quiet < 100; {
		w.sched.Step()
		if w.rng.IntN(200) == 0 { // nobody writes for a while
			silent = time.Now().Add(time.Duration(w.rng.IntN(4)) * time.Second)
		}
		if len(left) > 0 && time.Now().After(silent) && w.rng.IntN(12) == 0 {
			n := min(len(left), 1+w.rng.IntN(3))
			w.post(left[:n])
			left = left[n:]
		}
		if len(left) == 0 {
			quiet++
		}
		if len(w.slots) < 4 && w.rng.IntN(150) == 0 {
			w.slots = append(w.slots, &slot{name: fmt.Sprintf("r%d", len(w.slots))}) // a replay
			w.start(w.slots[len(w.slots)-1])
		}
		w.revive()
	}
	w.sched.Free()
	for n := 0; !w.idle(); n++ {
		w.sched.Step()
		w.revive()
		if n > 20_000 {
			w.fail("the projectors come to no end")
			break
		}
	}
	w.judge()
	for _, s := range w.slots {
		s.stop()
	}
	for slices.ContainsFunc(w.slots, func(s *slot) bool { return s.ended != nil }) {
		w.sched.Step()
		for _, s := range w.slots {
			w.reap(s)
		}
	}
}

func (w *world) post(messages []postroom.Message) {
	for _, m := range messages {
		if _, err := w.store.Table(tableName).Put(context.Background(), m.Item(), backend.Condition{Absent: true}); err != nil {
			w.t.Fatal(err)
		}
		w.sched.Note("posted %s %s", m.GroupUUID, m.Key())
	}
}

func (w *world) start(s *slot) {
	s.lives++
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.worker = w.sched.Worker(fmt.Sprintf("%s%d", s.name, s.lives), w.store, stop)
	s.ended = make(chan error, 1)
	s.proj = projector.New(projector.Config{
		Table:     s.worker.Table(tableName),
		Control:   s.worker.Table("control-" + s.name),
		Stream:    s.worker.Stream(tableName),
		Queue:     s.worker.Queue(queueName),
		TableName: tableName,
		Index:     w.rng.IntN(2) == 0,
	}, projector.Options{
		Worker: s.worker.Name, LeaseDuration: time.Second, MemberWait: 2 * time.Second,
		Movers: 2, Senders: 1,
	})
	go func() { s.ended <- s.proj.Run(ctx) }()
}

// reap notices the end of a slot's projector.
func (w *world) reap(s *slot) bool {
	select {
	case err := <-s.ended:
		w.sched.Note("%s ended: %v", s.worker.Name, err)
		s.ended = nil
		return true
	default:
		return s.ended == nil
	}
}

// revive starts a projector anew wherever one has ended.
func (w *world) revive() {
	for _, s := range w.slots {
		if w.reap(s) {
			w.start(s)
		}
	}
}

func (w *world) idle() bool {
	for _, s := range w.slots {
		since, ok := s.proj.IdleSince()
		if !ok || s.worker.Dead() || time.Since(since) < 3*time.Second {
			return false
		}
	}
	return true
}

func (w *world) fail(format string, args ...any) {
	w.t.Errorf("%s\nrepeat with -run TestSimulation -seed %d -seeds 1; the last of its history:\n%s",
		fmt.Sprintf(format, args...), w.seed, w.sched.History(120))
}

// judge compares the end with what a plain fold says.
func (w *world) judge() {
	for _, v := range w.check.violations {
		w.fail("%s", v)
		return
	}
	want := map[backend.Key]postroom.Group{}
	told := map[string]bool{}
	strangers := 0
	for group, messages := range byGroup(w.messages) {
		opener := w.opener(group)
		members := messages[opener].Members
		var last postroom.Message
		for _, m := range messages {
			if !slices.ContainsFunc(members, func(p postroom.Member) bool { return p.UserUUID == m.UserUUID }) {
				strangers++
				continue
			}
			if last.GroupUUID == "" || m.Position().Compare(last.Position()) > 0 {
				last = m
			}
			for _, r := range postroom.Recipients(members, m.UserUUID) {
				told[postroom.NotificationID(m, r)] = true
			}
		}
		for _, g := range postroom.Groups(last, members) {
			want[backend.KeyOf(g.Item())] = g
		}
	}
	w.judgeRows(want)
	w.judgeSent(told)
	for _, s := range w.slots {
		n, err := projector.CountSetAside(context.Background(), w.store.Table("control-"+s.name))
		if err != nil || n != strangers {
			w.fail("slot %s: %d records are set aside (%v), want %d", s.name, n, err, strangers)
		}
	}
}

func byGroup(messages []postroom.Message) map[string]map[string]postroom.Message {
	groups := map[string]map[string]postroom.Message{}
	for _, m := range messages {
		if groups[m.GroupUUID] == nil {
			groups[m.GroupUUID] = map[string]postroom.Message{}
		}
		groups[m.GroupUUID][m.Key()] = m
	}
	return groups
}

// opener is the message whose members count, as the head remembers it.
func (w *world) opener(group string) string {
	item, _, _ := w.store.Table(tableName).Get(context.Background(), backend.Key{PK: group, SK: postroom.HeadKey})
	return backend.Text(item, "opened_by")
}

func (w *world) judgeRows(want map[backend.Key]postroom.Group) {
	for _, item := range w.store.Items(tableName) {
		key := backend.KeyOf(item)
		if key.PK[:4] != postroom.InboxPrefix {
			continue
		}
		got, err := postroom.GroupFromItem(item)
		if err != nil || got != want[key] {
			w.fail("row %v is %+v (%v), want %+v", key, got, err, want[key])
			return
		}
		delete(want, key)
	}
	for key := range want {
		w.fail("row %v is missing", key)
		return
	}
}

func (w *world) judgeSent(want map[string]bool) {
	sent := map[string]bool{}
	for _, e := range w.store.Sent(queueName) {
		sent[e.DeduplicationID] = true
		if !want[e.DeduplicationID] {
			w.fail("a notification nobody was to get: %s", e.Body)
			return
		}
	}
	if len(sent) != len(want) {
		w.fail("%d notifications were sent, want %d", len(sent), len(want))
	}
}

// checker looks at every write.
type checker struct {
	rows       map[string]int // of each user and conversation
	violations []string
}

func newChecker() *checker { return &checker{rows: map[string]int{}} }

func (c *checker) violation(format string, args ...any) {
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

func (c *checker) write(table string, before, after backend.Item) {
	if table != tableName {
		return
	}
	key := backend.KeyOf(before)
	if before == nil {
		key = backend.KeyOf(after)
	}
	switch {
	case key.SK == postroom.HeadKey:
		if before != nil && (after == nil || compareHeads(before, after) > 0) {
			c.violation("the head of %s went back", key.PK)
		}
	case key.PK[:4] != postroom.InboxPrefix:
		if before != nil {
			c.violation("message %v was changed", key)
		}
	default:
		_, group, _ := postroom.ParseRowKey(key.SK)
		owner := key.PK + " " + group
		if before == nil {
			c.rows[owner]++
		}
		if after == nil {
			c.rows[owner]--
			if c.rows[owner] == 0 {
				c.violation("%s has no row any more", owner)
			}
		}
	}
}

func compareHeads(a, b backend.Item) int {
	return cmp.Or(
		cmp.Compare(backend.Text(a, "last_reply_at"), backend.Text(b, "last_reply_at")),
		cmp.Compare(backend.Text(a, "last_message_uuid"), backend.Text(b, "last_message_uuid")),
	)
}
