package stream

import (
	"testing"
	"testing/synctest"
	"time"
)

// loner is a worker of a version from before there were fleets.
var loner = sign{worker: "loner", run: "loner", epoch: 9, lease: 10 * time.Second}

// alone has the loner take the OWNER item, and keep it until it is stopped.
func (c *crew) alone() (stop func()) {
	stop = c.mimic(loner, ownerKey(c.stream.arn))
	synctest.Wait()
	return stop
}

// takeAll makes every lease the loner's.
func (c *crew) takeAll() {
	for _, s := range c.stream.shards {
		c.change(s.id, func(l *lease) { l.worker, l.run, l.epoch = loner.worker, loner.run, l.epoch+1 })
	}
}

// wantsNothingRead checks that nobody reads for a while in which records come.
func (c *crew) wantsNothingRead(d time.Duration) {
	c.t.Helper()
	records := func() (n int) {
		for _, h := range c.hands {
			n += len(h.got())
		}
		return n
	}
	before := records()
	for end := time.Now().Add(d); time.Now().Before(end); pass(500 * time.Millisecond) {
		c.write()
		for _, h := range c.hands {
			if reads := h.reads(); len(reads) > 0 {
				c.t.Fatalf("%s reads %v beside a worker that reads alone", h.name, reads)
			}
		}
	}
	if n := records() - before; n != 0 {
		c.t.Fatalf("%d records were read beside a worker that reads alone", n)
	}
}

// A worker that reads alone takes the stream from a fleet whose leader stood
// still: the fleet waits until it is gone, and then reads everything on, what it
// had in hand when it began to wait included.
func TestFleetWaitsForAWorkerThatReadsAlone(t *testing.T) {
	t.Parallel()
	for _, leases := range []string{"taken", "not taken yet"} {
		t.Run(leases, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(4)...)
				one, two := inHalf(c)
				one.gate.shut()
				pass(7 * time.Second) // ten since its last sign of life, soon
				stop := c.alone()
				if leases == "taken" {
					c.takeAll()
				}
				c.write()
				pass(crashTime)
				one.gate.thaw()
				pass(lookPause)
				c.wantsNothingRead(30 * time.Second)
				stop()
				took := c.until("the fleet reads on", func() bool { return len(one.reads())+len(two.reads()) == 4 })
				if took > crashTime {
					t.Errorf("the fleet read on after %v", took)
				}
				c.write()
				pass(40 * time.Second)
				c.wantShare(one, 2, 2)
				c.wantShare(two, 2, 2)
				c.finale()
			})
		})
	}
}

// A newcomer sees a dead leader's last sign of life, and that another has taken
// its place.
func TestNewcomerBesideAWorkerThatReadsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		one := c.hire("one", Options{}, nil)
		pass(5 * time.Second)
		one.gate.shut()
		c.alone()
		c.takeAll()
		c.hands = nil
		two := c.hire("two", Options{}, nil)
		c.wantsNothingRead(30 * time.Second)
		wantStop(t, two.worker)
	})
}
