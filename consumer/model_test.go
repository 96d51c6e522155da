package consumer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/backend"
)

// modelPlan is one run of the model.
type modelPlan struct {
	seed     uint64
	fifo     bool
	faulty   bool
	messages int
	workers  int
	changes  int // of workers: drains and, where faulty, crashes
	max      int // messages in flight of a worker
	options  Options
}

func drawPlan(t *rapid.T) modelPlan {
	return modelPlan{
		seed:     rapid.Uint64().Draw(t, "seed"),
		fifo:     rapid.Bool().Draw(t, "fifo"),
		faulty:   rapid.Bool().Draw(t, "faulty"),
		messages: rapid.IntRange(1, 60).Draw(t, "messages"),
		workers:  rapid.IntRange(1, 3).Draw(t, "workers"),
		changes:  rapid.IntRange(0, 4).Draw(t, "changes"),
		max:      rapid.IntRange(1, 40).Draw(t, "max in flight"),
		options: Options{
			Concurrency: rapid.IntRange(1, 8).Draw(t, "concurrency"),
			Receivers:   rapid.IntRange(1, 2).Draw(t, "receivers"),
			Visibility:  modelVisibility,
			Wait:        time.Second,
			BackoffMin:  20 * time.Second, BackoffMax: 40 * time.Second,
			DrainTimeout: time.Minute,
		},
	}
}

// modelRun is a plan under way.
type modelRun struct {
	*modelQueue

	plan modelPlan

	workers []*modelWorker
	running map[string]map[*modelWorker]int // handlers of an id
	ended   map[string]bool                 // ids that were handled to success, or dropped
}

type modelWorker struct {
	*Worker

	view *modelView
	stop context.CancelFunc
	done chan error
}

// TestQ3Q4Q5Q7Q10Q11Model holds the worker against a model of its queue, under
// random arrivals, handlers, failures, lost answers, expiries, crashes and
// drains.
func TestQ3Q4Q5Q7Q10Q11Model(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		plan := drawPlan(rt)
		var wrong, history []string
		synctest.Test(t, func(t *testing.T) { wrong, history = plan.run(t) })
		if len(wrong) > 0 {
			rt.Fatalf("%s\n%s", strings.Join(wrong, "\n"), strings.Join(history[max(0, len(history)-150):], "\n"))
		}
	})
}

func (p modelPlan) run(t *testing.T) (wrong, history []string) {
	r := &modelRun{
		plan: p,
		modelQueue: &modelQueue{
			fifo: p.fifo, faulty: p.faulty, rng: rand.New(rand.NewPCG(p.seed, 0)),
			known: map[string]*modelReceipt{},
		},
		running: map[string]map[*modelWorker]int{}, ended: map[string]bool{},
	}
	for n := range p.workers {
		r.hire(t, fmt.Sprint("w", n))
	}
	var arrivals sync.WaitGroup
	arrivals.Go(r.arrive)
	for n := range p.changes {
		time.Sleep(time.Duration(dice(p.seed, 30_000, "change", n)) * time.Millisecond)
		r.replace(t, int(dice(p.seed, uint64(p.workers), "who", n)), n)
	}
	arrivals.Wait()
	r.finish(t)
	return r.wrong, r.history
}

func (r *modelRun) arrive() {
	for n := range r.plan.messages {
		time.Sleep(time.Duration(dice(r.plan.seed, 1_500, "pause", n)) * time.Millisecond)
		r.add(fmt.Sprintf("m%02d", n), fmt.Sprint("g", dice(r.plan.seed, 4, "group", n)))
	}
}

func (r *modelRun) hire(t *testing.T, name string) {
	w := &modelWorker{view: &modelView{modelQueue: r.modelQueue, name: name}, done: make(chan error, 1)}
	o := r.plan.options
	o.DeadLetters = &modelView{modelQueue: r.modelQueue, name: name, letters: true}
	worker, err := New(w.view, HandlerFunc(func(ctx context.Context, d backend.Delivery) error { return r.handle(ctx, w, d) }), o)
	if err != nil {
		t.Fatal(err)
	}
	worker.inFlight = newInFlight(worker.opts, r.plan.max)
	ctx, stop := context.WithCancel(t.Context())
	w.Worker, w.stop = worker, stop
	r.workers = append(r.workers, w)
	go func() { w.done <- worker.Run(ctx) }()
}

