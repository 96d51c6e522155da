package consumer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

// deadLetterBox is a dead-letter queue that answers as a test asks it to.
type deadLetterBox struct {
	fakeQueue

	sent   []backend.SendEntry
	answer func(n int, entries []backend.SendEntry) ([]backend.EntryError, error) // of the nth call
	calls  int
}

func (b *deadLetterBox) Send(_ context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.answer != nil {
		if failed, err := b.answer(b.calls, entries); failed != nil || err != nil {
			return failed, err
		}
	}
	b.sent = append(b.sent, entries...)
	return nil, nil
}

func instruct(what error) *recorder {
	return &recorder{do: func(_ context.Context, d backend.Delivery) error {
		if d.ReceiveCount > 1 {
			return nil
		}
		return fmt.Errorf("handling %s: %w", d.MessageID, what)
	}}
}

var errUseless = errors.New("useless\x00")

func TestDropDeletesUnhandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h := newFakeQueue(), instruct(Drop(errUseless))
		q.add("m1", "g")
		q.add("m2", "g")
		w, stop := run(t, q, h, Options{})
		wait(time.Second)
		stop()
		if diff := cmp.Diff(Stats{Received: 2, Dropped: 2, Deleted: 2}, w.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

func TestRetryAfterIsTheHandlersPause(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{
		90500 * time.Millisecond: "hide m 1m31s", 0: "hide m 0s", 20 * time.Hour: "hide m 11h59m59s", -time.Hour: "hide m 0s",
	} {
		synctest.Test(t, func(t *testing.T) {
			q, h := newFakeQueue(), instruct(RetryAfter(after, errUseless))
			q.add("m", "g")
			w, stop := run(t, q, h, Options{})
			wait(13 * time.Hour)
			stop()
			if calls := q.log(); len(calls) == 0 || calls[0] != want {
				t.Errorf("calls %v, want first %s", calls, want)
			}
			if s := w.Stats(); s.Failed != 1 || s.Delivered != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestDeadLetterGoesAtOnceWithTheReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h, box := newFakeQueue(), instruct(DeadLetter(errUseless)), &deadLetterBox{}
		for _, id := range []string{"m1", "m2"} {
			q.add(id, "g")
		}
		q.messages[0].DeduplicationID = "d"
		q.messages[0].Attributes = map[string]string{"Kept": "yes"}
		w, stop := run(t, q, h, Options{DeadLetters: box})
		wait(time.Second)
		stop()
		want := []backend.SendEntry{
			{
				Body: `{"id":"m1"}`, GroupID: "g", DeduplicationID: "m1",
				Attributes: map[string]string{"Kept": "yes", ReasonAttribute: "useless\uFFFD"},
			},
			{Body: `{"id":"m2"}`, GroupID: "g", Attributes: map[string]string{ReasonAttribute: "useless\uFFFD"}},
		}
		if diff := cmp.Diff(want, box.sent); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		if box.calls != 2 {
			t.Errorf("%d calls, want one for each of a group", box.calls)
		}
		if diff := cmp.Diff(Stats{Received: 2, Failed: 2, DeadLettered: 2, Deleted: 2}, w.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

// A queue takes no attribute without a text.
func TestDeadLetterWithoutAReason(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{"nil": nil, "empty": errors.New("")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q, h, box := newFakeQueue(), instruct(DeadLetter(cause)), &deadLetterBox{}
				q.add("m", "g")
				_, stop := run(t, q, h, Options{DeadLetters: box})
				wait(time.Second)
				stop()
				want := []backend.SendEntry{{
					Body: `{"id":"m"}`, GroupID: "g", Attributes: map[string]string{ReasonAttribute: "the handler gave no reason"},
				}}
				if diff := cmp.Diff(want, box.sent); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A dead letter that is not accepted is not deleted: it is tried again, or comes
// again where the queue will never have it.
func TestDeadLetterIsNotLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(n int, entries []backend.SendEntry) ([]backend.EntryError, error)
		want   Stats
		logged string
	}{
		"an outage": {
			func(n int, _ []backend.SendEntry) ([]backend.EntryError, error) {
				if n < 20 {
					return nil, &backend.Error{Op: "Send", Kind: backend.KindUnavailable}
				}
				return nil, nil
			},
			Stats{Received: 1, Failed: 1, DeadLettered: 1, Deleted: 1}, "sending dead letters works again",
		},
		"an entry": {
			func(n int, _ []backend.SendEntry) ([]backend.EntryError, error) {
				if n < 3 {
					return []backend.EntryError{{Code: "InternalError"}}, nil
				}
				return nil, nil
			},
			Stats{Received: 1, Failed: 1, DeadLettered: 1, Deleted: 1}, "sending dead letters fails",
		},
		"a refusal": {
			func(int, []backend.SendEntry) ([]backend.EntryError, error) {
				return []backend.EntryError{{Code: "InvalidParameterValue", SenderFault: true}}, nil
			},
			Stats{Received: 2, Failed: 1, Delivered: 1, Deleted: 1}, "refuses a message, which comes again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q, h, box := newFakeQueue(), instruct(DeadLetter(errUseless)), &deadLetterBox{answer: c.answer}
				var logged bytes.Buffer
				q.add("m", "g")
				w, stop := run(t, q, h, Options{DeadLetters: box, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
				wait(5 * time.Minute)
				stop()
				s := w.Stats()
				s.Extended = 0
				if diff := cmp.Diff(c.want, s); diff != "" {
					t.Errorf("stats (-want +got):\n%s", diff)
				}
				if !strings.Contains(logged.String(), c.logged) {
					t.Errorf("the log lacks %q:\n%s", c.logged, logged.String())
				}
			})
		})
	}
}

func TestDeadLetterWithoutAQueueIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, h := newFakeQueue(), instruct(DeadLetter(errUseless))
		q.add("m", "g")
		w, stop := run(t, q, h, Options{})
		wait(time.Minute)
		stop()
		if diff := cmp.Diff(Stats{Received: 2, Failed: 1, Delivered: 1, Deleted: 1}, w.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

// No receive begins while the messages in flight have more bytes than they may.
func TestMaxBytesInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		h := &recorder{do: func(context.Context, backend.Delivery) error {
			time.Sleep(time.Second)
			return nil
		}}
		for i := range 60 {
			q.add(fmt.Sprintf("m%02d", i), "")
			q.messages[i].Body = strings.Repeat("x", 900)
			q.messages[i].Attributes = map[string]string{"Attribute": strings.Repeat("y", 91)}
		}
		w, stop := run(t, q, h, Options{Concurrency: 1, Receivers: 1}, func(w *Worker) {
			w.inFlight = newInFlight(w.opts, 100)
			w.inFlight.maxBytes = 15_000
		})
		most := int64(0)
		for range 100 {
			wait(time.Second)
			most = max(most, w.Stats().InFlightBytes)
		}
		stop()
		if most < 15_000 || most > 25_000 {
			t.Errorf("%d bytes in flight, want 15,000 and at most ten messages more", most)
		}
		if s := w.Stats(); s.Deleted != 60 || s.InFlightBytes != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
