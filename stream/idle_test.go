package stream

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

// What a worker has not looked at for a lease duration it does not know: it is not
// idle, whatever it saw before.
func TestF11IdleIsWhatWasSeen(t *testing.T) {
	t.Parallel()
	none := func(string, string) error { return nil }
	failing := func(call, of string) func(string, string) error {
		return func(op, sk string) error {
			if op == call && strings.HasPrefix(sk, of) {
				return fail(op, backend.KindThrottled)
			}
			return nil
		}
	}
	for name, set := range map[string]func(c *crew, one *hand) (undo func()){
		"frozen": func(_ *crew, one *hand) func() {
			one.gate.shut()
			return one.gate.thaw
		},
		"reads fail": func(c *crew, _ *hand) func() {
			c.stream.edit(func() { c.stream.fault = failing("Records", "") })
			return func() { c.stream.edit(func() { c.stream.fault = none }) }
		},
		"rounds fail": func(c *crew, _ *hand) func() {
			c.control.set(func() { c.control.fault = failing("Query", workerPrefix) })
			return func() { c.control.set(func() { c.control.fault = none }) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(2)...)
				one := c.hire("one", config{}, nil)
				pass(5 * time.Second)
				since, idle := one.IdleSince()
				if !idle {
					t.Fatal("not idle, with nothing to do")
				}
				undo := set(c, one)
				pass(lease10)
				if _, idle := one.IdleSince(); idle {
					t.Error("idle, and has seen nothing for a lease duration")
				}
				pass(time.Minute)
				if _, idle := one.IdleSince(); idle {
					t.Error("idle, and has seen nothing for a minute")
				}
				undo()
				pass(30 * time.Second)
				if again, idle := one.IdleSince(); !idle || again.Before(since) {
					t.Errorf("idle is %v since %v, as everything is well again; it was since %v before", idle, again, since)
				}
				c.finale()
				wantStop(t, one.worker)
			})
		})
	}
}

// A look at the leases that somebody asked for is not forgotten because the session
// is in doubt when the answer comes.
func TestLookThatCameToNothingIsMadeUpFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		one := c.hire("one", config{}, nil)
		pass(5 * time.Second)
		one.gate.shutAt("answer to Query " + shardPrefix)
		s := one.current.Load()
		s.stopReading(s.shardOf(one.reads()[0])) // asks for a look
		c.until("the look", one.gate.isShut)
		pass(lease10)
		c.control.set(func() {
			c.control.fault = func(op, sk string) error {
				if op == "Put" && strings.HasPrefix(sk, workerPrefix) {
					return fail(op, backend.KindUnavailable)
				}
				return nil
			}
		})
		one.gate.thaw()
		pass(time.Second)
		c.control.set(func() { c.control.fault = nil })
		pass(5 * time.Second)
		if n := len(one.reads()); n != 2 || one.Stats().Expired != 0 {
			t.Errorf("it reads %d shards of 2", n)
		}
		c.finale()
	})
}
