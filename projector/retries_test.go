package projector

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/quarantine"
)

// records are the records in quarantine.
func (r *rig) records() (all []*quarantine.Stored) {
	r.t.Helper()
	for s, err := range quarantine.All(context.Background(), r.store.Table("control"), quarantine.Reading{}) {
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// retry asks for all records to be tried again.
func (r *rig) retry() {
	r.t.Helper()
	if _, err := quarantine.Ask(context.Background(), r.store.Table("control"), r.records(), 100); err != nil {
		r.t.Fatal(err)
	}
}

// wantRetried expects that nothing is to be tried again any more.
func (r *rig) wantRetried() {
	r.t.Helper()
	for _, it := range r.store.Items("control") {
		if key := backend.KeyOf(it); key.PK == "quarantine-retry" {
			r.t.Errorf("%v is left", key)
		}
	}
}

// TestS12RetriedInTheOrdinaryWay: a message that can be processed by now is projected,
// its recipients are notified with the ids they would have had, and its record is
// removed.
func TestS12RetriedInTheOrdinaryWay(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		ms := conversationOf(1, 3, 3)
		broken := ms[2].Item()
		delete(broken, "message")
		r.post(ms[0], ms[1])
		r.put(broken)
		r.settled()
		r.wantQuarantined(1, "message")
		r.wantLast(ms[1], 3)
		r.post(ms[2]) // somebody mends it
		r.settled()
		r.wantLast(ms[1], 3) // an edit asks for nothing
		r.retry()
		r.settled()
		r.wantQuarantined(0, "")
		r.wantRetried()
		r.wantLast(ms[2], 3)
		got := map[string]int{}
		for _, e := range r.store.Sent("q.fifo") {
			got[e.DeduplicationID]++
		}
		for _, user := range postroom.Recipients(ms[0].Members, ms[2].UserUUID) {
			if n := got[postroom.NotificationID(ms[2], user)]; n != 1 {
				t.Errorf("%s was notified %d times", user, n)
			}
		}
	})
}

// TestS12RetriedInVain: what cannot be processed yet stays whole, with its reason, and
// the attempt is counted. That trips no breaker.
func TestS12RetriedInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.tuned(tuning{MaxQuarantined: 1})
		r.run()
		nonMember, gone, unopened := conversationOf(1, 2, 60), conversationOf(2, 2, 2), conversationOf(3, 2, 2)
		for i := range nonMember[1:] {
			nonMember[i+1].UserUUID = id(7)
		}
		broken := gone[1].Item()
		delete(broken, "message")
		r.post(nonMember...)
		r.put(broken)
		r.post(gone[0], unopened[1])
		r.settled()
		before := r.records()
		if len(before) != 61 {
			t.Fatalf("%d records", len(before))
		}
		r.end()
		r.tuned(tuning{MaxQuarantined: 0.01})
		r.run()
		defer r.end()
		r.remove(backend.Key{PK: gone[1].GroupUUID, SK: gone[1].Key()})
		time.Sleep(time.Hour) // the breaker has forgotten them
		for range 3 {
			begin := time.Now()
			for _, part := range [][]*quarantine.Stored{before[:quarantine.MaxBatch], before[quarantine.MaxBatch:]} {
				if _, err := quarantine.Ask(t.Context(), r.store.Table("control"), part, 10_000); err != nil {
					t.Fatal(err)
				}
			}
			r.settled()
			if took := time.Since(begin); took > 25*time.Second {
				t.Errorf("it took %v: a retry waits for no members", took)
			}
			r.wantRetried()
		}
		if _, tripped := r.p.quarantine.Breaker(); tripped != nil {
			t.Error(tripped)
		}
		for _, s := range r.records() {
			want := map[string]string{id(1): errNonMember.Error(), id(2): "the log does not hold", id(3): projection.ErrNoMembers.Error()}[s.Key.PK]
			if s.Attempts != 4 || !strings.Contains(s.Reason, want) || s.Waiting != (s.Key.PK == id(3)) {
				t.Errorf("%+v, want 4 attempts and %q", s, want)
			}
		}
		if n := len(r.records()); n != len(before) {
			t.Errorf("%d records, want %d", n, len(before))
		}
		r.post(unopened[0]) // what waits still comes back by itself
		r.settled()
		r.wantLast(unopened[1], 2)
	})
}

