package stream

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
)

// damage sets one attribute of an item, or removes it, as a person might by hand.
func (f *fakeTable) damage(key backend.Key, name string, value types.AttributeValue) {
	f.set(func() {
		it := maps.Clone(f.items[key])
		if it == nil {
			it = item.New(key, 1)
		}
		if it[name] = value; value == nil {
			delete(it, name)
		}
		f.items[key] = it
	})
}

// repair has an item repaired as a person might, and returns what follows.
func (f *fakeTable) repair(t *testing.T, s *fakeStream, key backend.Key) string {
	t.Helper()
	status, err := ReadStatus(t.Context(), s, f, "")
	if err != nil {
		t.Fatal(err)
	}
	it, _, _ := f.Get(t.Context(), key)
	m, err := Repair(it, status, time.Now())
	if err != nil || m == nil || m.Damaged.Key != key {
		t.Fatalf("%q is repaired by %v (%v)", key, m, err)
	}
	f.set(func() {
		if f.items[key] = m.Put; m.Put == nil {
			delete(f.items, key)
		}
	})
	return m.Effect
}

// wantDamaged checks which items a reader has found to be damaged, and whether they
// block.
func wantDamaged(t *testing.T, all []*DamageError, blocks bool, keys ...backend.Key) {
	t.Helper()
	var found []backend.Key
	for _, d := range all {
		found = append(found, d.Key)
		if d.Blocks != blocks {
			t.Errorf("%v: blocks %t", d, d.Blocks)
		}
	}
	if diff := cmp.Diff(keys, found); diff != "" {
		t.Errorf("the damaged items (-want +got):\n%s", diff)
	}
}

// TestF11F18DamagedLeaseBlocksItsShardAlone: whatever attribute of a lease is
// damaged, its shard and the children are not read, the others are, and the item is
// named once. Once it is repaired everything is read.
func TestF11F18DamagedLeaseBlocksItsShardAlone(t *testing.T) {
	t.Parallel()
	text, number := item.String("x"), item.Int(-1)
	for name, value := range map[string]types.AttributeValue{
		"checkpoint": text, "checkpoint_time": text, "epoch": number, "finished": text, "finished_at": item.Time(time.Unix(1, 0)),
		"worker": text, "session": text, "shard": text, "parent": number, "lost": nil, "at_first_start": nil, "format": text,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStream(openShard("a", "", "1", "2").close(), openShard("b", "a", "3"), openShard("c", "", "4"))
				table, key := newTable(), lease.Key(daemons("arn:aws:dynamodb:local:000000000000:table/t/stream/1"), "a")
				l := lease.Lease{Shard: "a", Epoch: 1, Checkpoint: lease.Position{Sequence: "1", At: time.Now()}}
				table.items[key] = l.Encode(daemons(s.arn))
				table.items[lineage.HistoryKey(daemons(s.arn))] = lineage.History{FirstReadAt: time.Now(), ListedAt: time.Now()}.Encode(daemons(s.arn))
				table.damage(key, name, value)
				var log logs
				w := work(t, s, table, config{Logger: logger(&log)}, nil)
				pass(5 * time.Minute)
				w.wants(t, "c/4")
				wantDamaged(t, w.Damaged(), true, key)
				if n := log.count("is damaged and left aside"); n != 1 || log.count("SK=SHARD#a ") != 1 {
					t.Errorf("named %d times, want once:\n%s", n, log.b.String())
				}
				if _, ok := w.IdleSince(); !ok {
					t.Error("the rest of the stream is not idle")
				}
				status, err := ReadStatus(t.Context(), s, table, "")
				if err != nil || len(status.Shards) != 3 || !status.Shards[0].Damaged || status.Shards[0].Parent != "" {
					t.Errorf("%+v (%v)", status, err)
				}
				wantDamaged(t, status.Damaged, true, key)
				table.repair(t, s, key)
				pass(time.Minute)
				want := []string{"c/4", "a/2", "b/3"}
				if name == "checkpoint" {
					want = []string{"c/4", "a/1", "a/2", "b/3"}
				}
				w.wants(t, want...)
				wantDamaged(t, w.Damaged(), true)
				wantStop(t, w)
			})
		})
	}
}

// TestF11LeaseDamagedWhileItIsRead: the worker stops reading that shard, and goes on
// with the others.
func TestF11LeaseDamagedWhileItIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(2)...)
		w := c.hire("one", config{}, nil)
		pass(10 * time.Second)
		key := lease.Key(daemons(c.stream.arn), "s00")
		c.control.damage(key, "checkpoint", item.Bool(true))
		c.write()
		pass(10 * time.Minute)
		c.write()
		pass(time.Minute)
		wantDamaged(t, w.Damaged(), true, key)
		if got := w.reads(); len(got) != 1 || got[0] != "s01" {
			t.Errorf("reads %v", got)
		}
		if n := len(w.got()); n != 5 { // s00 once before its damage was noticed
			t.Errorf("delivered %v", w.got())
		}
		wantStop(t, w.worker)
	})
}

