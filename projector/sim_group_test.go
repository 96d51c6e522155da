package projector_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/projector"
	"github.com/postroom/postroom/projector/quarantine"
)

// leaseDuration of all projectors.
const leaseDuration = time.Second

// slot is a place where one projector runs after the other. Those with one
// control table are a group.
type slot struct {
	name    string
	control string
	lives   int
	back    time.Time // when the next one starts
	worker  *sim.Worker
	proj    *projector.Projector
	stop    context.CancelFunc
	ended   chan error // nil: none runs
	err     error      // of the last one
}

func (w *world) slots() []*slot { return append(slices.Clone(w.group), w.replays...) }

func (w *world) start(s *slot) {
	s.lives++
	ctx, stop := context.WithCancel(context.Background())
	name := fmt.Sprintf("%s%d", s.name, s.lives)
	s.stop = func() {
		w.check.gone[name] = true
		stop()
	}
	s.worker = w.sched.Worker(name, w.store, s.stop)
	s.worker.OnOpen = w.check.control(s.control).opens
	w.check.born[s.worker.Name] = time.Now()
	s.ended, s.err = make(chan error, 1), nil
	wrong := w.between(-w.skew, w.skew)
	s.proj = projector.NewTuned(projector.Config{
		Table:     s.worker.Table(tableName),
		Control:   s.worker.Table(s.control),
		Stream:    s.worker.Stream(tableName),
		Queue:     s.worker.Queue(queueName),
		QueueName: queueName,
		TableName: tableName,
		Index:     w.rng.IntN(2) == 0,
	}, projector.Options{Worker: s.worker.Name, LeaseDuration: leaseDuration}, projector.Tuning{
		MemberWait: 2 * time.Second, Movers: 2, Senders: 1,
		Now: func() time.Time { return time.Now().Add(wrong) },
	})
	w.sched.Note("%s starts, its clock wrong by %s", s.worker.Name, wrong.Round(time.Second))
	go func() { s.ended <- s.proj.Run(ctx) }()
}

// revive starts a projector wherever none runs and its time has come.
func (w *world) revive() {
	for _, s := range w.slots() {
		if w.reap(s) && time.Now().After(s.back) {
			w.start(s)
		}
	}
}

// reap notices the end of a slot's projector, and reports whether none runs.
func (w *world) reap(s *slot) bool {
	select {
	case s.err = <-s.ended:
		w.sched.Note("%s ended: %v", s.worker.Name, s.err)
		s.ended = nil
		s.back = w.soon(2 * time.Second)
		if w.rng.IntN(2) == 0 {
			s.back = time.Now()
		}
	default:
	}
	return s.ended == nil
}

// happen is what happens beside the calls of workers.
func (w *world) happen() {
	switch w.rng.IntN(400) {
	case 0:
		if s := w.group[w.rng.IntN(len(w.group))]; s.ended != nil {
			w.sched.Note("%s is asked to stop", s.worker.Name)
			s.stop()
		}
	case 1:
		if len(w.replays) < 2 && w.rng.IntN(4) == 0 {
			name := fmt.Sprintf("r%d-", len(w.replays))
			w.replays = append(w.replays, &slot{name: name, control: "control-" + name})
		}
	case 2, 3:
		if w.nights > 0 {
			w.nights--
			w.night()
		}
	case 4, 5:
		if w.toggles > 0 {
			w.toggles--
			w.toggle()
		}
	case 6, 7:
		if w.meddled {
			w.meddle()
		}
	case 8, 9:
		w.retryQuarantined()
	case 10, 11, 12, 13, 14, 15:
		if w.vandal != nil {
			w.vandalize()
		}
	}
}

// retryQuarantined is an operator who has all that is in quarantine tried again.
func (w *world) retryQuarantined() {
	control := w.store.Table("control")
	var records []*quarantine.Stored
	for s, err := range quarantine.All(context.Background(), control, quarantine.Reading{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		records = append(records, s)
	}
	for batch := range slices.Chunk(records, 1+w.rng.IntN(quarantine.MaxBatch)) {
		w.sched.Note("an operator retries %d records", len(batch))
		if _, err := quarantine.Ask(context.Background(), control, batch, 10_000); err != nil {
			w.t.Fatal(err)
		}
	}
}

// night is a time in which nobody works: all are dead, stopped in order, or
// frozen.
func (w *world) night() {
	if w.rng.IntN(4) == 0 {
		d := w.between(time.Second, 20*time.Minute)
		for _, s := range w.slots() {
			if s.ended != nil {
				w.sched.Freeze(s.worker, d)
			}
		}
		w.leap(d, d+1)
		return
	}
	kill := w.rng.IntN(2) == 0
	for _, s := range w.slots() {
		if s.ended != nil && kill {
			w.sched.Kill(s.worker)
		} else if s.ended != nil {
			s.stop()
		}
	}
	for range 400 { // what is on its way arrives, what is asked to stop does
		w.sched.Step()
	}
	for _, s := range w.slots() {
		if s.ended != nil {
			w.sched.Kill(s.worker)
		}
		s.back = time.Time{}
	}
	switch w.rng.IntN(4) {
	case 0:
		w.leap(time.Minute, 20*time.Minute)
	case 1:
		w.leap(time.Hour, 12*time.Hour)
	default:
		w.leap(23*time.Hour, 60*time.Hour)
	}
}

func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)))
}

