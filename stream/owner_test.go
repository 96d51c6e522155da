package stream

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// gate is what stands between one worker and the world: while it is shut, calls
// hang, whatever their context says, as those of a frozen process do.
type gate struct {
	mu   sync.Mutex
	open chan struct{}
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) thaw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

func (g *gate) pass() {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	<-open
}

// gatedStream and gatedTable hold calls before they are made and their answers
// before they arrive.
type gatedStream struct {
	*fakeStream
	gate *gate
}

func (s gatedStream) Records(ctx context.Context, it string, limit int) (backend.RecordPage, error) {
	s.gate.pass()
	page, err := s.fakeStream.Records(ctx, it, limit)
	s.gate.pass()
	return page, err
}

type gatedTable struct {
	*fakeTable
	gate *gate
}

func (c gatedTable) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	c.gate.pass()
	units, err := c.fakeTable.Put(ctx, item, condition)
	c.gate.pass()
	return units, err
}

func TestSecondReaderIsRefusedWhileTheFirstLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1")), newTable()
		first := work(t, s, c, Options{Worker: "one"}, nil)
		pass(time.Minute)
		begin := time.Now()
		second := work(t, s, c, Options{Worker: "two"}, nil)
		if err := wantError[*OwnedError](t, second.ended(t)); err.Owner != "one" {
			t.Errorf("refused for %q", err.Owner)
		}
		if waited := time.Since(begin); waited > 5*time.Second {
			t.Errorf("refused after %v, with a sign of life every third of ten seconds", waited)
		}
		second.wants(t)
		wantStop(t, first)
	})
}

func TestSecondReaderOfTheSameNameIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1")), newTable()
		one := work(t, s, c, Options{Worker: "same"}, nil)
		two := work(t, s, c, Options{Worker: "same"}, nil)
		pass(time.Minute)
		if n := len(one.got()) + len(two.got()); n != 1 {
			t.Errorf("two readers of one name read %d records of 1", n)
		}
		one.cancel()
		two.cancel()
	})
}

func TestS13GracefulStopLetsTheNextStartAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1", "2")), newTable()
		first := work(t, s, c, Options{}, func(r *Record) bool { return r.Sequence == "2" })
		pass(10 * time.Millisecond)
		begin := time.Now()
		go func() { // what is acknowledged while draining counts
			time.Sleep(500 * time.Millisecond)
			first.ack("a/2")
		}()
		wantStop(t, first)
		if took := time.Since(begin); took != 500*time.Millisecond {
			t.Errorf("stopping took %v: until the last acknowledgement, 500ms", took)
		}
		if l := c.lease(s.arn, "a"); l.done.sequence != "2" {
			t.Errorf("the lease is %+v", l)
		}
		s.edit(func() { s.shards[0].records = append(s.shards[0].records, backend.Record{Sequence: "3"}) })
		begin = time.Now()
		second := work(t, s, c, Options{}, nil)
		synctest.Wait()
		second.wants(t, "a/3")
		if took := time.Since(begin); took != 0 {
			t.Errorf("the next began after %v", took)
		}
		if l := c.lease(s.arn, "a"); l.epoch != 2 {
			t.Errorf("the epoch of the second owner is %d", l.epoch)
		}
		wantStop(t, second)
	})
}

func TestStopIsBoundedWithoutAcknowledgements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, log := newStream(shard("a", "", "1", "2")), newTable(), &logs{}
		w := work(t, s, c, Options{Logger: logger(log)}, func(r *Record) bool { return r.Sequence == "2" })
		pass(time.Minute)
		c.set(func() { c.fault = func(string, string) error { return fail("Put", backend.KindUnavailable) } })
		begin := time.Now()
		wantStop(t, w)
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if log.count("stopping without some acknowledgements") != 1 {
			t.Error("nobody was told of what is missing")
		}
		w.ack("a/2") // late: no effect, no panic
	})
}

func TestDeadOwnerIsTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, frozen := newStream(shard("a", "", "1", "2")), newTable(), newGate()
		first := work(t, s, gatedTable{c, frozen}, Options{Worker: "one"}, func(r *Record) bool { return r.Sequence == "2" })
		pass(time.Minute)
		frozen.shut()
		begin := time.Now()
		second := work(t, s, c, Options{Worker: "two"}, nil)
		for len(second.got()) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		second.wants(t, "a/2") // from the checkpoint on
		if took := time.Since(begin); took < 10*time.Second || took > 14*time.Second {
			t.Errorf("taken over after %v, want the lease duration", took)
		}
		frozen.thaw()
		_ = wantError[*LostError](t, first.ended(t))
		wantStop(t, second)
	})
}