// TestF18GarbageInTheControlTable: whatever is there that is no item of ours, or
// damaged, it is left aside or replaced, named once, and everything is read.
func TestF18GarbageInTheControlTable(t *testing.T) {
	t.Parallel()
	s := newStream()
	partition := daemons(s.arn).Partition()
	for name, c := range map[string]struct {
		key   backend.Key
		it    backend.Item
		aside bool
	}{
		"no heartbeat": {backend.Key{PK: partition, SK: "WORKER#garbage"}, backend.Item{"a": item.String("b")}, true},
		"a heartbeat of a number": {backend.Key{PK: partition, SK: "WORKER#x"}, backend.Item{
			"session": item.String("x"), "counter": item.Int(1), "leads": item.Bool(true), "worker": item.Int(1),
		}, true},
		"no leader":  {backend.Key{PK: partition, SK: "LEADER"}, backend.Item{"epoch": item.String("b")}, false},
		"no history": {lineage.HistoryKey(daemons(s.arn)), backend.Item{"listed_at": item.String("b")}, false},
		"no lease":   {lease.Key(daemons(s.arn), "garbage"), backend.Item{}, true},
		"another":    {backend.Key{PK: partition, SK: "NOBODY'S"}, backend.Item{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				crew := newCrew(t, manyShards(4)...)
				it := maps.Clone(c.it)
				it["PK"], it["SK"] = item.String(c.key.PK), item.String(c.key.SK)
				crew.control.items[c.key] = it
				var log logs
				one := crew.hire("one", config{Logger: logger(&log)}, nil)
				two := crew.hire("two", config{Logger: logger(&log)}, nil)
				pass(time.Minute)
				crew.wantOnce()
				crew.wantShare(one, 2, 2)
				crew.wantShare(two, 2, 2)
				if n := one.Stats().Workers; n != 2 {
					t.Errorf("%d workers, want 2", n)
				}
				named, want := log.count("SK="+c.key.SK+" "), 1
				switch {
				case c.aside:
					want = 2 // by each worker
				case c.key.SK == "NOBODY'S":
					want = 0
				}
				if c.aside {
					wantDamaged(t, one.Damaged(), strings.HasPrefix(c.key.SK, shardPrefix), c.key)
				} else {
					wantDamaged(t, one.Damaged(), false)
				}
				if named != want {
					t.Errorf("named %d times, want %d:\n%s", named, want, log.b.String())
				}
				wantStop(t, one.worker)
				wantStop(t, two.worker)
			})
		})
	}
}

// TestF18DamagedHeartbeatOfALiveWorker: it sends the next one over the damage, or
// finds out that it cannot, and joins again.
func TestF18DamagedHeartbeatOfALiveWorker(t *testing.T) {
	t.Parallel()
	for name, expired := range map[string]int64{"renewed_at": 0, "lease_ms": 0, "leads": 0, "counter": 1, "session": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, manyShards(4)...)
				hands := c.hireAll("one", "two")
				key := membership.WorkerKey(daemons(c.stream.arn), hands[0].current.Load().self.Session)
				c.control.damage(key, name, item.Bytes([]byte("x")))
				c.mu.Lock()
				c.dead[hands[0].current.Load().self.Session] = expired > 0 // whoever damaged it has ended it
				c.mu.Unlock()
				pass(time.Minute)
				for _, h := range hands {
					c.wantShare(h, 2, 2)
				}
				if n := hands[0].Stats().Expired; n != expired {
					t.Errorf("expired %d times, want %d", n, expired)
				}
				c.wantOnce()
			})
		})
	}
}

