package backendtest

import (
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

func queueReceiptTests() []test {
	return []test{
		{"each receive has a new receipt, one more receive and the same message id", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			first := takeOne(t, q, "m", hidden)
			change(t, q, 0, first)
			second := takeOne(t, q, "m", hidden)
			if first.Receipt == second.Receipt {
				t.Fatal("both receives have the same receipt")
			}
			second.Receipt, first.ReceiveCount = first.Receipt, first.ReceiveCount+1
			wantEqual(t, second, first)
		}},
		{"Q11: deleting twice with one receipt is not an error", func(t *testing.T, h Harness) {
			for _, kind := range queueKinds() {
				q := newQueue(t, h, kind.with)
				send(t, q, kind.entry("m"))
				d := takeOne(t, q, "m", hidden)
				remove(t, q, d)
				remove(t, q, d)
			}
		}},
		{"Q11: an invalid receipt fails its entry only, by the sender's fault", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("a", "1"), entry("b", "2"))
			ds := take(t, q, 2, hidden)
			mixed := []string{ds[0].Receipt, "garbage", ds[1].Receipt}
			failed, err := q.Delete(t.Context(), mixed)
			wantFailed(t, failed, err, 1, "ReceiptHandleIsInvalid")
			failed, err = q.ChangeVisibility(t.Context(), []backend.VisibilityChange{{Receipt: "garbage"}})
			wantFailed(t, failed, err, 0, "ReceiptHandleIsInvalid")
			wantDepth(t, h, q, backend.Depth{})
		}},
		{"Q11: on a FIFO queue an expired receipt fails, and the message stays", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.ExpiredReceiptFails, "ExpiredReceiptFails") {
				return
			}
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			old := takeOne(t, q, "m", hiddenShort)
			if h.Advance != nil {
				h.Advance(hiddenShort)
				wantExpired(t, q, old)
			}
			d := takeOne(t, q, "m", hidden)
			wantEqual(t, d.ReceiveCount, 2)
			wantExpired(t, q, old)
			remove(t, q, d)
		}},
		{"the visibility of a deleted message cannot be changed", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			d := takeOne(t, q, "m", hidden)
			remove(t, q, d)
			failed, err := q.ChangeVisibility(t.Context(), changes(hidden, d))
			wantFailed(t, failed, err, 0, "InvalidParameterValue")
		}},
	}
}

// wantExpired fails the test if a deletion or a change is still possible with a
// receipt.
func wantExpired(t *testing.T, q backend.Queue, d backend.Delivery) {
	t.Helper()
	failed, err := q.Delete(t.Context(), receipts(d))
	wantFailed(t, failed, err, 0, "InvalidParameterValue")
	if !strings.Contains(failed[0].Message, "expired") {
		t.Fatalf("%v does not say that the receipt has expired", failed[0])
	}
	failed, err = q.ChangeVisibility(t.Context(), changes(hidden, d))
	wantFailed(t, failed, err, 0, "InvalidParameterValue")
}

func queueStandardTests() []test {
	return []test{
		{"a standard queue needs no group, and its messages do not block one another", func(t *testing.T, h Harness) {
			q := newQueue(t, h)
			send(t, q, plain("1"), plain("2"), backend.SendEntry{Body: "3", GroupID: "g"}, backend.SendEntry{Body: "4", GroupID: "g"})
			groups := map[string]string{}
			for range 4 {
				d := take(t, q, 1, hidden)[0]
				groups[d.Body] = d.GroupID
			}
			wantEqual(t, groups, map[string]string{"1": "", "2": "", "3": "g", "4": "g"})
			takeNone(t, q)
		}},
		{"a standard queue stores equal messages as often as they are sent", func(t *testing.T, h Harness) {
			q := newQueue(t, h)
			send(t, q, plain("m"), plain("m"))
			wantEqual(t, bodies(take(t, q, 2, hidden)), []string{"m", "m"})
		}},
		{"on a standard queue an expired receipt succeeds", func(t *testing.T, h Harness) {
			q := newQueue(t, h)
			send(t, q, plain("m"))
			d := takeOne(t, q, "m", hiddenShort)
			if !h.advance(t, hiddenShort) {
				return
			}
			change(t, q, hidden, d)
			takeNone(t, q)
			h.Advance(hidden)
			remove(t, q, d)
			takeNone(t, q)
		}},
		{"on a standard queue an older receipt succeeds, and the newest one counts", func(t *testing.T, h Harness) {
			q := newQueue(t, h)
			send(t, q, plain("m"))
			old := takeOne(t, q, "m", hidden)
			change(t, q, 0, old)
			d := takeOne(t, q, "m", hidden)
			failed, err := q.Delete(t.Context(), receipts(old))
			mustAll(t, failed, err)
			remove(t, q, d)
			takeNone(t, q)
		}},
	}
}

