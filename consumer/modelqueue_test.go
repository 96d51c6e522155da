package consumer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

const (
	modelVisibility = 8 * time.Second // unlike every backoff, so that a call shows what it is
	modelReceives   = 4               // of a message, then it is dead
)

// modelQueue is a queue that loses answers, fails, and takes its time, and that
// watches what is asked of it. Behind it is a dead-letter queue.
type modelQueue struct {
	fifo   bool
	faulty bool
	rng    *rand.Rand

	mu       sync.Mutex
	messages []*modelMessage
	dead     []string // ids
	receipts int
	known    map[string]*modelReceipt
	history  []string
	wrong    []string
}

type modelMessage struct {
	backend.Delivery

	visibleAt time.Time
}

// modelReceipt is what a worker did with a receipt.
type modelReceipt struct {
	by      *modelView
	calling bool // a call that names it is under way
	over    bool // the queue has said that it is settled
}

var errModel = errors.New("no answer")

func (q *modelQueue) note(format string, args ...any) {
	q.history = append(q.history, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

func (q *modelQueue) fail(format string, args ...any) {
	q.wrong = append(q.wrong, fmt.Sprintf(format, args...))
	q.note("WRONG: "+format, args...)
}

func (q *modelQueue) add(id, group string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := backend.Delivery{MessageID: id, Body: id}
	if q.fifo {
		d.GroupID, d.DeduplicationID = group, id
	}
	q.messages = append(q.messages, &modelMessage{Delivery: d})
}

// modelView is the queue as one worker sees it. Once that has crashed nothing
// it does has an effect.
type modelView struct {
	*modelQueue

	name    string
	crashed bool
	letters bool // the dead-letter queue
}

// roll decides how a call goes: whether it has an effect, and its error.
func (v *modelView) roll(ctx context.Context) (effect bool, err error) {
	v.mu.Lock()
	roll, pause := 100, time.Duration(0)
	if v.faulty {
		roll, pause = v.rng.IntN(100), time.Duration(v.rng.IntN(40))*time.Millisecond
		if roll == 0 {
			pause = time.Minute // longer than any call is given
		}
	}
	v.mu.Unlock()
	if err := retry.Sleep(ctx, pause, nil); err != nil {
		return roll%2 == 0, err
	}
	switch {
	case roll < 8:
		return false, errModel
	case roll < 16:
		return true, errModel // done, and the answer lost
	}
	return true, nil
}

func (v *modelView) Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]backend.Delivery, error) {
	effect, fault := v.roll(ctx)
	if fault != nil && !effect {
		return nil, fault
	}
	deadline := time.Now().Add(wait)
	for {
		got := v.take(limit, visibility)
		if fault != nil {
			return nil, fault // and what it took is in flight until its visibility ends
		}
		if len(got) > 0 || time.Now().After(deadline) {
			return got, nil
		}
		if err := retry.Sleep(ctx, 200*time.Millisecond, nil); err != nil {
			return nil, err
		}
	}
}

// take receives what can be: of a group nothing behind a message in flight, and
// what was received too often is dead.
func (v *modelView) take(limit int, visibility time.Duration) (got []backend.Delivery) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.crashed {
		return nil
	}
	now := time.Now()
	blocked := map[string]bool{}
	for _, m := range slices.Clone(v.messages) {
		switch {
		case len(got) == limit || m.GroupID != "" && blocked[m.GroupID]:
			continue
		case m.visibleAt.After(now):
			blocked[m.GroupID] = true
			continue
		case m.ReceiveCount == modelReceives:
			v.note("%s is dead", m.MessageID)
			v.dead = append(v.dead, m.MessageID)
			v.remove(m)
			continue
		}
		v.receipts++
		m.Receipt = fmt.Sprintf("%s#%d", m.MessageID, v.receipts)
		m.ReceiveCount++
		m.visibleAt = now.Add(visibility)
		v.known[m.Receipt] = &modelReceipt{by: v}
		v.note("%s receives %s", v.name, m.Receipt)
		got = append(got, m.Delivery)
	}
	return got
}

