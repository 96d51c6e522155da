package projector

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
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
// would otherwise come after its successor. It keeps a queue for each recipient
// and not one list, which batch.Next takes, since tens of thousands may be pending.
//
// A notification takes under 3 KB (names of 64 characters, a preview of 256
// bytes), so ten never reach the size limit of a request.
type notifier struct {
	queue      backend.Queue
	table      string
	fifo       bool // the queue takes deduplication ids
	quarantine func(context.Context, *message, error) error
	incidents  *incident.Operation
	ready      *ready[*recipient]
	sent       atomic.Int64

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
		batch := n.ready.pop(backend.MaxQueueBatch)
		if len(batch) == 0 {
			return
		}
		if n.send(ctx, batch) {
			failures = 0
			continue
		}
		failures++
		if retry.Sleep(ctx, policy().Pause(failures), nil) != nil {
			return
		}
	}
}

// send sends the first message of each recipient and reports whether the queue
// accepted all of them.
func (n *notifier) send(ctx context.Context, batch []*recipient) bool {
	firsts := n.firsts(batch)
	entries := make([]backend.SendEntry, len(batch))
	for i, r := range batch {
		event := postroom.NewNotification(n.table, firsts[i].Message, r.user)
		entries[i] = backend.SendEntry{Body: event.Encode(), GroupID: r.user}
		if n.fifo {
			entries[i].DeduplicationID = event.ID
		}
	}
	failed, err := n.queue.Send(ctx, entries)
	if err != nil {
		n.incidents.Failed(ctx, wholeQueue, err)
		n.ready.push(batch...)
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
			n.incidents.Failed(ctx, batch[f.Index].user, err)
		}
	}
	n.sent.Add(int64(len(batch) - len(failed)))
	n.finish(batch, again)
	return len(failed) == 0
}

// firsts are the messages to send, read under the lock: enqueuing another message
// may move the others in memory.
func (n *notifier) firsts(batch []*recipient) []*message {
	n.mu.Lock()
	defer n.mu.Unlock()
	firsts := make([]*message, len(batch))
	for i, r := range batch {
		firsts[i] = r.messages[0]
	}
	return firsts
}

// finish takes from the recipients what need not be sent again, and makes those
// ready that have more.
func (n *notifier) finish(batch []*recipient, again map[int]bool) {
	var done []*message
	n.mu.Lock()
	for i, r := range batch {
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