// TestS12RetriedInVainTwice: a message that is found to be without members, and cannot be
// processed once they are known, stays with its last reason: what counts is the record as
// it was written last, not as it was read for the retry.
func TestS12RetriedInVainTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.tuned(tuning{MaxQuarantined: 1})
		r.run()
		defer r.end()
		ms := conversationOf(1, 2, 2)
		r.post(ms[1])
		r.settled()
		r.wantQuarantined(1, projection.ErrNoMembers.Error())
		r.table.set(func() {
			r.table.onTransact = func(actions []backend.Action) error {
				if slices.ContainsFunc(actions, func(a backend.Action) bool { return backend.Text(a.Put, "last_message") == ms[1].Text }) {
					return failure(backend.KindInvalid)
				}
				return nil
			}
		})
		r.control.set(func() {
			r.control.onPut = func(it backend.Item) error {
				if item.Loose(it).Int("attempts", 0) == 2 { // it has no members, and just then they are named
					r.post(ms[0])
					time.Sleep(5 * time.Second) // until that is read, so that no later message looks again
				}
				return nil
			}
		})
		r.retry()
		r.settled()
		r.wantRetried()
		r.wantLast(ms[0], 2)
		r.wantQuarantined(1, "invalid request")
		if s := r.records()[0]; s.Attempts != 3 || s.Waiting {
			t.Errorf("%+v, want 3 attempts, and that it waits for nothing", s)
		}
	})
}

// TestS12OwedBesideASilentCopy: a message that somebody is owed a notification of is not
// kept in quarantine by a copy that says that nobody is.
func TestS12OwedBesideASilentCopy(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.tuned(tuning{MaxQuarantined: 1})
		ms := conversationOf(1, 2, 2)
		silent := quarantine.LogRecord(ms[1].Item())
		silent.Silent = true
		q := quarantine.New(r.store.Table("control"), 1, slog.New(slog.DiscardHandler))
		if err := q.PutWaiting(t.Context(), silent, projection.ErrNoMembers); err != nil {
			t.Fatal(err)
		}
		r.table.set(func() {
			r.table.onTransact = func(actions []backend.Action) error {
				if slices.ContainsFunc(actions, func(a backend.Action) bool { return backend.Text(a.Put, "last_message") == ms[1].Text }) {
					return failure(backend.KindInvalid)
				}
				return nil
			}
		})
		r.run()
		defer r.end()
		r.post(ms...)
		r.settled()
		r.wantLast(ms[0], 2)
		r.wantQuarantined(1, "invalid request")
		if s := r.records()[0]; s.Silent || s.Origin != quarantine.Stream {
			t.Errorf("%+v, want it to be owed, as it is in the stream", s)
		}
	})
}

// TestS12RetriedWithoutAReader: where no worker runs, records are tried again without the
// stream being read, and not for another queue.
func TestS12RetriedWithoutAReader(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 3)
		r.run()
		r.queue.set(func(entries []backend.SendEntry) (failed []backend.EntryError, err error) {
			for i := range entries {
				failed = append(failed, backend.EntryError{Index: i, Code: "InvalidMessageContents", SenderFault: true})
			}
			return failed, nil
		})
		r.post(ms[0], ms[1])
		r.settled()
		r.end()
		r.queue.set(nil)
		r.wantQuarantined(2, "InvalidMessageContents")
		r.retry()
		r.post(ms[2])

		other := r.config()
		other.QueueName = "other.fifo"
		if err := New(other, r.options).RunRetries(t.Context()); err == nil || !strings.Contains(err.Error(), "other.fifo") || !strings.Contains(err.Error(), "q.fifo") {
			t.Errorf("with another queue: %v", err)
		}
		r.tuned(tuning{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.p.RunRetries(ctx) }()
		time.Sleep(time.Minute)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r.wantQuarantined(0, "")
		r.wantRetried()
		r.wantLast(ms[1], 2)
		if n := r.sent(); n != 2 {
			t.Errorf("%d notifications, want 2", n)
		}
	})
}