func queueVisibilityTests() []test {
	return []test{
		{"a message that was not deleted is received again when its visibility timeout has ended", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "1"), entry("g", "2"))
			d := takeOne(t, q, "1", hiddenShort)
			if h.Advance != nil { // real time may have passed by now
				takeNone(t, q)
			}
			h.lapse()
			for count := 2; count < 4; count++ {
				again := takeOne(t, q, "1", hiddenShort)
				wantEqual(t, again.ReceiveCount, count)
				wantEqual(t, again.FirstReceivedAt, d.FirstReceivedAt)
				h.lapse()
			}
		}},
		{"Q3: visibility can be extended again and again, each time counted from the call", func(t *testing.T, h Harness) {
			if h.Advance == nil {
				testExtendOnRealTime(t, h)
				return
			}
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			d := takeOne(t, q, "m", hiddenShort)
			change(t, q, hidden, d)
			for range 3 {
				h.Advance(hidden - time.Second)
				takeNone(t, q)
				change(t, q, hidden, d)
			}
			h.Advance(hidden)
			takeOne(t, q, "m", hidden)
		}},
		{"a changed visibility holds for one receive only", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			d := takeOne(t, q, "m", hidden)
			change(t, q, hiddenShort, d)
			h.lapse()
			takeOne(t, q, "m", hidden)
			h.lapse()
			takeNone(t, q)
		}},
		{"Q3: visibility ends 12 hours after the first receive", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			send(t, q, entry("g", "m"))
			d := takeOne(t, q, "m", hidden)
			failed, err := q.ChangeVisibility(t.Context(), changes(backend.MaxVisibility+time.Second, d))
			wantRefused(t, failed, err)
			change(t, q, 2*time.Hour, d)
			if !h.advance(t, time.Hour) {
				return
			}
			change(t, q, backend.MaxVisibility-time.Hour, d)
			failed, err = q.ChangeVisibility(t.Context(), changes(backend.MaxVisibility-time.Hour+time.Second, d))
			wantFailed(t, failed, err, 0, "InvalidParameterValue")
		}},
		{"the visibility of several messages is changed in one call", func(t *testing.T, h Harness) {
			q := newQueue(t, h)
			send(t, q, plain("1"), plain("2"), plain("3"))
			change(t, q, 0, take(t, q, 3, hidden)...)
			wantEqual(t, sorted(bodies(take(t, q, 3, hidden))), []string{"1", "2", "3"})
		}},
		{"a message is gone after its retention", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.Retention, "Retention") {
				return
			}
			for _, kind := range queueKinds() {
				q := newQueue(t, h, kind.with, func(s *backend.QueueSpec) { s.RetentionSeconds = 60 })
				send(t, q, kind.entry("old"))
				if !h.advance(t, 40*time.Second) {
					return
				}
				send(t, q, kind.entry("new"))
				h.Advance(20 * time.Second)
				wantDepth(t, h, q, backend.Depth{Visible: 1})
				remove(t, q, takeOne(t, q, "new", hidden))
				takeNone(t, q)
			}
		}},
		{"a message in flight outlives its retention by its visibility at most", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.Retention, "Retention") {
				return
			}
			for _, kind := range queueKinds() {
				q := newQueue(t, h, kind.with, func(s *backend.QueueSpec) { s.RetentionSeconds = 60 })
				send(t, q, kind.entry("m"))
				d := takeOne(t, q, "m", 2*time.Minute)
				if !h.advance(t, time.Minute) {
					return
				}
				send(t, q, kind.entry("next"))
				change(t, q, 0, d)
				takeOne(t, q, "next", hidden)
				takeNone(t, q)
			}
		}},
	}
}

// testExtendOnRealTime extends a visibility before it ends, and waits past its old
// end. If the machine was too busy to be in time it retries with a longer one.
func testExtendOnRealTime(t *testing.T, h Harness) {
	for visibility := hiddenShort; visibility < backend.MaxWait; visibility *= 2 {
		q := newQueue(t, h, fifo)
		send(t, q, entry("g", "m"))
		start := time.Now()
		d := takeOne(t, q, "m", visibility)
		failed, err := q.ChangeVisibility(t.Context(), changes(hidden, d))
		if time.Since(start) >= visibility {
			continue
		}
		mustAll(t, failed, err)
		got, err := q.Receive(t.Context(), 1, visibility+time.Second, hidden)
		must(t, err)
		wantEqual(t, len(got), 0)
		return
	}
	t.Fatalf("no visibility below %s could be extended before it was over", backend.MaxWait)
}
