package projector

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// TestF15NothingElseCondemns: whatever fails, and however often, only what the table
// refuses to put condemns a message. A read that fails never does, also one that the
// server says is wrong; nor a deletion, nor an error that nobody knows.
func TestF15NothingElseCondemns(t *testing.T) {
	kinds := []backend.Kind{
		backend.KindUnknown, backend.KindConflict, backend.KindThrottled, backend.KindUnavailable,
		backend.KindNotFound, backend.KindExists, backend.KindDenied, backend.KindExpired, backend.KindTrimmed,
	}
	for _, kind := range kinds {
		t.Run("moves, "+kind.String(), func(t *testing.T) {
			condemnsNothing(t, func(r *rig, err func() error) {
				r.table.onTransact = func([]backend.Action) error { return err() }
			}, failure(kind))
		})
	}
	t.Run("moves, no kind", func(t *testing.T) {
		condemnsNothing(t, func(r *rig, err func() error) {
			r.table.onTransact = func([]backend.Action) error { return err() }
		}, errors.New("something"))
	})
	for _, kind := range append(kinds, backend.KindInvalid) {
		t.Run("reads, "+kind.String(), func(t *testing.T) {
			condemnsNothing(t, func(r *rig, err func() error) {
				r.table.onRead = func(backend.Key) error { return err() }
			}, failure(kind))
		})
		t.Run("reads of quarantine, "+kind.String(), func(t *testing.T) {
			condemnsNothing(t, func(r *rig, err func() error) {
				r.control.onRead = func(key backend.Key) error {
					if strings.HasPrefix(key.PK, quarantined) {
						return err()
					}
					return nil
				}
			}, failure(kind))
		})
	}
}

// condemnsNothing has calls fail for ten minutes, while conversations begin and go on.
func condemnsNothing(t *testing.T, hook func(r *rig, err func() error), failed error) {
	t.Helper()
	inBubble(t, func(t *testing.T, r *rig) {
		const conversations = 5
		r.run()
		defer r.end()
		var last []postroom.Message
		for n := range conversations {
			ms := conversationOf(n, 2, 6)
			r.post(ms[:3]...)
			last = append(last, ms[5])
		}
		r.settled()
		until := time.Now().Add(10 * time.Minute)
		fails := func() error {
			if time.Now().Before(until) {
				return failed
			}
			return nil
		}
		r.table.set(func() { r.control.set(func() { hook(r, fails) }) })
		for n := range conversations {
			r.post(conversationOf(n, 2, 6)[3:]...)
		}
		r.post(conversationOf(conversations, 2, 1)...)
		time.Sleep(10 * time.Minute)
		r.settled()
		r.wantQuarantined(0, "")
		for _, m := range last {
			r.wantLast(m, 2)
		}
		if s := r.p.Stats(); s.Quarantined != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestF16RefusedRecipientsCountOnce: a message whose notifications to all of its
// recipients are refused is one record in quarantine, and counts as one.
func TestF16RefusedRecipientsCountOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.queue.set(func(entries []backend.SendEntry) (failed []backend.EntryError, err error) {
			for i := range entries {
				failed = append(failed, backend.EntryError{Index: i, Code: "InvalidMessageContents", SenderFault: true})
			}
			return failed, nil
		})
		const messages = 30
		r.post(conversationOf(1, 3, messages)...)
		r.run()
		defer r.end()
		r.settled()
		r.wantQuarantined(messages, "InvalidMessageContents")
		if s := r.p.Stats(); s.Quarantined != messages {
			t.Errorf("%d are counted, want %d", s.Quarantined, messages)
		}
	})
}

// TestF16FailureOfAnEntryCondemnsNothing: an entry that the queue does not refuse for
// its own fault is sent again until it is accepted.
func TestF16FailureOfAnEntryCondemnsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		until := time.Now().Add(10 * time.Minute)
		r.queue.set(func(entries []backend.SendEntry) (failed []backend.EntryError, err error) {
			for i := range entries {
				if time.Now().Before(until) {
					failed = append(failed, backend.EntryError{Index: i, Code: "KmsAccessDenied"})
				}
			}
			return failed, nil
		})
		r.post(conversationOf(1, 3, 30)...)
		r.run()
		defer r.end()
		time.Sleep(10 * time.Minute)
		r.settled()
		r.wantQuarantined(0, "")
		if n := r.notificationsSent(); n != 60 {
			t.Errorf("%d notifications, want 60", n)
		}
	})
}
