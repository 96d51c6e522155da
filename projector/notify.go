package projector

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/retry"
)

// maxPending is how many notifications may be pending before the reader is held
// back. What it handed over before that, at most its in-flight limit, may come on
// top.
const maxPending = 64 << 10

// wholeQueue is the caller of a Send that fails as a whole.
const wholeQueue = "the queue"

// notifier sends a notification for every message and recipient. Those of one
// recipient follow one another: a batch holds at most one of them, and the next
// waits until the last was accepted, since one that failed and was sent again
// would otherwise come after its successor. Tens of thousands may be pending, so
// there is a queue for each recipient; batch.Next is given the first of some.
type notifier struct {
	queue      backend.Queue
	table      string
	fifo       bool // the queue takes deduplication ids
	quarantine func(context.Context, *message, error) error
	incidents  *incident.Operation
	ready      *ready[*recipient]

	sent, failed atomic.Int64

	mu      sync.Mutex
	room    sync.Cond
	byUser  map[string]*recipient
	pending int
}

// recipient is a user with pending notifications.
type recipient struct {
	user     string
	messages []*message // the first one is being sent
}

func newNotifier(c Config, incidents *incident.Operation, quarantine func(context.Context, *message, error) error) *notifier {
	n := &notifier{
		queue: c.Queue, table: c.TableName, fifo: postroom.IsFIFO(c.QueueName), quarantine: quarantine,
		incidents: incidents, ready: newReady[*recipient](), byUser: map[string]*recipient{},
	}
	n.room.L = &n.mu
	return n
}

// admit waits while too many notifications are pending.
func (n *notifier) admit(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.room.Broadcast()
	})()
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.pending >= maxPending && ctx.Err() == nil {
		n.room.Wait()
	}
	return ctx.Err()
}

// enqueue enqueues the notifications of messages, for the members of their
// conversation, unless that was done before. It does not wait for them to be sent.
func (n *notifier) enqueue(members []postroom.Member, messages []*message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var woken []*recipient
	for _, m := range messages {
		if !m.in(arrived, waiting) {
			continue
		}
		for _, user := range m.enqueue(members) {
			r, ok := n.byUser[user]
			if !ok {
				r = &recipient{user: user}
				n.byUser[user] = r
				woken = append(woken, r)
			}
			r.messages = append(r.messages, m)
			n.pending++
		}
	}
	n.ready.push(woken...)
}

// run sends until the notifier is closed.
func (n *notifier) run(ctx context.Context) {
	for failures := 0; ; {
		recipients := n.ready.pop(backend.MaxQueueBatch)
		if len(recipients) == 0 {
			return
		}
		if n.send(ctx, recipients) {
			failures = 0 // and the next ones at once
			continue
		}
		failures++
		if retry.Sleep(ctx, policy().Pause(failures), nil) != nil {
			return
		}
	}
}

// send sends the first message of each recipient, as far as one call takes them,
// and reports whether the queue accepted what was sent.
func (n *notifier) send(ctx context.Context, recipients []*recipient) bool {
	firsts := n.firsts(recipients)
	entries := make([]backend.SendEntry, len(recipients))
	for i, r := range recipients {
		event := postroom.NewNotification(n.table, firsts[i].Message, r.user)
		if again := firsts[i].replay; again != nil {
			event.Replay = again.Replay
		}
		entries[i] = backend.SendEntry{Body: event.Encode(), GroupID: r.user}
		if n.fifo {
			entries[i].DeduplicationID = event.DeduplicationID()
		}
	}
	now, later := batch.Next(entries)
	n.ready.push(batch.Pick(recipients, later)...)
	entries, recipients, firsts = batch.Pick(entries, now), batch.Pick(recipients, now), batch.Pick(firsts, now)
	failed, err := n.queue.Send(ctx, entries)
	if err != nil {
		n.failed.Add(int64(len(entries)))
		n.incidents.Failed(ctx, wholeQueue, err)
		n.ready.push(recipients...)
		return false
	}
	n.incidents.Succeeded(wholeQueue)
	again := map[int]bool{}
	for _, f := range failed {
		err := error(f)
		if f.SenderFault {
			err = n.quarantine(ctx, firsts[f.Index], f) // then it is not sent again
		}
		if err != nil {
			again[f.Index] = true
			n.failed.Add(1)
			n.incidents.Failed(ctx, recipients[f.Index].user, err)
		}
	}
	n.sent.Add(int64(len(recipients) - len(failed)))
	n.finish(recipients, again)
	return len(failed) == 0
}

// waiting is how many notifications the queue has not accepted yet.
func (n *notifier) waiting() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pending
}

// firsts are the messages to send, read under the lock: enqueuing another message
// may move the others in memory.
func (n *notifier) firsts(recipients []*recipient) []*message {
	n.mu.Lock()
	defer n.mu.Unlock()
	firsts := make([]*message, len(recipients))
	for i, r := range recipients {
		firsts[i] = r.messages[0]
	}
	return firsts
}

// finish takes from the recipients what need not be sent again, and makes those
// ready that have more.
func (n *notifier) finish(recipients []*recipient, again map[int]bool) {
	var done []*message
	n.mu.Lock()
	for i, r := range recipients {
		if !again[i] {
			n.incidents.Succeeded(r.user)
			done = append(done, r.messages[0])
			r.messages[0] = nil
			r.messages = r.messages[1:]
			n.pending--
		}
		if len(r.messages) == 0 {
			delete(n.byUser, r.user)
			continue
		}
		n.ready.push(r)
	}
	n.room.Broadcast()
	n.mu.Unlock()
	for _, m := range done {
		m.notify()
	}
}
