package stream

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

var seeds = flag.Int("seeds", 40, "how many random histories to run")

// Random histories: shards roll and split, children are listed late, calls fail
// before or after they happened, iterators expire, workers start, stop and
// freeze, acknowledgements come in any order. Whatever happens, a checkpoint
// says only what is done, a child comes after its parent, and everything is
// delivered in the end. A failure names its seed: go test -run 'RandomHistory/7$'.
func TestRandomHistory(t *testing.T) {
	t.Parallel()
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newHistory(t, uint64(seed)).play() })
		})
	}
}

// history is one run of the world.
type history struct {
	t       *testing.T
	rng     *rand.Rand // for the script, used by its goroutine only
	stream  *fakeStream
	control *fakeTable
	calm    bool // no more faults; under both locks

	mu       sync.Mutex
	faults   *rand.Rand // guarded by mu
	done     map[string]bool
	leases   map[string]lease // as last written
	told     []string
	acks     sync.WaitGroup
	sequence int
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), faults: rand.New(rand.NewPCG(seed, 2)),
		control: newTable(), done: make(map[string]bool), leases: make(map[string]lease),
	}
	h.stream = newStream(shard("s0", ""))
	h.stream.pageSize = 3
	h.stream.fault = h.streamFault
	h.control.fault = func(op, sk string) error { return h.fault(op+" "+sk, 0.1) }
	h.control.lost = func(sk string) error { return h.fault("answer to Put "+sk, 0.1) }
	h.control.wrote = h.check
	return h
}

// tell adds a line to what is printed when the history fails.
func (h *history) tell(format string, args ...any) {
	h.told = append(h.told, fmt.Sprintf(format, args...))
}

func (h *history) fail(format string, args ...any) {
	h.t.Errorf(format+"\n%s", append(args, strings.Join(h.told[max(0, len(h.told)-40):], "\n"))...)
}

func (h *history) fault(what string, share float64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calm || h.faults.Float64() > share {
		return nil
	}
	kind := []backend.Kind{backend.KindUnavailable, backend.KindThrottled, backend.KindUnknown}[h.faults.IntN(3)]
	h.tell("fault: %s: %v", what, kind)
	return fail(what, kind)
}