// TestF18DamagedHeartbeatOfAFrozenWorker: the others wait for its lease duration,
// and take its shards by one write that it notices when it wakes up.
func TestF18DamagedHeartbeatOfAFrozenWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, manyShards(4)...)
		hands := c.hireAll("one", "two")
		hands[1].gate.shut()
		key := membership.WorkerKey(daemons(c.stream.arn), hands[1].current.Load().self.Session)
		c.control.damage(key, "renewed_at", item.Int(1))
		hands = append(hands, c.hire("three", config{}, nil))
		pass(5 * time.Second)
		c.wantShare(hands[0], 1, 1)
		c.wantShare(hands[2], 1, 1)
		if n := len(c.heldBy("two")); n != 2 {
			t.Errorf("a worker that may be alive has %d shards left of 2", n)
		}
		pass(15 * time.Second)
		c.wantShare(hands[0], 2, 2)
		c.wantShare(hands[2], 2, 2)
		hands[1].gate.thaw()
		pass(20 * time.Second)
		for _, h := range hands {
			c.wantShare(h, 1, 2)
		}
		if n := hands[1].Stats().Expired; n != 1 {
			t.Errorf("expired %d times", n)
		}
		wantDamaged(t, hands[0].Damaged(), false, key)
		if effect := c.control.repair(t, c.stream, key); !strings.Contains(effect, "joins the worker group") {
			t.Errorf("repaired: %s", effect)
		}
		pass(time.Minute)
		wantDamaged(t, hands[0].Damaged(), false)
	})
}

// TestF11CheckpointThatTheStreamDoesNotKnow: a number that no record has. Its shard is
// left aside, the worker goes on, and repaired it is read from its beginning.
func TestF11CheckpointThatTheStreamDoesNotKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := newStream(openShard("a", "", "1", "2"), openShard("b", "", "3")), newTable()
		s.fault = func(op, of string) error {
			if op == "Iterator" && of == "a" && s.opens[len(s.opens)-1].Sequence == "77" {
				return fail("Iterator", backend.KindInvalid)
			}
			return nil
		}
		key := lease.Key(daemons(s.arn), "a")
		table.items[key] = lease.Lease{Shard: "a", Epoch: 1, Checkpoint: lease.Position{Sequence: "77", At: time.Now()}}.Encode(daemons(s.arn))
		table.items[lineage.HistoryKey(daemons(s.arn))] = lineage.History{FirstReadAt: time.Now(), ListedAt: time.Now()}.Encode(daemons(s.arn))
		var log logs
		w := work(t, s, table, config{Logger: logger(&log)}, nil)
		pass(10 * time.Minute)
		w.wants(t, "b/3")
		wantDamaged(t, w.Damaged(), true, key)
		if n := log.count("is damaged and left aside"); n != 1 || log.count("the stream does not know") != 1 {
			t.Errorf("named %d times:\n%s", n, log.b.String())
		}
		if n := s.count("Iterator a"); n != 5 {
			t.Errorf("the stream was asked %d times, want 5 before it is believed", n)
		}
		if _, ok := w.IdleSince(); !ok {
			t.Error("the rest of the stream is not idle")
		}
		repairDoubted(t, s, table, "a", errNoCheckpoint)
		pass(time.Minute)
		w.wants(t, "b/3", "a/1", "a/2")
		wantDamaged(t, w.Damaged(), true)
		wantStop(t, w)
	})
}

// TestF11FinishedLeaseOfAShardThatIsNot: nothing reads the shard, and Doubt says so.
func TestF11FinishedLeaseOfAShardThatIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := newStream(openShard("a", "", "1", "2"), openShard("b", "", "3").close()), newTable()
		for shard, sequence := range map[string]string{"a": "1", "b": "3"} {
			l := lease.Lease{
				Shard: shard, Epoch: 1, Checkpoint: lease.Position{Sequence: sequence, At: time.Now()}, Finished: true, FinishedAt: time.Now(),
			}
			table.items[lease.Key(daemons(s.arn), shard)] = l.Encode(daemons(s.arn))
		}
		w := work(t, s, table, config{}, nil)
		pass(time.Minute)
		w.wants(t)
		repairDoubted(t, s, table, "a", errNotFinished)
		pass(time.Minute)
		w.wants(t, "a/2")
		wantStop(t, w)
	})
}

// TestF11DoubtThatIsStopped has doubted nothing, and says so.
func TestF11DoubtThatIsStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := (&Status{}).Doubt(ctx, newStream()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// repairDoubted has a lease repaired that is doubted, the only one.
func repairDoubted(t *testing.T, s *fakeStream, table *fakeTable, shard string, why error) {
	t.Helper()
	status, err := ReadStatus(t.Context(), s, table, "")
	if err != nil {
		t.Fatal(err)
	}
	err = status.Doubt(t.Context(), s)
	key := lease.Key(daemons(s.arn), shard)
	wantDamaged(t, status.Damaged, true, key)
	if err != nil || len(status.Damaged) != 1 || !errors.Is(status.Damaged[0], why) {
		t.Fatalf("doubts %v (%v)", status.Damaged, err)
	}
	it, _, _ := table.Get(t.Context(), key)
	m, err := Repair(it, status, time.Now())
	if err != nil || m == nil {
		t.Fatalf("%v (%v)", m, err)
	}
	table.set(func() { table.items[key] = m.Put })
}
