package stream

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

func TestS13GracefulStopLetsTheOthersStartAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(6)...)
		hands := c.hireAll("one", "two", "three")
		for _, h := range hands {
			c.wantShare(h, 2, 2)
		}
		for _, h := range []*hand{hands[0], hands[1]} { // the leader first
			begin := time.Now()
			wantStop(t, h.worker)
			if took := time.Since(begin); took != 0 {
				t.Errorf("stopping took %v", took)
			}
			c.write()
			took := c.until("everything is read", func() bool {
				n := 0
				for _, h := range c.hands {
					n += len(h.got())
				}
				return n == c.written-10_000+6
			})
			if took > lookPause {
				t.Errorf("the others began after %v", took)
			}
		}
		c.wantOnce()
		c.wantShare(hands[2], 6, 6)
		pass(time.Second)
		c.finale()
		wantStop(t, hands[2].worker)
	})
}

func TestS13StoppingAloneLetsTheNextStartAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, openShard("a", "", "1", "2"))
		first := c.hire("one", config{}, func(r *Record) bool { return r.Sequence == "2" })
		pass(10 * time.Millisecond)
		begin := time.Now()
		go func() { // what is acknowledged while draining counts
			time.Sleep(500 * time.Millisecond)
			first.ack("a/2")
		}()
		wantStop(t, first.worker)
		if took := time.Since(begin); took != 500*time.Millisecond {
			t.Errorf("stopping took %v: until the last acknowledgement, 500ms", took)
		}
		if l := c.control.lease(c.stream.arn, "a"); l.Checkpoint.Sequence != "2" {
			t.Errorf("the lease is %+v", l)
		}
		c.write()
		begin = time.Now()
		second := c.hire("two", config{}, nil)
		synctest.Wait()
		second.wants(t, "a/10001")
		if took := time.Since(begin); took != 0 {
			t.Errorf("the next began after %v", took)
		}
		wantStop(t, second.worker)
	})
}

func TestStopIsBoundedWithoutAcknowledgements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, log := newStream(openShard("a", "", "1", "2")), newTable(), &logs{}
		w := work(t, s, c, config{Logger: logger(log)}, func(r *Record) bool { return r.Sequence == "2" })
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
