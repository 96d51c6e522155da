package projector

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// maxUntold is how many notifications may wait to be sent before the reader is
// held back. What it handed over before that, at most its window, may come on
// top.
const maxUntold = 64 << 10

// wholeQueue is who is held up when the queue does not answer at all.
const wholeQueue = "the queue"

// notifier sends a notification for every message and recipient. Those of one
// recipient follow one another: a batch holds at most one of them, and the next
// waits until the last was accepted, since one that failed and was sent again
// would otherwise come after its successor.
//
// A notification takes under 3 KB (names of 64 characters, a preview of 256
// bytes), so ten never reach the limit of a request.
type notifier struct {
	queue  backend.Queue
	table  string
	fifo   bool                                       // the queue takes deduplication ids, and only then
	refuse func(context.Context, *entry, error) error // sets aside
	work   *trouble.Work
	ready  *ready[*recipient]
	sent   atomic.Int64

	mu     sync.Mutex
	room   sync.Cond
	byUser map[string]*recipient
	untold int
	closed bool
}

// recipient is somebody who is to be told of something.
type recipient struct {
	user     string
	messages []*entry // the first one is being sent
}

func newNotifier(queue backend.Queue, fifo bool, table string, work *trouble.Work) *notifier {
	n := &notifier{
		queue: queue, fifo: fifo, table: table, work: work,
		ready: newReady[*recipient](), byUser: map[string]*recipient{},
	}
	n.room.L = &n.mu
	return n
}

// admit waits while too many notifications wait.
func (n *notifier) admit(ctx context.Context) error {
	defer context.AfterFunc(ctx, n.wakeAll)()
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.untold >= maxUntold && !n.closed && ctx.Err() == nil {
		n.room.Wait()
	}
	return ctx.Err()
}

func (n *notifier) wakeAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.room.Broadcast()
}

// announce has the members of a conversation told of messages, each but its
// sender, and nobody of a quiet one. It does not wait for it.
func (n *notifier) announce(members []postroom.Member, entries []*entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var woken []*recipient
	for _, e := range entries {
		var users []string
		if !e.quiet {
			users = postroom.Recipients(members, e.message.UserUUID)
		}
		e.announced = true
		e.untold.Store(int32(len(users)))
		if len(users) == 0 {
			e.finish()
		}
		n.untold += len(users)
		for _, user := range users {
			r, ok := n.byUser[user]
			if !ok {
				r = &recipient{user: user}
				n.byUser[user] = r
				woken = append(woken, r)
			}
			r.messages = append(r.messages, e)
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
		if trouble.Sleep(ctx, backoff(failures), nil) != nil {
			return
		}
	}
}

// send sends the first message of each recipient and reports whether every one
// had an end.
func (n *notifier) send(ctx context.Context, batch []*recipient) bool {
	firsts := n.firsts(batch)
	entries := make([]backend.SendEntry, len(batch))
	for i, r := range batch {
		event := postroom.NewNotification(n.table, firsts[i].message, r.user)
		entries[i] = backend.SendEntry{Body: event.Encode(), GroupID: r.user}
		if n.fifo {
			entries[i].DeduplicationID = event.ID
		}
	}
	failed, err := n.queue.Send(ctx, entries)
	if err != nil {
		n.work.Failed(ctx, wholeQueue, err)
		n.ready.push(batch...)
		return false
	}
	n.work.Worked(wholeQueue)
	again := map[int]bool{}
	for _, f := range failed {
		err := error(f)
		if f.SenderFault {
			err = n.refuse(ctx, firsts[f.Index], f) // set aside, which is the end of it
		}
		if err != nil {
			again[f.Index] = true
			n.work.Failed(ctx, batch[f.Index].user, err)
		}
	}
	n.sent.Add(int64(len(batch) - len(failed)))
	n.settle(batch, again)
	return len(failed) == 0
}

// firsts are the messages to send: one that is announced meanwhile moves the
// others in memory.
func (n *notifier) firsts(batch []*recipient) []*entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	firsts := make([]*entry, len(batch))
	for i, r := range batch {
		firsts[i] = r.messages[0]
	}
	return firsts
}

// settle takes what had its end from the recipients and queues those that have
// more.
func (n *notifier) settle(batch []*recipient, again map[int]bool) {
	var told []*entry
	n.mu.Lock()
	for i, r := range batch {
		if !again[i] {
			n.work.Worked(r.user)
			told = append(told, r.messages[0])
			r.messages[0] = nil
			r.messages = r.messages[1:]
			n.untold--
		}
		if len(r.messages) == 0 {
			delete(n.byUser, r.user)
			continue
		}
		n.ready.push(r)
	}
	n.room.Broadcast()
	n.mu.Unlock()
	for _, e := range told {
		e.told()
	}
}

func (n *notifier) close() {
	n.ready.close()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.room.Broadcast()
}