func (h *history) streamFault(op, of string) error {
	if err := h.fault(op+" "+of, 0.1); err != nil || op != "Records" {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.calm && h.faults.Float64() < 0.03 {
		return fail(op, backend.KindExpired)
	}
	return nil
}

// handler acknowledges each record after a while of its own.
func (h *history) handler(name string, frozen *gate) HandlerFunc {
	return func(_ context.Context, records []*Record) error {
		frozen.pass()
		parent := h.parentOf(records[0].Shard)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tell("%s gets %s from %s of %d", name, records[0].Shard, records[0].Sequence, len(records))
		if parent != "" && !h.leases[parent].finished {
			h.fail("%s was delivered before its parent %s was finished", records[0].Shard, parent)
		}
		for _, r := range records {
			wait := time.Duration(h.faults.IntN(3000)) * time.Millisecond
			h.acks.Go(func() {
				time.Sleep(wait)
				h.mu.Lock()
				h.done[r.Shard+"/"+r.Sequence] = true
				h.mu.Unlock()
				r.Ack()
			})
		}
		return nil
	}
}

func (h *history) parentOf(id string) string {
	h.stream.mu.Lock()
	defer h.stream.mu.Unlock()
	for _, s := range h.stream.shards {
		if s.id == id {
			return s.parent
		}
	}
	return ""
}

// check holds every lease that is written against what is done.
func (h *history) check(item backend.Item) {
	if !strings.HasPrefix(backend.KeyOf(item).SK, shardPrefix) {
		return
	}
	l, err := decodeLease(item)
	if err != nil {
		h.t.Error(err)
		return
	}
	h.stream.mu.Lock()
	i := slices.IndexFunc(h.stream.shards, func(s *fakeShard) bool { return s.id == l.shard })
	s := *h.stream.shards[i]
	h.stream.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.leases[l.shard]
	h.leases[l.shard] = l
	h.tell("lease %s: %s epoch %d checkpoint %q finished %v", l.shard, l.worker, l.epoch, l.done.sequence, l.finished)
	if l.epoch < before.epoch || backend.CompareSequence(l.done.sequence, before.done.sequence) < 0 || before.finished && !l.finished {
		h.fail("lease %s went back from %+v to %+v", l.shard, before, l)
	}
	if l.epoch == before.epoch && l.run != before.run {
		h.fail("two runs wrote lease %s in epoch %d", l.shard, l.epoch)
	}
	for _, r := range s.records {
		passed := l.finished || backend.CompareSequence(r.Sequence, l.done.sequence) <= 0
		if passed && !h.done[s.id+"/"+r.Sequence] {
			h.fail("the lease %s passes %s, which is not done", l.shard, r.Sequence)
		}
	}
	if l.finished && !s.closed {
		h.fail("shard %s is open and counts as finished", l.shard)
	}
}

// actor is one process: a worker that can be frozen.
type actor struct {
	name   string
	gate   *gate
	frozen bool
	cancel context.CancelFunc
	done   chan struct{}
}

func (h *history) start(name string) *actor {
	ctx, cancel := context.WithCancel(h.t.Context())
	a := &actor{name: name, gate: newGate(), cancel: cancel, done: make(chan struct{})}
	reader := NewReader(gatedStream{h.stream, a.gate}, gatedTable{h.control, a.gate}, h.handler(name, a.gate),
		Options{Worker: name, Window: 20, FlushCount: 5, DiscoverInterval: 5 * time.Second})
	go func() {
		defer close(a.done)
		err := reader.Run(ctx)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tell("%s ended: %v", name, err)
	}()
	return a
}

func (a *actor) running() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

func (a *actor) thaw() {
	if a.frozen {
		a.frozen = false
		a.gate.thaw()
	}
}

// play runs the script, lets everything calm down and looks at the end.
func (h *history) play() {
	var actors []*actor
	defer func() {
		for _, a := range actors {
			a.thaw()
			a.cancel()
			<-a.done
		}
		h.acks.Wait()
	}()
	for step := range 60 {
		time.Sleep(time.Duration(h.rng.IntN(2000)) * time.Millisecond)
		h.write()
		actors = slices.DeleteFunc(actors, func(a *actor) bool { return !a.running() })
		switch n := h.rng.IntN(10); {
		case n < 3 && len(actors) < 3:
			actors = append(actors, h.start(fmt.Sprint("worker", step)))
		case len(actors) == 0:
		case n < 5:
			a := actors[h.rng.IntN(len(actors))]
			if a.frozen {
				a.thaw()
			} else {
				a.frozen = true
				a.gate.shut()
			}
		case n == 5:
			actors[h.rng.IntN(len(actors))].cancel()
		case n == 6:
			h.split()
		}
	}
	h.mu.Lock()
	h.calm = true
	h.mu.Unlock()
	for _, a := range actors {
		a.thaw()
	}
	h.stream.edit(func() {
		for _, s := range h.stream.shards {
			s.hidden = false
		}
	})
	time.Sleep(time.Minute)
	actors = slices.DeleteFunc(actors, func(a *actor) bool { return !a.running() })
	if len(actors) == 0 {
		actors = append(actors, h.start("last"))
	}
	time.Sleep(2 * time.Minute)
	h.finale()
}

// write appends to some open shard.
func (h *history) write() {
	h.stream.edit(func() {
		for range h.rng.IntN(12) {
			s := h.stream.shards[h.rng.IntN(len(h.stream.shards))]
			if h.sequence++; !s.closed {
				s.records = append(s.records, backend.Record{Sequence: fmt.Sprint(h.sequence), CreatedAt: time.Now()})
			}
		}
	})
}

// split closes a shard for one or two others, which may be listed late.
func (h *history) split() {
	h.stream.edit(func() {
		for _, s := range h.stream.shards {
			s.hidden = false
		}
		s := h.stream.shards[h.rng.IntN(len(h.stream.shards))]
		if s.closed {
			return
		}
		s.closed = true
		for range 1 + h.rng.IntN(2) {
			child := shard(fmt.Sprint("s", len(h.stream.shards)), s.id)
			child.hidden = h.rng.IntN(2) == 0
			h.stream.shards = append(h.stream.shards, child)
		}
	})
}

// finale checks that everything was done, and is known to be.
func (h *history) finale() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.stream.shards {
		for _, r := range s.records {
			if !h.done[s.id+"/"+r.Sequence] {
				h.fail("record %s of %s was never done", r.Sequence, s.id)
				return
			}
		}
		l := h.leases[s.id]
		if n := len(s.records); l.finished != s.closed || n > 0 && l.done.sequence != s.records[n-1].Sequence {
			h.fail("at the end the lease of %s is %+v", s.id, l)
		}
	}
}
