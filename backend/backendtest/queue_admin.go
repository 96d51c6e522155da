package backendtest

import (
	"context"
	"errors"
	"testing"

	"github.com/postroom/postroom/backend"
)

func queueAdminTests() []test {
	return []test{
		{"CreateQueue of an existing name with other settings is KindExists", func(t *testing.T, h Harness) {
			spec := newQueueSpec(fifo)
			createQueue(t, h, spec)
			spec.VisibilitySeconds++
			wantKind(t, h.Backend.CreateQueue(t.Context(), spec), backend.KindExists)
		}},
		{"CreateQueue with settings out of range is KindInvalid", func(t *testing.T, h Harness) {
			for name, spoil := range map[string]func(*backend.QueueSpec){
				"no name":         func(s *backend.QueueSpec) { s.Name = "" },
				"bad name":        func(s *backend.QueueSpec) { s.Name = "a queue" },
				"visibility":      func(s *backend.QueueSpec) { s.VisibilitySeconds = 43_201 },
				"short retention": func(s *backend.QueueSpec) { s.RetentionSeconds = 59 },
				"long retention":  func(s *backend.QueueSpec) { s.RetentionSeconds = 1_209_601 },
			} {
				err := h.Backend.CreateQueue(t.Context(), newQueueSpec(spoil))
				if backend.KindOf(err) != backend.KindInvalid {
					t.Errorf("%s: error is of kind %q: %v", name, backend.KindOf(err), err)
				}
			}
		}},
		{"the dead-letter queue must exist when a queue is created", func(t *testing.T, h Harness) {
			spec := newQueueSpec()
			spec.DeadLetterQueue, spec.MaxReceiveCount = uniqueName("dead"), 3
			err := h.Backend.CreateQueue(t.Context(), spec)
			if kind := backend.KindOf(err); kind != backend.KindNotFound && kind != backend.KindInvalid {
				t.Fatalf("error is of kind %q: %v", kind, err)
			}
		}},
		{"the dead-letter queue must be of the same type", func(t *testing.T, h Harness) {
			dead := newQueueSpec()
			createQueue(t, h, dead)
			spec := newQueueSpec(fifo)
			spec.DeadLetterQueue, spec.MaxReceiveCount = dead.Name, 3
			wantKind(t, h.Backend.CreateQueue(t.Context(), spec), backend.KindInvalid)
		}},
		{"DescribeQueue returns the shape of a queue", testDescribeQueue},
		{"DeleteQueue deletes a queue and everything in it", func(t *testing.T, h Harness) {
			spec := newQueueSpec(fifo)
			q := createQueue(t, h, spec)
			send(t, q, numbered("g", "m", 10)...)
			take(t, q, 1, hidden)
			must(t, h.Backend.DeleteQueue(t.Context(), spec.Name))
			h.eventually(t, "the queue to be gone", func() bool {
				_, err := q.Depth(t.Context())
				return backend.KindOf(err) == backend.KindNotFound
			})
		}},
		{"the first use of a queue that does not exist is KindNotFound", func(t *testing.T, h Harness) {
			name := uniqueName("queue")
			for what, call := range queueCalls(h.Backend.Queue(name)) {
				if err := call(t.Context()); backend.KindOf(err) != backend.KindNotFound {
					t.Errorf("%s: error is of kind %q: %v", what, backend.KindOf(err), err)
				}
			}
			_, err := h.Backend.DescribeQueue(t.Context(), name)
			wantKind(t, err, backend.KindNotFound)
			wantKind(t, h.Backend.DeleteQueue(t.Context(), name), backend.KindNotFound)
		}},
		{"a call of a queue returns soon after its context is done", func(t *testing.T, h Harness) {
			q := newQueue(t, h)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for what, call := range queueCalls(q) {
				if err := call(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("%s with a cancelled context: %v", what, err)
				}
			}
		}},
	}
}

func testDescribeQueue(t *testing.T, h Harness) {
	if lacks(t, h.Capabilities.QueueDescription, "QueueDescription") {
		return
	}
	dead := newQueueSpec(fifo)
	dead.RetentionSeconds = 1_209_600
	live := newQueueSpec(fifo)
	live.VisibilitySeconds, live.DeadLetterQueue, live.MaxReceiveCount = 45, dead.Name, 7
	for _, want := range []backend.QueueSpec{newQueueSpec(), dead, live} {
		createQueue(t, h, want)
		got, err := h.Backend.DescribeQueue(t.Context(), want.Name)
		must(t, err)
		wantEqual(t, got, want)
	}
}

// queueCalls has every method of a queue, each with a well-formed request; the receipt
// belongs to no message.
func queueCalls(q backend.Queue) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Send": func(ctx context.Context) error {
			_, err := q.Send(ctx, []backend.SendEntry{plain("m")})
			return err
		},
		"Receive": func(ctx context.Context) error {
			_, err := q.Receive(ctx, 1, backend.MaxWait, hidden)
			return err
		},
		"Delete": func(ctx context.Context) error {
			_, err := q.Delete(ctx, []string{"receipt"})
			return err
		},
		"ChangeVisibility": func(ctx context.Context) error {
			_, err := q.ChangeVisibility(ctx, []backend.VisibilityChange{{Receipt: "receipt"}})
			return err
		},
		"Depth": func(ctx context.Context) error {
			_, err := q.Depth(ctx)
			return err
		},
	}
}
