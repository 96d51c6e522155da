package redrive

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/backend/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a queue with its dead-letter queue on the local backend, and faults.
type rig struct {
	t           *testing.T
	dead, queue backend.Queue // with faults
	below       struct{ dead, queue backend.Queue }
	fault       func(ctx context.Context, call backendtest.Call) backendtest.Fault
	outcomes    []string
	fifo        bool
}

// kinds are the names of the queues of a test on both kinds.
var kinds = map[string]string{"FIFO": ".fifo", "standard": ""}

// newRig belongs into a synctest bubble.
func newRig(t *testing.T, suffix string) *rig {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	dead := backend.QueueSpec{Name: "dead" + suffix, RetentionSeconds: 86_400}
	queue := dead
	queue.Name, queue.DeadLetterQueue, queue.MaxReceiveCount = "q"+suffix, dead.Name, 1
	for _, spec := range []backend.QueueSpec{dead, queue} {
		if err := b.CreateQueue(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{t: t, fifo: suffix != ""}
	r.fault = func(context.Context, backendtest.Call) backendtest.Fault { return backendtest.Fault{} }
	faulty := backendtest.Faulty(b, func(ctx context.Context, call backendtest.Call) backendtest.Fault {
		return r.fault(ctx, call)
	})
	r.dead, r.queue = faulty.Queue(dead.Name), faulty.Queue(queue.Name)
	r.below.dead, r.below.queue = b.Queue(dead.Name), b.Queue(queue.Name)
	return r
}

// send sends bodies of one group.
func (r *rig) send(q backend.Queue, group string, bodies ...string) {
	r.t.Helper()
	for _, body := range bodies {
		e := backend.SendEntry{Body: body, GroupID: group, DeduplicationID: body}
		if !r.fifo {
			e.DeduplicationID = ""
		}
		if failed, err := q.Send(r.t.Context(), []backend.SendEntry{e}); err != nil || len(failed) > 0 {
			r.t.Fatal(failed, err)
		}
	}
}

// deadLetter moves bodies to the dead-letter queue, as a handler that fails does.
func (r *rig) deadLetter(group string, bodies ...string) {
	r.t.Helper()
	r.send(r.below.queue, group, bodies...)
	for range 2 {
		r.receive(r.below.queue)
		time.Sleep(time.Second)
	}
}

// receive receives all there is and hides it for a second.
func (r *rig) receive(q backend.Queue) (bodies []string) {
	r.t.Helper()
	for {
		got, err := q.Receive(r.t.Context(), backend.MaxQueueBatch, 0, time.Second)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(got) == 0 {
			return bodies
		}
		for _, d := range got {
			bodies = append(bodies, d.Body)
		}
	}
}

// run redrives a moment later.
func (r *rig) run(ctx context.Context, o Options) (Report, error) {
	r.t.Helper()
	time.Sleep(time.Millisecond)
	r.outcomes = nil
	o.Each = func(o Outcome) { r.outcomes = append(r.outcomes, fmt.Sprint(o.DeadLetter.Body, " ", o.State)) }
	return Run(ctx, r.dead, r.queue, o)
}

// redrive redrives, and expects a report.
func (r *rig) redrive(o Options, want Report) {
	r.t.Helper()
	got, err := r.run(r.t.Context(), o)
	if err != nil || got != want {
		r.t.Errorf("report %+v, %v, want %+v\n%q", got, err, want, r.outcomes)
	}
}

// drain takes all there is out of a queue.
func (r *rig) drain(q backend.Queue) (bodies []string) {
	r.t.Helper()
	for {
		got, err := q.Receive(r.t.Context(), backend.MaxQueueBatch, 0, time.Second)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(got) == 0 {
			return bodies
		}
		var receipts []string
		for _, d := range got {
			bodies, receipts = append(bodies, d.Body), append(receipts, d.Receipt)
		}
		if failed, err := q.Delete(r.t.Context(), receipts); err != nil || len(failed) > 0 {
			r.t.Fatal(failed, err)
		}
	}
}

// holds drains a queue and checks what it held, in order: nothing is hidden.
func (r *rig) holds(q backend.Queue, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.drain(q)); diff != "" {
		r.t.Errorf("in the queue (-want +got):\n%s", diff)
	}
}
