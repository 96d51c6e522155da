package stream

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

func TestS4CheckpointStaysAtTheContiguousPrefix(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1", "2", "3", "4")), newTable()
		w := work(t, s, c, config{}, keepAll)
		for _, step := range []struct{ ack, checkpoint string }{
			{"a/3", ""}, {"a/1", "1"}, {"a/1", "1"}, {"a/2", "3"}, {"a/4", "4"},
		} {
			pass(2 * time.Second)
			w.ack(step.ack)
			pass(2 * time.Second)
			if got := c.lease(s.arn, "a").Checkpoint.Sequence; got != step.checkpoint {
				t.Errorf("after %s the checkpoint is %q, want %q", step.ack, got, step.checkpoint)
			}
		}
		wantStop(t, w)
	})
}

func TestS4MissingAcknowledgementIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1", "2", "3").close(), openShard("b", "a", "4")), newTable()
		w := work(t, s, c, config{}, func(r *Record) bool { return r.Sequence == "2" })
		pass(time.Minute)
		wantStop(t, w)
		w = work(t, s, c, config{}, nil)
		pass(time.Minute)
		w.wants(t, "a/2", "a/3", "b/4")
		wantStop(t, w)
	})
}

func TestS18RepeatedRecordsAndNumbersOfDifferentLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// As text, 99… is greater than 100….
		s, c := newStream(openShard("a", "", "99999999999999999999", "100000000000000000000", "99999999999999999999")), newTable()
		w := work(t, s, c, config{}, nil)
		pass(time.Minute)
		if n := len(w.got()); n != 3 {
			t.Errorf("%d records were delivered", n)
		}
		if got := c.lease(s.arn, "a").Checkpoint.Sequence; got != "100000000000000000000" {
			t.Errorf("the checkpoint is %s", got)
		}
		wantStop(t, w)
	})
}

func TestS20CheckpointsByTimeAndByCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s, c := newStream(a), newTable()
		sk := lease.Key(daemons(s.arn), "a").SK
		w := work(t, s, c, config{CheckpointInterval: time.Minute}, nil)
		pass(59 * time.Second)
		if n := c.written(sk); n != 2 { // found and taken
			t.Errorf("%d writes before the flush is due", n)
		}
		pass(time.Second)
		if n := c.written(sk); n != 3 {
			t.Errorf("%d writes after a minute", n)
		}
		pass(time.Hour)
		if n := c.written(sk); n != 3 {
			t.Errorf("%d writes after an idle hour", n)
		}
		sequence := 1
		for _, step := range []struct{ add, writes int }{{999, 3}, {1, 4}} {
			s.edit(func() {
				for range step.add {
					sequence++
					a.records = append(a.records, backend.Record{Sequence: fmt.Sprint(sequence)})
				}
			})
			pass(gatherTime)
			if n := c.written(sk); n != step.writes {
				t.Errorf("%d writes after %d records at once, want %d", n, sequence-1, step.writes)
			}
		}
		wantStop(t, w)
	})
}

// delayedTable is a control table some of whose writes take their time, or fail.
type delayedTable struct {
	*fakeTable

	delay atomic.Pointer[func(ctx context.Context, sk string) error]
}

func (d *delayedTable) Put(ctx context.Context, item backend.Item, c backend.Condition) (backend.Units, error) {
	if delay := d.delay.Load(); delay != nil {
		if err := (*delay)(ctx, backend.KeyOf(item).SK); err != nil {
			return backend.Units{}, err
		}
	}
	return d.fakeTable.Put(ctx, item, c)
}

// Each write has half a minute, and all of them as long as they take.
func TestS20ManyCheckpointsOfASlowTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shards := manyShards(5 * writers)
		s, c, log := newStream(shards...), &delayedTable{fakeTable: newTable()}, &logs{}
		w := work(t, s, c, config{CheckpointInterval: time.Minute, Logger: logger(log)}, nil)
		pass(30 * time.Second)
		slow := func(ctx context.Context, sk string) error {
			if !strings.HasPrefix(sk, shardPrefix) {
				return nil
			}
			return retry.Sleep(ctx, 20*time.Second, nil)
		}
		c.delay.Store(&slow)
		pass(30*time.Second + 5*20*time.Second)
		for _, one := range shards {
			if got, want := c.lease(s.arn, one.id).Checkpoint.Sequence, one.records[0].Sequence; got != want {
				t.Errorf("the checkpoint of %s is %q, want %s", one.id, got, want)
			}
		}
		if log.count("writing checkpoints fails") > 0 {
			t.Errorf("the log:\n%s", log.b.String())
		}
		c.delay.Store(nil)
		wantStop(t, w)
	})
}

// What is done is written first: where giving up the lead hangs, only that is left.
func TestS13TheLastCheckpointsComeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1")), &delayedTable{fakeTable: newTable()}
		w := work(t, s, c, config{CheckpointInterval: time.Hour}, nil)
		pass(time.Minute)
		hangs := func(ctx context.Context, sk string) error {
			if sk == leaderSK {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		c.delay.Store(&hangs)
		wantStop(t, w)
		if got := c.lease(s.arn, "a").Checkpoint.Sequence; got != "1" {
			t.Errorf("the checkpoint is %q, want 1", got)
		}
	})
}
