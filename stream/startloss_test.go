package stream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// What is older than the start was promised to nobody: its trimming is no loss, and a
// loss later begins with the start.
func TestGroupWasPromisedNothingBeforeItsStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := hourly(3, openShard("a", "").close(), openShard("b", "a")), newTable()
		for _, shard := range s.shards {
			for i := range shard.records {
				shard.records[i].CreatedAt = shard.records[i].CreatedAt.Add(-20 * time.Hour)
			}
		}
		w := work(t, s, table, config{Group: "g", Start: Start{Latest: true}, MaxInFlight: 1}, nil)
		pass(5 * time.Second)
		wantStop(t, w)
		pass(10 * time.Minute)
		s.edit(func() { s.shards[0].gone, s.shards[1].trimmed = true, "13" })
		w = work(t, s, table, config{Group: "g"}, nil)
		pass(time.Minute)
		s.edit(func() {
			s.shards[1].records = append(s.shards[1].records, backend.Record{Sequence: "30", CreatedAt: time.Now()})
		})
		pass(time.Minute)
		w.wants(t, "b/30")
		wantStop(t, w)
	})
}

// A shard is gone half read, or its checkpoint was trimmed, soon after the start of a
// group that has not come to its start: nothing is lost.
func TestGroupThatReadsUpToItsStartLosesNothing(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(a *fakeShard){
		"gone":    func(a *fakeShard) { a.gone = true },
		"trimmed": func(a *fakeShard) { a.trimmed = "2" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := openShard("a", "")
				s, table := hourly(3, a), newTable()
				a.records = append(a.records, backend.Record{Sequence: "9", CreatedAt: time.Now()})
				s.fault = func(op, of string) error {
					if op == "Records" && s.calls["Records a"] > 1 {
						return fail(op, backend.KindUnavailable)
					}
					return nil
				}
				id := lease.GroupID{ARN: s.arn, Name: "g"}
				w := work(t, s, table, config{Group: "g", Start: Start{Latest: true}, MaxInFlight: 1}, nil)
				pass(5 * time.Second)
				wantStop(t, w)
				if at := table.leaseOf(id, "a").Checkpoint; at.Sequence != "1" || !at.At.Equal(table.leaseOf(id, "a").Start.At) {
					t.Fatalf("the checkpoint is %+v", at)
				}
				s.edit(func() { s.fault = nil; happens(a) })
				w = work(t, s, table, config{Group: "g"}, nil)
				pass(time.Minute)
				if !a.gone {
					w.wants(t, "a/9")
				}
				if l := table.leaseOf(id, "a"); l.Lost != "" || l.Finished != a.gone {
					t.Errorf("the lease is %+v", l)
				}
				wantStop(t, w)
			})
		})
	}
}

// A loss after the start is one, of that group alone, and begins with the start.
func TestGroupLosesWhatItWasPromised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "")
		s, table := hourly(3, a), newTable()
		daemon := work(t, s, table, config{}, nil)
		pass(5 * time.Second)
		wantStop(t, daemon)
		start := time.Now()
		w := work(t, s, table, config{Group: "g", Start: Start{Latest: true}}, nil)
		pass(5 * time.Second)
		wantStop(t, w)
		pass(30 * time.Hour)
		s.edit(func() {
			a.records = append(a.records, backend.Record{Sequence: "9", CreatedAt: time.Now()})
			a.trimmed = "8"
		})
		loss := wantError[*DataLossError](t, work(t, s, table, config{Group: "g"}, nil).ended(t))
		if loss.Shard != "a" || loss.AfterTime.Before(start) || loss.FirstStart {
			t.Errorf("the loss is %+v", loss)
		}
		err := work(t, s, table, config{Group: "g"}, nil).ended(t)
		if err == nil || !strings.Contains(err.Error(), lease.GroupID{ARN: s.arn, Name: "g"}.Partition()) {
			t.Errorf("the error does not name the group's item: %v", err)
		}
		if l := table.lease(s.arn, "a"); l.Lost != "" {
			t.Errorf("the daemon's lease is %+v", l)
		}
	})
}

// A start that the stream does not reach back to is a loss, of that range.
func TestGroupStartsBeforeTheStream(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		label string
		age   time.Duration
		until time.Duration // ago
	}{
		"too old":             {age: 30 * time.Hour, until: 23 * time.Hour},
		"the stream is young": {label: "2000-01-01T00:00:00.500-7", age: 3 * time.Hour, until: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pass(time.Hour)
				s, table := hourly(3, openShard("a", "")), newTable()
				if c.label != "" {
					s.arn = strings.TrimSuffix(s.arn, "1") + c.label
				}
				start := time.Now().Add(-c.age)
				loss := wantError[*DataLossError](t, work(t, s, table, config{Group: "g", Start: Start{At: start}}, nil).ended(t))
				if loss.Shard != "" || loss.FirstStart || !loss.AfterTime.Equal(start) || time.Since(loss.Until).Round(time.Minute) != c.until {
					t.Errorf("the loss is %+v", loss)
				}
				var losses []*DataLossError
				w := work(t, s, table, config{Group: "g", Start: Start{At: start}, OnDataLoss: func(_ context.Context, loss *DataLossError) error {
					if losses = append(losses, loss); len(losses) == 1 {
						return errors.New("not yet")
					}
					return nil
				}}, nil)
				pass(time.Minute)
				if len(losses) != 2 {
					t.Errorf("the losses are %v", losses)
				}
				w.wants(t, "a/1", "a/2", "a/3")
				wantStop(t, w)
			})
		})
	}
}

// The table's stream is replaced while a group is away: what was left is lost to it, and
// all of the new one is its.
func TestGroupGoesOnInAReplacedStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := hourly(1, openShard("a", "")), newTable()
		o := config{Group: "g", Start: Start{Latest: true}}
		w := work(t, s, table, o, nil)
		pass(time.Minute)
		wantStop(t, w)
		old := s.arn
		s.edit(func() {
			s.arn += "0"
			s.shards = []*fakeShard{openShard("b", "", "5")}
		})
		pass(10 * time.Minute)
		var losses []*DataLossError
		o.OnDataLoss = func(_ context.Context, loss *DataLossError) error {
			losses = append(losses, loss)
			return nil
		}
		w = work(t, s, table, o, nil)
		pass(time.Minute)
		w.wants(t, "b/5")
		if len(losses) != 1 || losses[0].Replaced != old || losses[0].FirstStart {
			t.Errorf("the losses are %+v", losses)
		}
		wantStop(t, w)
	})
}

// The history of a group is damaged: its start is in its leases.
func TestGroupWithADamagedHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := hourly(3, openShard("a", "")), newTable()
		o := config{Group: "g", Start: Start{Shard: "a", Sequence: "3"}}
		w := work(t, s, table, o, nil)
		pass(time.Minute)
		wantStop(t, w)
		id := lease.GroupID{ARN: s.arn, Name: "g"}
		was, err := lineage.DecodeHistory(table.items[lineage.HistoryKey(id)])
		if err != nil || was.Start.Sequence != "3" || was.Start.At.IsZero() {
			t.Fatalf("the history is %+v (%v)", was, err)
		}
		table.damage(lineage.HistoryKey(id), "start_at", item.Int(1))
		o.Start = Start{}
		w = work(t, s, table, o, nil)
		pass(time.Minute)
		is, err := lineage.DecodeHistory(table.items[lineage.HistoryKey(id)])
		if err != nil || is.Start != was.Start {
			t.Errorf("the start is %+v (%v), and was %+v", is.Start, err, was.Start)
		}
		w.wants(t)
		wantStop(t, w)
	})
}
