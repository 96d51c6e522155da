package stream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/membership"
)

// Answers are lost after writes of every kind: joining, acquiring, transferring,
// finishing, expiring and leaving included.
func TestLostAnswersDoNoHarm(t *testing.T) {
	t.Parallel()
	for _, inARow := range []int{1, 2} {
		for _, what := range []string{"", workerPrefix, shardPrefix, leaderSK} {
			t.Run(fmt.Sprintf("%d of %q", inARow, what), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := newCrew(t, manyShards(6)...)
					count := map[string]int{}
					c.control.lost = func(sk string) error {
						if !strings.HasPrefix(sk, what) {
							return nil
						}
						if count[sk]++; count[sk]%(inARow+1) != 0 { // the first answer included
							return fail("Put", backend.KindUnavailable)
						}
						return nil
					}
					removals := 0
					c.control.fault = func(op, _ string) error {
						if op == "BatchWrite" { // asked after it was done
							if removals++; removals%(inARow+1) != 0 {
								return fail(op, backend.KindUnavailable)
							}
						}
						return nil
					}
					hands := c.hireAll("one", "two", "three")
					pass(10 * time.Second)
					for range 5 {
						c.write()
						pass(5 * time.Second)
					}
					c.roll()
					pass(10 * time.Second)
					c.wantOnce()
					c.finale()
					for _, h := range hands {
						c.wantShare(h, 4, 4)
						if n := h.Stats().Expired; n != 0 {
							t.Errorf("%s was expired", h.name)
						}
					}
					hands[0].gate.shut() // the leader dies
					pass(crashTime + 10*time.Second)
					wantStop(t, hands[1].worker)
					pass(15 * time.Second)
					c.wantShare(hands[2], 12, 12)
					hands[0].gate.thaw()
					c.write()
					pass(15 * time.Second)
					c.finale()
					wantStop(t, hands[2].worker)
				})
			})
		}
	}
}

func TestWrongAtStartFailsAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []backend.Kind{backend.KindDenied, backend.KindInvalid, backend.KindNotFound} {
		for _, op := range []string{"Shards", "Put", "Query", "Get"} {
			t.Run(op+" "+kind.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, c := newStream(openShard("a", "", "1")), newTable()
					fault := func(called, _ string) error {
						if called == op {
							return fail(op, kind)
						}
						return nil
					}
					s.fault, c.fault = fault, fault
					begin := time.Now()
					w := work(t, s, c, config{}, nil)
					if err := w.ended(t); backend.KindOf(err) != kind {
						t.Errorf("error is %v", err)
					}
					most := time.Duration(0)
					if (op == "Query" || op == "Get") && kind != backend.KindDenied {
						most = patience + time.Minute // the table was found by then
					}
					if took := time.Since(begin); took > most {
						t.Errorf("failed after %v", took)
					}
				})
			})
		}
	}
}

func TestWrongLaterIsTriedForAWhile(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"Records", "Iterator", "Shards", "Query", "Get", "Put WORKER#", "Put LEADER", "Put SHARD#"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := openShard("a", "", "1")
				s, c := newStream(a), newTable()
				w := work(t, s, c, config{}, nil)
				pass(time.Minute)
				fault := func(op, of string) error {
					if strings.HasPrefix(op+" "+of, where) {
						return fail(op, backend.KindDenied)
					}
					return nil
				}
				s.edit(func() {
					s.fault = fault
					a.records = append(a.records, backend.Record{Sequence: "2"})
					clear(s.iterates) // so that one is asked for
				})
				c.set(func() { c.fault = fault })
				if where == "Get" { // it is asked for when there is no leader
					c.set(func() { delete(c.items, membership.LeaderKey(daemons(s.arn))) })
				}
				begin := time.Now()
				if err := w.ended(t); backend.KindOf(err) != backend.KindDenied {
					t.Errorf("error is %v", err)
				}
				if took := time.Since(begin); took < patience || took > patience+time.Minute {
					t.Errorf("given up after %v", took)
				}
			})
		})
	}
}

// A worker group without a leader lists no shards and records no loss: that nobody may
// lead ends the session, with the reason.
func TestNobodyMayLead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1")), newTable()
		c.fault = func(op, sk string) error {
			if op == "Put" && sk == leaderSK {
				return fail(op, backend.KindDenied)
			}
			return nil
		}
		w := work(t, s, c, config{}, nil)
		pass(10 * time.Second)
		if err := w.ended(t); backend.KindOf(err) != backend.KindDenied {
			t.Errorf("ended with %v", err)
		}
	})
}

// The table is not read more often than there is something to see.
func TestGroupAtRestReadsSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, loads := newStream(openShard("a", "", "1")), newTable(), 0
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		c.set(func() {
			c.fault = func(op, sk string) error {
				if op == "Query" && sk == shardPrefix {
					loads++
				}
				return nil
			}
		})
		pass(10 * time.Minute)
		c.set(func() { c.fault = nil })
		// The leader and the group look once in 30 s each, give or take a fifth.
		if loads < 30 || loads > 60 {
			t.Errorf("%d reads of all leases in ten minutes", loads)
		}
		wantStop(t, w)
	})
}

// A read of the leases that fails says nothing of them: a worker reads on what it has.
func TestReadOfTheLeasesThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s, c := newStream(a), newTable()
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		c.set(func() {
			c.fault = func(op, sk string) error {
				if op == "Query" && sk == shardPrefix {
					return fail(op, backend.KindUnavailable)
				}
				return nil
			}
		})
		pass(5 * time.Minute)
		s.edit(func() { a.records = append(a.records, backend.Record{Sequence: "2"}) })
		pass(5 * time.Second)
		w.wants(t, "a/1", "a/2")
		c.set(func() { c.fault = nil })
		pass(time.Minute)
		if l := c.lease(s.arn, "a"); l.Epoch != 2 || l.Checkpoint.Sequence != "2" {
			t.Errorf("the lease is %+v", l)
		}
		wantStop(t, w)
	})
}
