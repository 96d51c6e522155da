package projector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// TestP19QueueDownForAnHour with a message every third of a second. Projection
// goes on until the reader's window is full and then pauses; what waits is
// bounded, and no checkpoint passes what nobody is notified of. When the queue is
// back everybody is notified of everything, once, in the order of each conversation.
func TestP19QueueDownForAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const conversations, members, window, every = 20, 3, 10_000, 300 * time.Millisecond
		const messages = int(time.Hour/every) / conversations
		var all [][]postroom.Message
		for n := range conversations {
			all = append(all, conversationOf(n, members, 1+messages))
		}
		r.run()
		defer r.end()
		for _, ms := range all {
			r.post(ms[0])
		}
		r.settled()
		before := r.checkpoints()
		r.queue.set(func([]backend.SendEntry) ([]backend.EntryError, error) {
			return nil, failure(backend.KindUnavailable)
		})
		for i := range messages {
			for _, ms := range all {
				r.post(ms[1+i])
				time.Sleep(every)
			}
			if i == messages/2 { // half of the window
				r.wantProjected((i+1)*conversations+conversations, conversations)
			}
		}
		time.Sleep(time.Minute)
		r.wantProjected(window+conversations, conversations)
		held, pending := r.waiting()
		if most := window * (members - 1); pending > most || held > window {
			t.Errorf("%d messages and %d notifications wait, want at most %d and %d", held, pending, window, most)
		}
		if after := r.checkpoints(); len(before) == 0 || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("the checkpoints went from %v to %v while nobody was notified of anything", before, after)
		}
		r.queue.set(nil)
		r.settled()
		for _, ms := range all {
			r.wantLast(ms[messages], members)
		}
		r.wantNotified(all, members)
		if after := r.checkpoints(); fmt.Sprint(after) == fmt.Sprint(before) {
			t.Errorf("the checkpoints are still %v", after)
		}
		if held, pending := r.waiting(); held+pending > 0 {
			t.Errorf("%d messages and %d notifications are left over", held, pending)
		}
	})
}

// TestP19TableThrottledWholly: no call of the table gets through, reads neither.
// What was announced before is sent all the same, and nothing is lost.
func TestP19TableThrottledWholly(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const conversations = 50
		r.run()
		defer r.end()
		for n := range conversations {
			r.post(conversationOf(n, 3, 1)...)
		}
		r.settled()
		r.queue.set(func([]backend.SendEntry) ([]backend.EntryError, error) {
			return nil, failure(backend.KindUnavailable)
		})
		throttled := failure(backend.KindThrottled)
		r.table.set(func() {
			r.table.onTransact = func([]backend.Action) error { return throttled }
			r.table.onRead = func(backend.Key) error { return throttled }
			r.table.onPut = func(backend.Item) error { return throttled }
		})
		for n := range conversations {
			r.post(conversationOf(n, 3, 2)[1])
		}
		time.Sleep(time.Minute)
		if n := r.sent(); n != conversations*2 {
			t.Fatalf("%d notifications while the queue is down, want the %d from before", n, conversations*2)
		}
		r.queue.set(nil)
		time.Sleep(10 * time.Second)
		if n := r.sent(); n != conversations*4 {
			t.Errorf("%d notifications while the table is throttled, want %d", n, conversations*4)
		}
		r.wantProjected(conversations, 0)
		r.table.set(func() { r.table.onTransact, r.table.onRead, r.table.onPut = nil, nil, nil })
		begin := time.Now()
		r.settled()
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("all was done %v after the throttling", took)
		}
		for n := range conversations {
			r.wantLast(conversationOf(n, 3, 2)[1], 3)
		}
		r.wantQuarantined(0, "")
		if n := r.sent(); n != conversations*4 {
			t.Errorf("%d notifications, want %d", n, conversations*4)
		}
	})
}

// checkpoints are those of all shards, as they are written.
func (r *rig) checkpoints() map[string]string {
	time.Sleep(5 * time.Second) // until they are
	written := map[string]string{}
	for _, item := range r.store.Items("control") {
		if key := backend.KeyOf(item); strings.HasPrefix(key.SK, "SHARD#") {
			written[key.SK] = backend.Text(item, "checkpoint")
		}
	}
	return written
}

func (r *rig) wantProjected(n, slack int) {
	r.t.Helper()
	if got := int(r.p.Stats().Projected); got > n || got < n-slack {
		r.t.Errorf("%d messages are projected, want %d", got, n)
	}
}

// waiting counts the messages somebody is still to be notified of, and those
// notifications.
func (r *rig) waiting() (messages, notifications int) {
	n := r.p.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := map[*message]bool{}
	for _, recipient := range n.byUser {
		for _, m := range recipient.messages {
			seen[m] = true
		}
	}
	return len(seen), n.pending
}

// wantNotified: every recipient is notified once of each message, in the order of each
// conversation.
func (r *rig) wantNotified(all [][]postroom.Message, members int) {
	r.t.Helper()
	type lane struct {
		user string
		n    int
	}
	next := map[lane]int{}
	for _, e := range r.store.Sent("q.fifo") {
		var i, n int
		_, text, _ := strings.Cut(e.Body, `"preview":"`)
		if _, err := fmt.Sscanf(text, "message %d of %d", &i, &n); err != nil {
			r.t.Fatalf("%v in %s", err, e.Body)
		}
		if want := next[lane{e.GroupID, n}]; i != want {
			r.t.Fatalf("%s is notified of message %d of conversation %d, want %d", e.GroupID, i, n, want)
		}
		next[lane{e.GroupID, n}]++
	}
	if len(next) != len(all)*(members-1) {
		r.t.Errorf("%d recipients of conversations, want %d", len(next), len(all)*(members-1))
	}
	for l, n := range next {
		if want := len(all[l.n]); n != want {
			r.t.Errorf("%s was notified of %d messages of conversation %d, want %d", l.user, n, l.n, want)
		}
	}
}