// The observer honours the longer lease of the owner that it finds.
func TestTakeOverWaitsForTheOwnersLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, frozen := newStream(shard("a", "", "1")), newTable(), newGate()
		work(t, s, gatedTable{c, frozen}, Options{LeaseDuration: time.Minute}, keepAll)
		pass(time.Second)
		frozen.shut()
		defer frozen.thaw()
		second := work(t, s, c, Options{LeaseDuration: time.Second}, nil)
		pass(59 * time.Second)
		second.wants(t)
		pass(3 * time.Second)
		second.wants(t, "a/1")
		wantStop(t, second)
	})
}

func TestS5FrozenWorkerThatWakesUp(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"with a checkpoint to write", "with a page to deliver"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := shard("a", "", "1", "2")
				s, c, frozen := newStream(a), newTable(), newGate()
				first := work(t, gatedStream{s, frozen}, gatedTable{c, frozen}, Options{Worker: "one"}, keepAll)
				pass(time.Minute)
				first.wants(t, "a/1", "a/2")
				frozen.shut()
				if what == "with a checkpoint to write" {
					first.ack("a/1")
				} else {
					s.edit(func() { a.records = append(a.records, backend.Record{Sequence: "3"}) })
				}
				second := work(t, s, c, Options{Worker: "two"}, keepAll)
				pass(time.Minute)
				if l := c.lease(s.arn, "a"); l.worker != "two" || l.epoch != 2 {
					t.Fatalf("the lease is %+v", l)
				}
				var late []string
				c.set(func() {
					c.wrote = func(item backend.Item) {
						if backend.Text(item, attrOwner) == "one" {
							late = append(late, backend.KeyOf(item).SK)
						}
					}
				})
				frozen.thaw()
				if err := wantError[*LostError](t, first.ended(t)); err.Owner != "two" {
					t.Errorf("lost to %q", err.Owner)
				}
				if late != nil {
					t.Errorf("after it was overtaken the worker wrote %v", late)
				}
				first.wants(t, "a/1", "a/2") // nothing more was delivered
				wantStop(t, second)
			})
		})
	}
}

// A checkpoint alone tells a worker that it was overtaken, before its renewal.
func TestS5CheckpointAfterALostLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1")), newTable()
		w := work(t, s, c, Options{LeaseDuration: time.Hour}, keepAll)
		pass(time.Second)
		other := c.lease(s.arn, "a")
		other.worker, other.run, other.epoch = "other", "x", other.epoch+1
		key := leaseKey(s.arn, "a")
		c.set(func() { c.items[key] = other.encode(key) })
		w.ack("a/1")
		if err := wantError[*LostError](t, w.ended(t)); err.Owner != "other" {
			t.Errorf("lost to %q", err.Owner)
		}
		if l := c.lease(s.arn, "a"); l != other {
			t.Errorf("the other's lease is %+v", l)
		}
	})
}

// A worker that took the stream and slept must not take a shard back from who
// took the stream after it.
func TestS5SleeperDoesNotStealALeaseBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1")), newTable()
		key := leaseKey(s.arn, "a")
		troubles := trouble.NewLog(quiet, minPause, maxPause)
		own := newOwnership(c, s.arn, "run one", Options{Worker: "one", LeaseDuration: time.Hour, Logger: quiet}, troubles)
		if _, err := own.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := &leases{control: c, arn: s.arn, own: own, troubles: troubles.Work("leases")}
		two := ownerItem{worker: "two", run: "run two", epoch: 2, counter: 9}
		taken := lease{shard: "a", worker: "two", run: "run two", epoch: 1}
		c.set(func() { c.items[ownerKey(s.arn)] = two.encode(ownerKey(s.arn)); c.items[key] = taken.encode(key) })
		_, err := l.take(t.Context(), lease{shard: "a"})
		_ = wantError[*LostError](t, err)
		if got := c.lease(s.arn, "a"); got.worker != "two" {
			t.Errorf("the lease was taken back: %+v", got)
		}
	})
}

func TestOutageLongerThanTheLeaseHoldsAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := shard("a", "", "1")
		s, c, log := newStream(a), newTable(), &logs{}
		w := work(t, s, c, Options{Logger: logger(log)}, nil)
		pass(time.Minute)
		c.set(func() { c.fault = func(string, string) error { return fail("Put", backend.KindUnavailable) } })
		pass(30 * time.Second)
		s.edit(func() { a.records = append(a.records, backend.Record{Sequence: "2"}) })
		pass(time.Minute)
		w.wants(t, "a/1") // not delivered: the stream might be another's by now
		c.set(func() { c.fault = nil })
		pass(11 * time.Second)
		w.wants(t, "a/1", "a/2")
		if log.count("renewing the ownership of the stream fails") != 1 || log.count("renewing the ownership of the stream works again") != 1 {
			t.Errorf("the outage was not told of once:\n%s", log.b.String())
		}
		wantStop(t, w)
	})
}

