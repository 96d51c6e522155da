package backendtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// RunQueue tests a backend's queues against the sentences of
// [github.com/postroom/postroom/backend.Queue] and of the queue half of
// [github.com/postroom/postroom/backend.Backend]. See [Run] for open.
func RunQueue(t *testing.T, open func(t *testing.T) Harness) {
	runAll(t, open, slices.Concat(
		queueAdminTests(), queueSendTests(), queueBatchTests(), queueAttributeTests(), queueGroupTests(),
		queueDeduplicationTests(), queueReceiptTests(), queueStandardTests(),
		queueVisibilityTests(), queueWaitTests(), queueDeadLetterTests(), queueDepthTests(),
	))
}

const (
	hidden      = time.Minute // visibility of a receive if the test does not wait for its end
	hiddenShort = time.Second // visibility of a receive if the test waits for its end
	never       = 0           // wait of a receive that returns at once
)

func fifo(s *backend.QueueSpec) { s.Name += ".fifo" }

// newQueueSpec returns the spec of a standard queue with a name of its own.
func newQueueSpec(with ...func(*backend.QueueSpec)) backend.QueueSpec {
	spec := backend.QueueSpec{
		Name:              uniqueName("queue"),
		VisibilitySeconds: 30,
		RetentionSeconds:  4 * 24 * 60 * 60,
	}
	for _, f := range with {
		f(&spec)
	}
	return spec
}

// createQueue creates a queue that is deleted at the end of the test.
func createQueue(t *testing.T, h Harness, spec backend.QueueSpec) backend.Queue {
	t.Helper()
	must(t, h.Backend.CreateQueue(t.Context(), spec))
	cleanup(t, "delete queue "+spec.Name, func(ctx context.Context) error {
		return h.Backend.DeleteQueue(ctx, spec.Name)
	})
	return h.Backend.Queue(spec.Name)
}

func newQueue(t *testing.T, h Harness, with ...func(*backend.QueueSpec)) backend.Queue {
	t.Helper()
	return createQueue(t, h, newQueueSpec(with...))
}

// entry returns a message of a group whose body is also its deduplication id.
func entry(group, body string) backend.SendEntry {
	return backend.SendEntry{Body: body, GroupID: group, DeduplicationID: body}
}

// plain returns a message of a standard queue.
func plain(body string) backend.SendEntry { return backend.SendEntry{Body: body} }

// send appends messages, all of which must be accepted.
func send(t *testing.T, q backend.Queue, entries ...backend.SendEntry) {
	t.Helper()
	failed, err := q.Send(t.Context(), entries)
	mustAll(t, failed, err)
}

// mustAll fails the test unless a batch succeeded with every entry.
func mustAll(t *testing.T, failed []backend.EntryError, err error) {
	t.Helper()
	must(t, err)
	for _, f := range failed {
		t.Fatalf("entry %d failed: %v", f.Index, f)
	}
}

// take receives exactly so many messages, with as many calls as necessary. If one of
// them comes again before the last has come, the queue has no more: whatever it had to
// give was due before that.
func take(t *testing.T, q backend.Queue, n int, visibility time.Duration) []backend.Delivery {
	t.Helper()
	var all []backend.Delivery
	for start := time.Now(); len(all) < n; {
		got, err := q.Receive(t.Context(), min(n-len(all), backend.MaxQueueBatch), time.Second, visibility)
		must(t, err)
		for _, d := range got {
			if slices.ContainsFunc(all, func(other backend.Delivery) bool { return other.MessageID == d.MessageID }) {
				t.Fatalf("received %q, and %q again: want %d messages", bodies(all), d.Body, n)
			}
			all = append(all, d)
		}
		if len(all) < n && time.Since(start) > patience {
			t.Fatalf("received %q within %s, want %d messages", bodies(all), patience, n)
		}
	}
	return all
}

// takeOne receives one message and checks its body.
func takeOne(t *testing.T, q backend.Queue, body string, visibility time.Duration) backend.Delivery {
	t.Helper()
	got := take(t, q, 1, visibility)[0]
	if got.Body != body {
		t.Fatalf("received %q, want %q", got.Body, body)
	}
	return got
}

// takeNone fails the test if a message can be received.
func takeNone(t *testing.T, q backend.Queue) {
	t.Helper()
	got, err := q.Receive(t.Context(), backend.MaxQueueBatch, never, hidden)
	must(t, err)
	if len(got) > 0 {
		t.Fatalf("received %q, want nothing", bodies(got))
	}
}

// remove deletes messages that were received.
func remove(t *testing.T, q backend.Queue, ds ...backend.Delivery) {
	t.Helper()
	for batch := range slices.Chunk(ds, backend.MaxQueueBatch) {
		failed, err := q.Delete(t.Context(), receipts(batch...))
		mustAll(t, failed, err)
	}
}

// change hides messages for a new timeout.
func change(t *testing.T, q backend.Queue, timeout time.Duration, ds ...backend.Delivery) {
	t.Helper()
	failed, err := q.ChangeVisibility(t.Context(), changes(timeout, ds...))
	mustAll(t, failed, err)
}

func changes(timeout time.Duration, ds ...backend.Delivery) []backend.VisibilityChange {
	all := make([]backend.VisibilityChange, len(ds))
	for i, d := range ds {
		all[i] = backend.VisibilityChange{Receipt: d.Receipt, Timeout: timeout}
	}
	return all
}

// lapse lets a visibility of hiddenShort end; on real time the next receive waits for
// its end.
func (h Harness) lapse() {
	if h.Advance != nil {
		h.Advance(hiddenShort)
	}
}

func bodies(ds []backend.Delivery) []string {
	all := make([]string, len(ds))
	for i, d := range ds {
		all[i] = d.Body
	}
	return all
}

func receipts(ds ...backend.Delivery) []string {
	all := make([]string, len(ds))
	for i, d := range ds {
		all[i] = d.Receipt
	}
	return all
}

// wantFailed fails the test unless exactly one entry of a batch failed, with a
// code; an empty code stands for any.
func wantFailed(t *testing.T, failed []backend.EntryError, err error, index int, code string) {
	t.Helper()
	must(t, err)
	if len(failed) != 1 || failed[0].Index != index {
		t.Fatalf("failed: %+v, want entry %d alone", failed, index)
	}
	if f := failed[0]; code != "" && f.Code != code {
		t.Fatalf("entry %d failed with %v, want %s", index, f, code)
	}
	if f := failed[0]; !f.SenderFault {
		t.Fatalf("entry %d: %v is not the sender's fault", index, f)
	}
}

// wantRefused fails the test unless the only entry of a batch was refused as invalid.
// Servers refuse either the entry or the whole call.
func wantRefused(t *testing.T, failed []backend.EntryError, err error) {
	t.Helper()
	if err != nil {
		wantKind(t, err, backend.KindInvalid)
		return
	}
	wantFailed(t, failed, nil, 0, "")
}

// numbered returns so many messages of a group: name-00, name-01, …
func numbered(group, name string, n int) []backend.SendEntry {
	all := make([]backend.SendEntry, n)
	for i := range all {
		all[i] = entry(group, fmt.Sprintf("%s-%02d", name, i))
	}
	return all
}

// queueKind is a type of queues, for tests that apply to both types.
type queueKind struct {
	with  func(*backend.QueueSpec)
	entry func(body string) backend.SendEntry
}

func queueKinds() []queueKind {
	return []queueKind{
		{with: fifo, entry: func(body string) backend.SendEntry { return entry("group", body) }},
		{with: func(*backend.QueueSpec) {}, entry: plain},
	}
}