func (v *modelView) remove(m *modelMessage) {
	v.messages = slices.DeleteFunc(v.messages, func(o *modelMessage) bool { return o == m })
}

func (v *modelView) Delete(ctx context.Context, receipts []string) ([]backend.EntryError, error) {
	return v.change(ctx, "delete", receipts, func(int) bool { return true }, func(m *modelMessage, _ int) { v.remove(m) })
}

func (v *modelView) ChangeVisibility(ctx context.Context, changes []backend.VisibilityChange) ([]backend.EntryError, error) {
	receipts := make([]string, len(changes))
	for i, c := range changes {
		receipts[i] = c.Receipt
	}
	settles := func(i int) bool { return changes[i].Timeout != modelVisibility }
	return v.change(ctx, "hide", receipts, settles, func(m *modelMessage, i int) {
		m.visibleAt = time.Now().Add(changes[i].Timeout)
	})
}

// change does something to the messages of live receipts, each with its own
// outcome, and watches that nobody names a receipt twice at a time, or after it was
// settled.
func (v *modelView) change(
	ctx context.Context, what string, receipts []string, settles func(i int) bool, do func(m *modelMessage, i int),
) (failed []backend.EntryError, err error) {
	v.mu.Lock()
	for i, r := range receipts {
		switch k := v.known[r]; {
		case k.by != v:
			v.fail("%s names %s, which is another's", v.name, r)
		case k.calling:
			v.fail("%s names %s in two calls at once", v.name, r)
		case k.over:
			v.fail("%s: %s of %s after it was settled (as settlement: %v)", v.name, what, r, settles(i))
		}
		v.known[r].calling = true
	}
	v.mu.Unlock()
	effect, err := v.roll(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, r := range receipts {
		v.known[r].calling = false
		refused := v.faulty && err == nil && v.rng.IntN(20) == 0
		if refused {
			failed = append(failed, backend.EntryError{Index: i, Code: "InternalError"})
		}
		if !effect || refused || v.crashed {
			continue
		}
		if !v.apply(r, func(m *modelMessage) { do(m, i) }) && v.fifo && err == nil {
			failed = append(failed, backend.EntryError{Index: i, Code: "InvalidParameterValue", SenderFault: true})
		}
		v.known[r].over = err == nil && settles(i)
		v.note("%s: %s %s, answered: %v", v.name, what, r, err == nil)
	}
	if err != nil {
		failed = nil
	}
	return failed, err
}

// apply does something to the message of a receipt, and reports whether that is
// alive. One of a message that is gone is; on a standard queue so is one whose
// visibility is over.
func (v *modelView) apply(receipt string, do func(m *modelMessage)) bool {
	id, _, _ := strings.Cut(receipt, "#")
	i := slices.IndexFunc(v.messages, func(m *modelMessage) bool { return m.MessageID == id })
	if i < 0 {
		return true
	}
	m := v.messages[i]
	if m.Receipt != receipt || v.fifo && !m.visibleAt.After(time.Now()) {
		return false
	}
	do(m)
	return true
}

func (v *modelView) Send(ctx context.Context, entries []backend.SendEntry) (failed []backend.EntryError, err error) {
	effect, err := v.roll(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, e := range entries {
		switch {
		case !v.letters:
			v.fail("%s sends to its own queue", v.name)
		case v.faulty && err == nil && v.rng.IntN(5) == 0:
			failed = append(failed, backend.EntryError{Index: i, Code: "InternalError"})
		case effect && !v.crashed:
			v.note("%s dead-letters %s", v.name, e.Body)
			v.dead = append(v.dead, e.Body)
		}
	}
	return failed, err
}

func (v *modelView) Depth(context.Context) (d backend.Depth, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.messages {
		if m.visibleAt.After(time.Now()) {
			d.InFlight++
		} else {
			d.Visible++
		}
	}
	return d, nil
}

// dice is a number below n that depends on nothing but what it is asked for.
func dice(seed uint64, n uint64, of ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, seed, of)
	return rand.New(rand.NewPCG(seed, h.Sum64())).Uint64N(n)
}