// leap lets a long time pass, in which something may be posted.
func (w *world) leap(low, high time.Duration) {
	parts := 1 + w.rng.IntN(4)
	d := w.between(low, high) / time.Duration(parts)
	w.sched.Note("%s pass, %d times", d, parts)
	for range parts {
		w.post(w.rng.IntN(3))
		time.Sleep(d)
	}
}

// toggle switches the stream off or on.
func (w *world) toggle() {
	if w.store.StreamARN(tableName) == "" {
		w.store.SwitchOn(tableName)
		w.sched.Note("the stream is switched on")
		return
	}
	w.store.SwitchOff(tableName)
	w.sched.Note("the stream is switched off")
	if w.rng.IntN(2) == 0 { // and on, while nobody looks
		w.post(w.rng.IntN(3))
		w.store.SwitchOn(tableName)
		w.sched.Note("the stream is switched on")
	}
}

// meddle is an operator who knows best: an item of the group is removed, or a
// lease released or given to nobody that there is.
func (w *world) meddle() {
	var items []backend.Item
	for _, item := range w.store.Items("control") {
		if strings.HasPrefix(backend.KeyOf(item).PK, "stream#") {
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		return
	}
	slices.SortFunc(items, func(a, b backend.Item) int {
		return strings.Compare(backend.KeyOf(a).SK, backend.KeyOf(b).SK)
	})
	item := items[w.rng.IntN(len(items))]
	key := backend.KeyOf(item)
	table := w.store.Table("control")
	if what := w.rng.IntN(3); what > 0 && strings.HasPrefix(key.SK, "SHARD#") {
		stolen := cloneItem(item)
		stolen["worker"], stolen["session"] = text(""), text("")
		if what == 2 {
			stolen["worker"], stolen["session"] = text("thief"), text("none")
			stolen["epoch"] = number(epochOf(item) + 1)
		}
		w.sched.Note("an operator takes %s from %s", key.SK, backend.Text(item, "worker"))
		if _, err := table.Put(context.Background(), stolen, backend.Condition{}); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	w.sched.Note("an operator removes %s", key.SK)
	if _, _, err := table.BatchWrite(context.Background(), []backend.Write{{Delete: key}}); err != nil {
		w.t.Fatal(err)
	}
}

// idle reports whether nobody has anything to do.
func (w *world) idle() bool {
	for _, s := range w.slots() {
		if s.ended == nil || s.worker.Dead() {
			return false
		}
		if since, ok := s.proj.IdleSince(); !ok || time.Since(since) < settled {
			return false
		}
	}
	return true
}

// noticed reports whether every shard has been found, by one that lives if it is
// its turn, and every gap closed. Of what an operator does to a lease a projector
// learns with its next look at all of them.
func (w *world) noticed() bool {
	for _, s := range w.slots() {
		ctl := w.check.control(s.control)
		if !ctl.backfilled() {
			return false
		}
		for _, sh := range w.store.Shards(tableName) {
			if t := ctl.tenure(shardID{sh.ARN, sh.ID}); !t.there || !t.finished && !w.works(t.owner, s.control) {
				return false
			}
		}
	}
	return true
}

// works reports whether a worker of a group has not ended.
func (w *world) works(name, control string) bool {
	return slices.ContainsFunc(w.slots(), func(s *slot) bool {
		return s.control == control && s.ended != nil && s.worker.Name == name
	})
}

// end stops all projectors, in vain or not.
func (w *world) end() {
	for _, s := range w.slots() {
		if s.ended != nil {
			s.stop()
		}
	}
	if v := w.vandal; v != nil && v.ended != nil {
		v.stop()
	}
	for running := true; running; {
		w.sched.Step()
		running = w.vandal != nil && w.repairing()
		for _, s := range w.slots() {
			running = !w.reap(s) || running
		}
	}
}
