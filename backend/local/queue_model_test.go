package local

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/backend"
)

// modelMessage is what the model knows of a message.
type modelMessage struct {
	group, body string
	receives    int
	hiddenUntil time.Time // zero: ready
	receipt     string    // the newest
	old         []string  // receipts before it
	sentAt      time.Time
}

// queueModel is a FIFO queue as one would describe it, with its dead-letter
// queue, without any index or row of a group.
type queueModel struct {
	now      time.Time
	messages []*modelMessage // in order of sending
	dead     []string        // bodies
	sent     map[string]time.Time
}

const (
	modelGroups      = 4
	modelMaxReceives = 3
	modelVisibility  = 30 * time.Second
)

func (m *queueModel) ready(x *modelMessage) bool { return !x.hiddenUntil.After(m.now) }

// send returns the messages that are stored.
func (m *queueModel) send(group, body string) {
	key := group + " " + body
	if at, ok := m.sent[key]; ok && m.now.Sub(at) < deduplicationWindow {
		return
	}
	m.sent[key] = m.now
	m.messages = append(m.messages, &modelMessage{group: group, body: body, sentAt: m.now})
}

// receive is what a receive of up to max has to deliver: of the group with the
// oldest message its ready ones up to the first in flight, then of the next.
func (m *queueModel) receive(max int) (got []*modelMessage) {
	blocked := map[string]bool{}
	var order []string
	byGroup := map[string][]*modelMessage{}
	for _, x := range slices.Clone(m.messages) {
		switch {
		case blocked[x.group]:
		case !m.ready(x):
			blocked[x.group] = true
		default:
			if byGroup[x.group] == nil {
				order = append(order, x.group)
			}
			byGroup[x.group] = append(byGroup[x.group], x)
		}
	}
	for _, group := range order {
		for _, x := range byGroup[group] {
			if len(got) == max {
				return got
			}
			if x.receives >= modelMaxReceives {
				m.dead = append(m.dead, x.body)
				m.remove(x)
				continue
			}
			got = append(got, x)
		}
	}
	return got
}

func (m *queueModel) remove(x *modelMessage) {
	m.messages = slices.DeleteFunc(m.messages, func(y *modelMessage) bool { return x == y })
}

func (m *queueModel) depth() (d backend.Depth) {
	for _, x := range m.messages {
		if m.ready(x) {
			d.Visible++
		} else {
			d.InFlight++
		}
		if d.Oldest.IsZero() { // the first one was sent first
			d.Oldest = x.sentAt
		}
	}
	return d
}

// Whatever is done in whatever order, a FIFO queue is what the model says.
func TestQ7QueueModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		clock := newClock()
		b, err := Open(Memory, Options{Now: clock.now})
		if err != nil {
			rt.Fatal(err)
		}
		defer b.Close()
		dead, live := fifoSpec("dead"), fifoSpec("live")
		live.DeadLetterQueue, live.MaxReceiveCount = dead.Name, modelMaxReceives
		for _, spec := range []backend.QueueSpec{dead, live} {
			if err := b.CreateQueue(t.Context(), spec); err != nil {
				rt.Fatal(err)
			}
		}
		run := &modelRun{t: t, rt: rt, q: b.Queue(live.Name), clock: clock,
			model: &queueModel{now: clock.now(), sent: map[string]time.Time{}}}
		rt.Repeat(map[string]func(*rapid.T){
			"":         run.check,
			"send":     run.send,
			"receive":  run.receive,
			"receive2": run.receive, // twice as often
			"delete":   run.delete,
			"change":   run.change,
			"advance":  run.advance,
		})
		run.drainDead(b.Queue(dead.Name))
	})
}

// modelRun does the same to a queue and to its model.
type modelRun struct {
	t     *testing.T
	rt    *rapid.T
	q     backend.Queue
	clock *testClock
	model *queueModel
}