// replace stops a worker, or has it crash, and starts another one.
func (r *modelRun) replace(t *testing.T, n, life int) {
	w := r.workers[n]
	r.mu.Lock()
	if r.plan.faulty && dice(r.plan.seed, 2, "crash", life) == 0 {
		w.view.crashed = true
		w.opts.DeadLetters.(*modelView).crashed = true
		for _, of := range r.running {
			delete(of, w)
		}
		r.note("%s crashes", w.view.name)
	}
	r.mu.Unlock()
	r.drain(t, w)
	r.workers = slices.Delete(r.workers, n, n+1)
	r.hire(t, fmt.Sprint("w", n, "-", life))
}

// drain stops a worker, and checks that nothing is left in flight by it.
func (r *modelRun) drain(t *testing.T, w *modelWorker) {
	w.stop()
	if err := <-w.done; err != nil {
		t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := w.Stats()
	r.note("%s stopped: %+v", w.view.name, s)
	if r.plan.faulty {
		return
	}
	if s.InFlight != 0 || s.InFlightBytes != 0 || s.Received != s.Duplicates+s.Delivered+s.Failed+s.Dropped+s.Released {
		r.fail("%s drained and has %+v", w.view.name, s)
	}
	for _, m := range r.messages {
		if k := r.known[m.Receipt]; k != nil && k.by == w.view && !k.over && m.visibleAt.After(time.Now()) {
			r.fail("%s left %s in flight", w.view.name, m.Receipt)
		}
	}
}

// handle does to a message what the dice say, and watches that nobody else is at
// it. Another worker may be where the queue lost an extension.
func (r *modelRun) handle(ctx context.Context, w *modelWorker, d backend.Delivery) error {
	r.mu.Lock()
	if w.view.crashed {
		r.mu.Unlock()
		return ctx.Err()
	}
	if r.running[d.MessageID] == nil {
		r.running[d.MessageID] = map[*modelWorker]int{}
	}
	if of := r.running[d.MessageID]; of[w] > 0 || len(of) > 0 && !r.plan.faulty {
		r.fail("%s handles %s, which is being handled", w.view.name, d.MessageID)
	}
	r.running[d.MessageID][w]++
	r.mu.Unlock()

	time.Sleep(time.Duration(dice(r.plan.seed, 100, "long", d.MessageID, d.ReceiveCount)) * 200 * time.Millisecond)
	what := dice(r.plan.seed, 12, "outcome", d.MessageID, d.ReceiveCount)

	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running[d.MessageID], w)
	if w.view.crashed {
		return nil
	}
	r.note("%s handled %s: %d", w.view.name, d.Receipt, what)
	switch what {
	case 0, 1:
		return errors.New("failed")
	case 2:
		panic("failed")
	case 3:
		return RetryAfter(time.Minute, errors.New("later"))
	case 4:
		return DeadLetter(errors.New("never"))
	case 5:
		r.over(d)
		return Drop(errors.New("not wanted"))
	}
	r.over(d)
	return nil
}

// over notes that a message needs no handling any more, and checks that those
// before it in its group do not either.
func (r *modelRun) over(d backend.Delivery) {
	if r.fifo && !r.ended[d.MessageID] {
		for _, m := range r.messages {
			if m.MessageID == d.MessageID {
				break
			}
			if m.GroupID == d.GroupID && !r.ended[m.MessageID] && !slices.Contains(r.dead, m.MessageID) && !r.condemned(m.Delivery) {
				r.fail("%s is handled before %s", d.MessageID, m.MessageID)
			}
		}
	}
	r.ended[d.MessageID] = true
}

// condemned reports whether a handler gave a message up, so that it is on its
// way to the dead-letter queue.
func (r *modelRun) condemned(d backend.Delivery) bool {
	for receives := 1; receives <= d.ReceiveCount; receives++ {
		if dice(r.plan.seed, 12, "outcome", d.MessageID, receives) == 4 {
			return true
		}
	}
	return false
}

// finish lets everything come to its end, without further faults, and checks it.
func (r *modelRun) finish(t *testing.T) {
	r.mu.Lock()
	r.faulty = false
	r.mu.Unlock()
	for range 4 * 60 {
		if depth, _ := r.workers[0].view.Depth(t.Context()); depth.Empty() {
			break
		}
		time.Sleep(time.Minute)
	}
	time.Sleep(time.Minute) // what was answered last is noted
	for _, w := range r.workers {
		r.drain(t, w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		r.fail("%+v is still in the queue", m.Delivery)
	}
	for n := range r.plan.messages {
		id := fmt.Sprintf("m%02d", n)
		if !r.ended[id] && !slices.Contains(r.dead, id) {
			r.fail("%s is lost", id)
		}
	}
}
