package stream

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// TestStatsCountWhatHappened compares the counts of a reader with what the stream and
// the control table saw.
func TestStatsCountWhatHappened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := openShard("b", "a", "3", "4")
		b.records[1].SizeBytes = 70
		s, c, empty := newStream(openShard("a", "", "1", "2").close(), b), newTable(), int64(0)
		s.read = func(page backend.RecordPage) {
			if len(page.Records) == 0 {
				empty++
			}
		}
		writes := 0
		c.fault = func(op, sk string) error {
			if op == "Put" && strings.HasPrefix(sk, shardPrefix) {
				writes++ // one that is refused is answered, and billed, like any other
			}
			return nil
		}
		w := work(t, s, c, config{}, func(r *Record) bool { return r.Sequence == "4" })
		pass(2 * time.Minute)
		got := w.Stats()
		want := Stats{
			Leases: 1, Leads: true, Workers: 1, InFlight: 1, InFlightBytes: 70,
			Records: 4, Reads: int64(s.count("Records")), Empty: empty,
			Listings: int64(s.count("Shards") - 1 + s.count("Children")), // the first one found the stream
			Saves:    int64(writes), Acquired: 2,
		}
		if got != want || empty == 0 {
			t.Errorf("%+v, want %+v", got, want)
		}
		w.ack("b/4")
		w.ack("b/4")
		if got := w.Stats(); got.InFlight != 0 || got.InFlightBytes != 0 {
			t.Errorf("%d records of %d bytes are in flight", got.InFlight, got.InFlightBytes)
		}
		wantStop(t, w)
	})
}

// TestLeaseWhoseAnswerIsLateCountsOnce: a look finds the lease of a child before the
// answer to its acquisition has come.
func TestLeaseWhoseAnswerIsLateCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := openShard("a", "", "1"), openShard("b", "a", "2")
		b.hidden = true
		s, c := newStream(a, b), newTable()
		var late atomic.Bool
		w := work(t, s, transferTable{c, func(it backend.Item) (bool, error) {
			l, err := lease.Decode(it)
			return err == nil && l.Shard == "b" && l.Worker != "" && late.CompareAndSwap(false, true), nil
		}}, config{SyncInterval: time.Second}, nil)
		pass(10 * time.Second)
		s.edit(func() { a.closed, b.hidden = true, false })
		pass(time.Minute)
		w.wants(t, "a/1", "b/2")
		if s := w.Stats(); s.Acquired+s.Received != 2 || s.Leases != 1 || !late.Load() {
			t.Errorf("%+v, want two leases in all", s)
		}
		wantStop(t, w)
	})
}

// TestTransferWhoseAnswerIsLateIsNoLoss: a look finds the lease with its new owner
// before the answer to the transfer has come.
func TestTransferWhoseAnswerIsLateIsNoLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, log := newStream(manyShards(2)...), newTable(), &logs{}
		var late atomic.Bool
		one := work(t, s, transferTable{c, func(it backend.Item) (bool, error) {
			l, err := lease.Decode(it)
			return err == nil && l.Damaged == nil && l.Worker == "two" && late.CompareAndSwap(false, true), nil
		}}, config{Worker: "one", Logger: logger(log)}, nil)
		pass(5 * time.Second)
		two := work(t, s, c, config{Worker: "two"}, nil)
		pass(time.Minute)
		if s := one.Stats(); s.Transferred != 1 || s.Lost != 0 || s.Leases != 1 || !late.Load() || log.count("was lost") > 0 {
			t.Errorf("the old owner: %+v; its log:\n%s", s, log.b.String())
		}
		if s := two.Stats(); s.Received != 1 || s.Acquired != 0 || s.Leases != 1 {
			t.Errorf("the new owner: %+v", s)
		}
		wantStop(t, two)
		wantStop(t, one)
	})
}

// TestLossCountsOnce: one that is recorded, and reported again since the control table
// could not be written afterwards, is one. It is not forgotten because the leases of
// the old stream cannot be read for a while.
func TestLossCountsOnce(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"Put arn", "Query " + shardPrefix} {
		t.Run(failing, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, c, log := newStream(openShard("a", "", "1", "2")), newTable(), &logs{}
				var losses []*DataLossError
				w := work(t, s, c, config{Logger: logger(log), OnDataLoss: func(_ context.Context, loss *DataLossError) error {
					losses = append(losses, loss)
					return nil
				}}, nil)
				pass(time.Minute)
				old, last := s.arn, s.shards[0].records[1].CreatedAt
				failed, until := 0, time.Now().Add(time.Minute)
				c.set(func() {
					c.fault = func(op, sk string) error {
						if time.Now().After(until) || !strings.HasPrefix(op+" "+sk, failing) {
							return nil
						}
						failed++
						return fail(op, backend.KindUnavailable)
					}
				})
				s.edit(func() { s.arn += "0" })
				pass(3 * time.Minute)
				w.wants(t, "a/1", "a/2", "a/1", "a/2")
				if n := w.Stats().DataLosses; n != 1 || log.count("DATA LOSS") != 1 || failed < 2 {
					t.Errorf("counted %d times, logged %d times, after %d failures", n, log.count("DATA LOSS"), failed)
				}
				if got := losses[len(losses)-1]; len(losses) < 2 || got.Replaced != old || !got.AfterTime.Equal(last) {
					t.Errorf("the losses are %+v", losses)
				}
				if h, err := lineage.DecodeHistory(c.items[lineage.HistoryKey(daemons(s.arn))]); err != nil || h.MaybeFirst {
					t.Errorf("the history is %+v (%v)", h, err)
				}
				wantStop(t, w)
			})
		})
	}
}

// TestLossOfATrimmedShardCountsOnce, however often it is told before it is recorded.
func TestLossOfATrimmedShardCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s, told := newStream(a), 0
		w := work(t, s, newTable(), config{PollInterval: time.Hour, MaxIdle: time.Hour, OnDataLoss: func(_ context.Context, loss *DataLossError) error {
			if loss.FirstStart {
				return nil
			}
			if told++; told < 3 {
				return errors.New("not yet")
			}
			return nil
		}}, nil)
		pass(time.Minute)
		s.edit(func() {
			a.records = append(a.records, backend.Record{Sequence: "2"}, backend.Record{Sequence: "3"})
			a.trimmed = "2"
		})
		pass(time.Minute)
		w.wants(t, "a/1", "a/3")
		if n := w.Stats().DataLosses; n != 1 || told != 3 {
			t.Errorf("counted %d times, told %d times", n, told)
		}
		wantStop(t, w)
	})
}