func (r *modelRun) check(t *rapid.T) {
	got, err := r.q.Depth(r.t.Context())
	if want := r.model.depth(); err != nil || got.Visible != want.Visible || got.InFlight != want.InFlight || !got.Oldest.Equal(want.Oldest) {
		t.Fatalf("depth %+v, want %+v, error %v", got, want, err)
	}
}

func (r *modelRun) send(t *rapid.T) {
	entries := make([]backend.SendEntry, rapid.IntRange(1, backend.MaxQueueBatch).Draw(t, "entries"))
	for i := range entries {
		group := fmt.Sprint("g", rapid.IntRange(1, modelGroups).Draw(t, "group"))
		body := fmt.Sprint("m", rapid.IntRange(1, 200).Draw(t, "body"))
		entries[i] = backend.SendEntry{Body: body, GroupID: group, DeduplicationID: body}
		r.model.send(group, body)
	}
	if failed, err := r.q.Send(r.t.Context(), entries); err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
}

func (r *modelRun) receive(t *rapid.T) {
	max := rapid.IntRange(1, backend.MaxQueueBatch).Draw(t, "max")
	want := r.model.receive(max)
	got, err := r.q.Receive(r.t.Context(), max, 0, modelVisibility)
	if err != nil || len(got) != len(want) {
		t.Fatalf("received %d messages, want %d, error %v", len(got), len(want), err)
	}
	for i, x := range want {
		x.receives++
		x.hiddenUntil = r.model.now.Add(modelVisibility)
		if x.receipt != "" {
			x.old = append(x.old, x.receipt)
		}
		x.receipt = got[i].Receipt
		if d := got[i]; d.Body != x.body || d.GroupID != x.group || d.ReceiveCount != x.receives {
			t.Fatalf("received %+v as number %d, want %+v", d, i, *x)
		}
	}
}

// held draws a message that was received at least once.
func (r *modelRun) held(t *rapid.T) *modelMessage {
	var held []*modelMessage
	for _, x := range r.model.messages {
		if x.receipt != "" {
			held = append(held, x)
		}
	}
	if len(held) == 0 {
		t.Skip("nothing was received")
	}
	return rapid.SampledFrom(held).Draw(t, "message")
}

func (r *modelRun) delete(t *rapid.T) {
	x := r.held(t)
	receipts := append(slices.Clone(x.old), x.receipt) // the old ones fail
	receipts = receipts[max(0, len(receipts)-backend.MaxQueueBatch):]
	failed, err := r.q.Delete(r.t.Context(), receipts)
	want := len(receipts)
	if !r.model.ready(x) {
		want--
		r.model.remove(x)
	}
	if err != nil || len(failed) != want {
		t.Fatalf("%d of %d receipts failed, want %d, error %v", len(failed), len(receipts), want, err)
	}
}

func (r *modelRun) change(t *rapid.T) {
	x := r.held(t)
	timeout := time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second
	failed, err := r.q.ChangeVisibility(r.t.Context(), []backend.VisibilityChange{{Receipt: x.receipt, Timeout: timeout}})
	inFlight := !r.model.ready(x)
	if err != nil || (len(failed) == 0) != inFlight {
		t.Fatalf("failed: %v, error %v, in flight: %v", failed, err, inFlight)
	}
	if inFlight {
		x.hiddenUntil = r.model.now.Add(timeout)
	}
}

func (r *modelRun) advance(t *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second
	r.clock.advance(d)
	r.model.now = r.model.now.Add(d)
}

// drainDead compares what went to the dead-letter queue.
func (r *modelRun) drainDead(q backend.Queue) {
	var got []string
	for {
		ds, err := q.Receive(r.t.Context(), backend.MaxQueueBatch, 0, modelVisibility)
		if err != nil {
			r.rt.Fatal(err)
		}
		if len(ds) == 0 {
			break
		}
		for _, d := range ds {
			got = append(got, d.Body)
			if _, err := q.Delete(r.t.Context(), []string{d.Receipt}); err != nil {
				r.rt.Fatal(err)
			}
		}
	}
	want := slices.Clone(r.model.dead)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.rt.Fatalf("dead-letter queue holds %q, want %q", got, want)
	}
}
