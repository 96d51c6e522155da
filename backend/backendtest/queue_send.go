package backendtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

func queueSendTests() []test {
	return []test{
		{"a message is received as it was sent", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			want := backend.SendEntry{Body: "body", GroupID: "group", DeduplicationID: "id"}
			send(t, q, want)
			d := takeOne(t, q, "body", hidden)
			wantEqual(t, backend.SendEntry{Body: d.Body, GroupID: d.GroupID, DeduplicationID: d.DeduplicationID}, want)
			wantEqual(t, d.ReceiveCount, 1)
			if d.MessageID == "" || d.Receipt == "" {
				t.Fatalf("a delivery without id or receipt: %+v", d)
			}
			if age := d.FirstReceivedAt.Sub(d.SentAt); d.SentAt.IsZero() || age < 0 || age > patience {
				t.Fatalf("sent at %s, first received at %s", d.SentAt, d.FirstReceivedAt)
			}
		}},
		{"a body may hold every character that SQS takes", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			body := "\t\n\r \u007f'\"\\<&>\u2028\ud7ff\ue000\ufffd\U00010000\U0010FFFF😀"
			send(t, q, backend.SendEntry{Body: body, GroupID: "g", DeduplicationID: "id"})
			takeOne(t, q, body, hidden)
		}},
		{"Q2: a body with a character that SQS refuses fails its entry only, by the sender's fault", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			for _, s := range []string{"\x00", "\x01", "\x1f", "\ufffe", "\uffff"} {
				failed, err := q.Send(t.Context(), []backend.SendEntry{
					entry("a", "before"), // deduplicated from the second time on
					{Body: "bad" + s, GroupID: "b", DeduplicationID: "bad"},
					entry("c", "after"),
				})
				wantFailed(t, failed, err, 1, "InvalidMessageContents")
			}
			ds := take(t, q, 2, hidden)
			wantEqual(t, sorted(bodies(ds)), []string{"after", "before"})
			takeNone(t, q)
		}},
		{"an empty body is refused", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			failed, err := q.Send(t.Context(), []backend.SendEntry{{GroupID: "g", DeduplicationID: "id"}})
			wantRefused(t, failed, err)
		}},
		{"on a FIFO queue a message without group or deduplication id is refused", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			for _, e := range []backend.SendEntry{
				{Body: "m", DeduplicationID: "id"},
				{Body: "m", GroupID: "g"},
			} {
				failed, err := q.Send(t.Context(), []backend.SendEntry{e})
				wantRefused(t, failed, err)
			}
			takeNone(t, q)
		}},
		{"group and deduplication ids have up to 128 letters, digits and punctuation marks", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			long := strings.Repeat("x", 128)
			good := "aZ09!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
			send(t, q, backend.SendEntry{Body: "1", GroupID: long, DeduplicationID: long},
				backend.SendEntry{Body: "2", GroupID: good, DeduplicationID: good})
			wantEqual(t, sorted(bodies(take(t, q, 2, hidden))), []string{"1", "2"})
			for _, bad := range []string{long + "x", "a b", "é", "a\n"} {
				failed, err := q.Send(t.Context(), []backend.SendEntry{{Body: "m", GroupID: bad, DeduplicationID: "id"}})
				wantRefused(t, failed, err)
				failed, err = q.Send(t.Context(), []backend.SendEntry{{Body: "m", GroupID: "g", DeduplicationID: bad}})
				wantRefused(t, failed, err)
			}
			takeNone(t, q)
		}},
	}
}

func queueBatchTests() []test {
	return []test{
		{"a batch has 1 to MaxQueueBatch entries, or is KindInvalid", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			for _, n := range []int{0, backend.MaxQueueBatch + 1} {
				_, err := q.Send(t.Context(), numbered("g", "m", n))
				wantKind(t, err, backend.KindInvalid)
				_, err = q.Delete(t.Context(), make([]string, n))
				wantKind(t, err, backend.KindInvalid)
				_, err = q.ChangeVisibility(t.Context(), make([]backend.VisibilityChange, n))
				wantKind(t, err, backend.KindInvalid)
			}
			takeNone(t, q)
			most := make([]backend.SendEntry, backend.MaxQueueBatch)
			for i := range most {
				most[i] = entry(fmt.Sprint("g", i), fmt.Sprint("m", i))
			}
			send(t, q, most...)
			remove(t, q, take(t, q, backend.MaxQueueBatch, hidden)...)
		}},
		{"a message may have MaxQueueBytes, and not one more", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			body := strings.Repeat("x", backend.MaxQueueBytes)
			send(t, q, backend.SendEntry{Body: body, GroupID: "g", DeduplicationID: "1"})
			if d := take(t, q, 1, hidden)[0]; d.Body != body {
				t.Fatalf("received %d bytes, want %d", len(d.Body), len(body))
			}
			failed, err := q.Send(t.Context(), []backend.SendEntry{{Body: body + "x", GroupID: "h", DeduplicationID: "2"}})
			wantRefused(t, failed, err)
			takeNone(t, q)
		}},
		{"Q2: a batch of more than MaxQueueBytes is KindInvalid as a whole", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			half := strings.Repeat("x", backend.MaxQueueBytes/2)
			_, err := q.Send(t.Context(), []backend.SendEntry{
				{Body: half, GroupID: "a", DeduplicationID: "1"},
				{Body: half + "x", GroupID: "b", DeduplicationID: "2"},
			})
			wantKind(t, err, backend.KindInvalid)
			takeNone(t, q)
		}},
		{"Receive with arguments out of range is KindInvalid", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			for _, c := range []struct {
				max              int
				wait, visibility time.Duration
			}{
				{0, 0, hidden}, {backend.MaxQueueBatch + 1, 0, hidden},
				{1, backend.MaxWait + time.Second, hidden}, {1, -time.Second, hidden}, {1, time.Millisecond, hidden},
				{1, 0, 0}, {1, 0, -time.Second}, {1, 0, 1500 * time.Millisecond}, {1, 0, backend.MaxVisibility + time.Second},
			} {
				if _, err := q.Receive(t.Context(), c.max, c.wait, c.visibility); backend.KindOf(err) != backend.KindInvalid {
					t.Errorf("Receive %+v: error is of kind %q: %v", c, backend.KindOf(err), err)
				}
			}
		}},
	}
}
