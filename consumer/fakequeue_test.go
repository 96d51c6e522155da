package consumer

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

// fakeQueue behaves as a FIFO queue where messages have a group: a group is
// blocked while any of it is in flight, and an expired receipt is refused. It
// keeps a list of the calls that were made.
type fakeQueue struct {
	mu       sync.Mutex
	messages []*fakeMessage
	receipts int
	more     chan struct{}
	calls    []string

	// refuse answers a call instead of the queue, if it returns something.
	refuse func(call string) ([]backend.EntryError, error)
	// slow is how long a call to change visibility takes to be answered.
	slow time.Duration
	// hiddenFor is what a receive hides for instead of what was asked; 0: that.
	hiddenFor time.Duration
}

type fakeMessage struct {
	backend.Delivery

	visibleAt time.Time
}

func newFakeQueue() *fakeQueue { return &fakeQueue{more: make(chan struct{})} }

func (q *fakeQueue) add(id, group string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, &fakeMessage{Delivery: backend.Delivery{
		MessageID: id, GroupID: group, Body: `{"id":"` + id + `"}`,
	}})
	q.wake()
}

func (q *fakeQueue) wake() {
	close(q.more)
	q.more = make(chan struct{})
}

func (q *fakeQueue) called(format string, args ...any) {
	q.calls = append(q.calls, fmt.Sprintf(format, args...))
}

func (q *fakeQueue) log() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.calls)
}

func (q *fakeQueue) Send(context.Context, []backend.SendEntry) ([]backend.EntryError, error) {
	panic("a consumer does not send")
}

func (q *fakeQueue) Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]backend.Delivery, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		got, next, more, err := q.take(limit, visibility)
		if len(got) > 0 || err != nil {
			return got, err
		}
		retry := time.NewTimer(next)
		select {
		case <-more:
		case <-retry.C:
		case <-deadline.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		retry.Stop()
	}
}

// take receives what can be received, and returns how long to wait otherwise.
func (q *fakeQueue) take(limit int, visibility time.Duration) ([]backend.Delivery, time.Duration, chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse != nil {
		if _, err := q.refuse("receive"); err != nil {
			return nil, 0, nil, err
		}
	}
	if q.hiddenFor > 0 {
		visibility = q.hiddenFor
	}
	now, next := time.Now(), time.Hour
	blocked := map[string]bool{}
	for _, m := range q.messages {
		if d := m.visibleAt.Sub(now); d > 0 {
			next = min(next, d)
			if m.GroupID != "" {
				blocked[m.GroupID] = true
			}
		}
	}
	var got []backend.Delivery
	for _, m := range q.messages {
		if len(got) == limit || m.visibleAt.After(now) || blocked[m.GroupID] {
			continue
		}
		q.receipts++
		m.Receipt = m.MessageID + "/" + strconv.Itoa(q.receipts)
		m.ReceiveCount++
		m.visibleAt = now.Add(visibility)
		got = append(got, m.Delivery)
	}
	return got, next, q.more, nil
}

func (q *fakeQueue) Delete(_ context.Context, receipts []string) ([]backend.EntryError, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse != nil {
		if failed, err := q.refuse("delete"); failed != nil || err != nil {
			return failed, err
		}
	}
	defer q.wake()
	return q.each(receipts, func(i int) {
		q.called("delete %s", q.messages[i].MessageID)
		q.messages = slices.Delete(q.messages, i, i+1)
	}), nil
}

func (q *fakeQueue) ChangeVisibility(_ context.Context, changes []backend.VisibilityChange) ([]backend.EntryError, error) {
	q.mu.Lock()
	slow := q.slow
	q.mu.Unlock()
	time.Sleep(slow)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse != nil {
		if failed, err := q.refuse("change"); failed != nil || err != nil {
			return failed, err
		}
	}
	defer q.wake()
	receipts := make([]string, len(changes))
	for i, c := range changes {
		receipts[i] = c.Receipt
	}
	entry := -1
	return q.each(receipts, func(i int) {
		entry = slices.Index(receipts, q.messages[i].Receipt)
		q.called("hide %s %v", q.messages[i].MessageID, changes[entry].Timeout)
		q.messages[i].visibleAt = time.Now().Add(changes[entry].Timeout)
	}), nil
}

// each does something with the messages of live receipts and refuses the others.
func (q *fakeQueue) each(receipts []string, do func(i int)) (failed []backend.EntryError) {
	for n, r := range receipts {
		i := slices.IndexFunc(q.messages, func(m *fakeMessage) bool {
			return m.Receipt == r && m.visibleAt.After(time.Now())
		})
		if i < 0 {
			failed = append(failed, backend.EntryError{
				Index: n, Code: "InvalidParameterValue", SenderFault: true, Message: "The receipt handle has expired.",
			})
			q.called("expired %s", r)
			continue
		}
		do(i)
	}
	return failed
}

func (q *fakeQueue) Depth(context.Context) (backend.Depth, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse != nil {
		if _, err := q.refuse("depth"); err != nil {
			return backend.Depth{}, err
		}
	}
	var d backend.Depth
	for _, m := range q.messages {
		if m.visibleAt.After(time.Now()) {
			d.InFlight++
		} else {
			d.Visible++
		}
	}
	return d, nil
}