// TestS12RetriedSilently: who was owed no notification is not notified.
func TestS12RetriedSilently(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		r.run()
		defer r.end()
		r.post(ms[0])
		r.settled()
		silent := quarantine.LogRecord(ms[1].Item())
		silent.Silent = true
		if err := r.p.quarantine.Put(t.Context(), silent, errNonMember, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := r.store.Table("t").Put(t.Context(), ms[1].Item(), backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		r.settled()
		sent := r.sent()
		r.retry()
		r.settled()
		r.wantQuarantined(0, "")
		r.wantLast(ms[1], 2)
		if n := r.sent(); n != sent {
			t.Errorf("%d more notifications", n-sent)
		}
	})
}

// TestS12CrashWhileRetrying: whichever call of the control table was the last, the next
// worker ends what was begun: each message that can be processed is, and each other one
// stays.
func TestS12CrashWhileRetrying(t *testing.T) {
	for _, happens := range []bool{false, true} { // does the last call?
		t.Run(fmt.Sprint(happens), func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *rig) {
				for n := 1; ; n++ {
					if !newRig(t).crashWhileRetrying(n, happens) {
						break
					}
				}
			})
		})
	}
}

// crashWhileRetrying reports whether a retry made so many writes.
func (r *rig) crashWhileRetrying(n int, happens bool) (crashed bool) {
	r.t.Helper()
	fixed, nonMember := conversationOf(1, 2, 2), conversationOf(2, 2, 2)
	nonMember[1].UserUUID = id(7)
	broken := fixed[1].Item()
	delete(broken, "message")
	r.tuned(tuning{MaxQuarantined: 1})
	r.run()
	r.post(fixed[0], nonMember[0], nonMember[1])
	r.put(broken)
	r.settled()
	r.end()
	r.post(fixed[1])
	before := len(r.records())
	r.retry()

	var calls atomic.Int64
	control := backend.Intercept(r.store.Table("control"), func(ctx context.Context, tc *backend.TableCall, next func(context.Context) error) error {
		if tc.Op != "Put" && tc.Op != "BatchWrite" {
			return next(ctx)
		}
		call := int(calls.Add(1))
		if call < n {
			return next(ctx)
		}
		if call == n && happens {
			_ = next(ctx)
		}
		return failure(backend.KindUnavailable)
	})
	config := r.config()
	config.Control = control
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	dying := newTuned(config, r.options, tuning{})
	go func() { ended <- dying.RunRetries(ctx) }()
	time.Sleep(10 * time.Second)
	stop()
	<-ended
	r.tuned(tuning{MaxQuarantined: 1})
	r.run()
	r.settled()
	r.end()
	r.wantRetried()
	r.wantLast(fixed[1], 2)
	if got := len(r.records()); got != before-1 {
		r.t.Errorf("after call %d: %d records, want %d", n, got, before-1)
	}
	if got := r.notificationsOf(fixed[0].GroupUUID); got != 2 {
		r.t.Errorf("after call %d: %d notifications, want 2", n, got)
	}
	return int(calls.Load()) >= n
}

// TestF18GarbageAmongRetries: a batch that is damaged is left aside, and the others are
// worked off.
func TestF18GarbageAmongRetries(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		broken := ms[1].Item()
		delete(broken, "message")
		r.run()
		defer r.end()
		r.post(ms[0])
		r.put(broken)
		r.settled()
		r.post(ms[1])
		garbage := backend.Item{backend.AttrPK: item.String("quarantine-retry"), backend.AttrSK: item.String("0")}
		if _, err := r.store.Table("control").Put(t.Context(), garbage, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		r.retry()
		r.settled()
		r.wantQuarantined(0, "")
		if d := r.p.Damaged(); len(d) != 1 || d[0].Key.SK != "0" {
			t.Errorf("damaged are %v", d)
		}
		if repair, err := quarantine.Repair(garbage); err != nil || repair == nil || repair.Put != nil {
			t.Errorf("repaired by %v, %v", repair, err)
		}
	})
}