// While its lease has run out a worker writes no checkpoint, though it could.
func TestS5NoCheckpointWithoutALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1", "2").close()), newTable()
		w := work(t, s, c, Options{}, keepAll)
		pass(time.Minute)
		c.set(func() {
			c.fault = func(op, sk string) error {
				if op == "Put" && sk == ownerSK {
					return fail(op, backend.KindUnavailable)
				}
				return nil
			}
		})
		pass(20 * time.Second)
		w.ack("a/1")
		pass(time.Minute)
		w.ack("a/2")
		pass(time.Minute)
		if l := c.lease(s.arn, "a"); l.done.sequence != "" || l.finished {
			t.Errorf("without a lease it wrote %+v", l)
		}
		c.set(func() { c.fault = nil })
		pass(12 * time.Second)
		if l := c.lease(s.arn, "a"); l.done.sequence != "2" || !l.finished {
			t.Errorf("with its lease again it wrote %+v", l)
		}
		wantStop(t, w)
	})
}

// slowTable answers late.
type slowTable struct{ *fakeTable }

func (c slowTable) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	units, err := c.fakeTable.Put(ctx, item, condition)
	time.Sleep(2 * time.Second)
	return units, err
}

func TestLeaseRunsFromBeforeTheRenewalWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		own := newOwnership(slowTable{newTable()}, "arn", "run", Options{LeaseDuration: 10 * time.Second, Logger: quiet},
			trouble.NewLog(quiet, minPause, maxPause))
		for _, act := range []func() error{
			func() error { _, err := own.acquire(t.Context()); return err },
			func() error { return own.renew(t.Context()) },
		} {
			sent := time.Now()
			if err := act(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(sent.Add(10*time.Second - 1)))
			if valid, _, _ := own.state(); !valid {
				t.Error("the lease ran out too early")
			}
			time.Sleep(time.Nanosecond)
			if valid, _, _ := own.state(); valid {
				t.Error("the lease runs longer than from when its renewal was sent")
			}
		}
	})
}

func TestLostAnswersAreNotLostLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1", "2", "3").close(), shard("b", "a", "4")), newTable()
		count := make(map[string]int)
		c.lost = func(sk string) error {
			if count[sk]++; count[sk]%2 == 1 { // every other answer, the first included
				return fail("Put", backend.KindUnavailable)
			}
			return nil
		}
		w := work(t, s, c, Options{FlushCount: 1}, func(r *Record) bool { return r.Shard == "a" })
		for _, id := range []string{"a/1", "a/2", "a/3"} {
			pass(20 * time.Second)
			w.ack(id)
		}
		pass(time.Minute)
		w.wants(t, "a/1", "a/2", "a/3", "b/4")
		if l := c.lease(s.arn, "a"); !l.finished || l.epoch != 1 {
			t.Errorf("the lease is %+v", l)
		}
		if l := c.lease(s.arn, "b"); l.done.sequence != "4" || l.epoch != 1 {
			t.Errorf("the child's lease is %+v", l)
		}
		wantStop(t, w)
		owner, err := readOwner(t.Context(), c, s.arn)
		if err != nil || owner.Worker != "" || owner.Epoch != 1 {
			t.Errorf("the owner is %+v, %v: want epoch 1, released", owner, err)
		}
	})
}

func TestWrongAtStartFailsAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []backend.Kind{backend.KindDenied, backend.KindInvalid, backend.KindNotFound} {
		for _, op := range []string{"Shards", "Get", "Put", "Query"} {
			t.Run(op+" "+kind.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, c := newStream(shard("a", "", "1")), newTable()
					fault := func(called, _ string) error {
						if called == op {
							return fail(op, kind)
						}
						return nil
					}
					s.fault, c.fault = fault, fault
					begin := time.Now()
					w := work(t, s, c, Options{}, nil)
					if err := w.ended(t); backend.KindOf(err) != kind {
						t.Errorf("error is %v", err)
					}
					if took := time.Since(begin); took != 0 {
						t.Errorf("failed after %v", took)
					}
				})
			})
		}
	}
}

func TestWrongLaterIsTriedForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(shard("a", "", "1")), newTable()
		w := work(t, s, c, Options{}, nil)
		pass(time.Minute)
		s.edit(func() { s.fault = func(op, _ string) error { return fail(op, backend.KindDenied) } })
		begin := time.Now()
		if err := w.ended(t); backend.KindOf(err) != backend.KindDenied {
			t.Errorf("error is %v", err)
		}
		if took := time.Since(begin); took < patience || took > patience+time.Minute {
			t.Errorf("given up after %v", took)
		}
	})
}
