package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/membership"
)

func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream()
		for i := range 20 {
			one := openShard(fmt.Sprintf("s%02d", i), "")
			for j := range 50 {
				one.records = append(one.records, backend.Record{Sequence: fmt.Sprint(j + 1)})
			}
			s.shards = append(s.shards, one)
		}
		w := work(t, s, newTable(), config{MaxInFlight: 7}, keepAll)
		acked, most := 0, 0
		for acked < 20*50 {
			pass(time.Second)
			w.mu.Lock()
			most = max(most, len(w.seen)-acked)
			if len(w.seen) == acked {
				w.mu.Unlock()
				t.Fatalf("nothing goes on after %d records", acked)
			}
			for _, r := range w.seen[acked:] {
				r.Ack()
				acked++
			}
			w.mu.Unlock()
		}
		if most != 7 {
			t.Errorf("%d records were out at once, want 7", most)
		}
		wantStop(t, w)
	})
}

func TestHandlerErrorStopsTheReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, boom := newStream(openShard("a", "", "1", "2", "3"), openShard("b", "", "4")), newTable(), errors.New("boom")
		other := make(chan struct{})
		r := newReader(s, c, Handler(func(_ context.Context, records []*Record) error {
			if records[0].Shard == "b" {
				close(other)
				return nil
			}
			<-other
			records[0].Ack()
			err := boom
			go records[1].Ack() // too late to matter
			return err
		}), config{})
		begin := time.Now()
		if err := r.Run(t.Context()); !errors.Is(err, boom) {
			t.Errorf("error is %v", err)
		}
		// Of b nothing was acknowledged: the drain waits for it, and for nothing of a.
		if took := time.Since(begin); took != time.Second {
			t.Errorf("stopped after %v", took)
		}
		if l, err := membership.DecodeLeader(c.items[membership.LeaderKey(daemons(s.arn))]); err != nil || l.Worker != "" {
			t.Errorf("the leader's lock was not released: %+v, %v", l, err)
		}
	})
}

func TestBlockedHandlerHoldsItsShardOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1"), openShard("b", "", "2"))
		var others atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		r := newReader(s, newTable(), Handler(func(ctx context.Context, records []*Record) error {
			if records[0].Shard == "a" {
				<-ctx.Done()
				return ctx.Err()
			}
			others.Add(1)
			records[0].Ack()
			return nil
		}), config{})
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		pass(time.Hour) // longer than any lease: renewal does not depend on handlers
		if others.Load() != 1 {
			t.Error("the other shard was held up")
		}
		begin := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("stopping took %v: a refused record was waited for", took)
		}
	})
}

func TestIdleSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1").close()
		b := openShard("b", "a", "2")
		b.hidden = true
		s := newStream(a, b)
		w := work(t, s, newTable(), config{}, func(r *Record) bool { return r.Sequence == "2" })
		idle := func(want bool) time.Time {
			t.Helper()
			since, ok := w.IdleSince()
			if ok != want {
				t.Errorf("idle is %v, want %v", ok, want)
			}
			return since
		}
		idle(false) // has hardly begun
		pass(100 * time.Millisecond)
		idle(false) // the children of a are looked for
		s.edit(func() { b.hidden = false })
		pass(5 * time.Second)
		idle(false) // 2 is not acknowledged
		w.ack("b/2")
		acked := time.Now()
		if since := idle(true); !since.Equal(acked) {
			t.Errorf("idle since %v, want since the last acknowledgement, %v", since, acked)
		}
		pass(10 * time.Second)
		if since := idle(true); !since.Equal(acked) {
			t.Errorf("idle since %v, want since the last acknowledgement, %v", since, acked)
		}
		s.edit(func() { b.records = append(b.records, backend.Record{Sequence: "3"}) })
		pass(time.Second)
		if since := idle(true); !since.After(acked) {
			t.Errorf("idle since %v, before the last record", since)
		}
		wantStop(t, w)
		idle(false)
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-1, 100*time.Millisecond - 1} {
		err := newReader(newStream(), newTable(), nil, config{LeaseDuration: d}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "stream: option LeaseDuration is "+d.String()) {
			t.Errorf("a lease duration of %v: %v", d, err)
		}
	}
	for want, o := range map[time.Duration]config{100 * time.Millisecond: {LeaseDuration: 100 * time.Millisecond}, 10 * time.Second: {}} {
		synctest.Test(t, func(t *testing.T) {
			c := newTable()
			var got time.Duration
			c.wrote = func(it backend.Item) {
				if h, err := membership.DecodeWorker(it); err == nil && strings.HasPrefix(backend.KeyOf(it).SK, workerPrefix) {
					got = h.LeaseDuration
				}
			}
			w := work(t, newStream(), c, o, nil)
			synctest.Wait()
			wantStop(t, w)
			if got != want {
				t.Errorf("the heartbeat says a lease duration of %v, want %v", got, want)
			}
		})
	}
}

func TestReadStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1").close(), openShard("b", "a", "2"), openShard("c", "b")), newTable()
		if got, err := ReadStatus(t.Context(), s, c, ""); err != nil || got.Leader != (LeaderStatus{}) || len(got.Shards) != 3 {
			t.Errorf("before the first start: %+v, %v", got, err)
		}
		w := work(t, s, c, config{Worker: "one"}, nil)
		pass(time.Minute)
		got, err := ReadStatus(t.Context(), s, c, "")
		if err != nil {
			t.Fatal(err)
		}
		if o := got.Leader; o.Worker != "one" || o.Epoch != 1 || o.Counter < 10 || time.Since(o.RenewedAt) > 4*time.Second {
			t.Errorf("the owner is %+v", o)
		}
		a, b, child := got.Shards[0], got.Shards[1], got.Shards[2]
		if !a.Finished || a.FinishedAt.IsZero() || a.Checkpoint != "1" || !a.Listed {
			t.Errorf("a is %+v", a)
		}
		if b.Finished || b.Checkpoint != "2" || b.CheckpointTime.IsZero() || b.Parent != "a" || b.Worker != "one" || b.Epoch != 2 {
			t.Errorf("b is %+v", b)
		}
		if child != (ShardStatus{Shard: "c", Parent: "b", Listed: true, Epoch: 1}) {
			t.Errorf("c is %+v", child)
		}
		wantStop(t, w)
	})
}
