package stream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

func TestS24StreamThatWasSwitchedOffAndOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1", "2")
		s, c, log := newStream(a), newTable(), &logs{}
		old := s.arn
		w := work(t, s, c, config{Logger: logger(log)}, nil)
		pass(time.Minute)
		s.edit(func() { s.arn += "0" })
		for range 2 { // it halts until somebody has taken care of it
			if loss := wantError[*DataLossError](t, w.ended(t)); loss.StreamARN != s.arn || loss.Shard != "" || loss.Replaced != old {
				t.Errorf("the loss is %+v", loss)
			}
			w = work(t, s, c, config{Logger: logger(log)}, nil)
		}
		wantError[*DataLossError](t, w.ended(t))
		if log.count("DATA LOSS") != 3 {
			t.Error("the losses were not logged")
		}

		// The same shard id in the new stream: the old position is not its.
		c.set(func() { delete(c.items, lineage.HistoryKey(daemons(old))) })
		w = work(t, s, c, config{Logger: logger(log)}, nil)
		pass(time.Minute)
		w.wants(t, "a/1", "a/2")
		wantStop(t, w)
	})
}

func TestS24ReplacedStreamIsReadOnWhereTheLossIsTakenCareOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1", "2")), newTable()
		var losses []*DataLossError
		w := work(t, s, c, config{OnDataLoss: func(_ context.Context, loss *DataLossError) error {
			losses = append(losses, loss)
			if len(losses) == 2 {
				return errors.New("not yet")
			}
			return nil
		}}, nil)
		pass(time.Minute)
		if len(losses) != 1 || !losses[0].FirstStart {
			t.Fatalf("at the very first start: %+v", losses)
		}
		old, last := s.arn, s.shards[0].records[1].CreatedAt
		s.edit(func() { s.arn += "0" })
		pass(2 * time.Minute)
		w.wants(t, "a/1", "a/2", "a/1", "a/2")
		if len(losses) != 3 { // tried again after the failure
			t.Fatalf("%d losses", len(losses))
		}
		if got := losses[2]; got.Replaced != old || got.FirstStart || !got.AfterTime.Equal(last) || time.Since(got.Until) > 2*time.Minute {
			t.Errorf("the loss is %+v", got)
		}
		wantStop(t, w)
	})
}

// The log of a table that is older than its stream is projected once, at the first
// start: until somebody has taken care of that the stream is not read.
func TestS24FirstStartThatIsNotTakenCareOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, calls := newStream(openShard("a", "", "1")), 0
		w := work(t, s, newTable(), config{OnDataLoss: func(_ context.Context, loss *DataLossError) error {
			if calls++; !loss.FirstStart {
				t.Errorf("the loss is %+v", loss)
			}
			if calls < 3 {
				return errors.New("not yet")
			}
			return nil
		}}, nil)
		pass(5 * time.Minute)
		if calls != 3 {
			t.Errorf("told %d times, want until the third", calls)
		}
		w.wants(t, "a/1")
		wantStop(t, w)
	})
}

// Two workers begin to read the table's stream for the first time, one of them,
// which was frozen, the one before it: what lies between them is promised.
func TestS24TwoStreamsBegunAtOnce(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"the other one is older": "", "the other one is newer": "0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, c := newStream(openShard("a", "", "1")), newTable()
				other := s.arn + suffix
				if suffix == "" {
					s.arn += "0"
				}
				var losses []*DataLossError
				w := work(t, s, c, config{OnDataLoss: func(_ context.Context, loss *DataLossError) error {
					if losses = append(losses, loss); len(losses) == 1 {
						c.set(func() {
							c.items[lineage.HistoryKey(daemons(other))] = lineage.History{FirstReadAt: time.Now()}.Encode(daemons(other))
						})
					}
					return nil
				}}, nil)
				pass(time.Minute)
				if h, err := lineage.DecodeHistory(c.items[lineage.HistoryKey(daemons(s.arn))]); err != nil || h.MaybeFirst {
					t.Error("nobody has looked for the other one")
				}
				if len(losses) != 2 || !losses[0].FirstStart || losses[1].FirstStart ||
					losses[1].StreamARN != max(s.arn, other) || losses[1].Replaced != min(s.arn, other) {
					t.Errorf("the losses are %+v", losses)
				}
				wantStop(t, w)
			})
		})
	}
}

// One that died between its writing and its look left the look to who comes next.
func TestS24TwoStreamsBegunAtOnceAndACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newStream(openShard("a", "", "1")), newTable()
		older := s.arn
		s.arn += "0"
		for arn, h := range map[string]lineage.History{s.arn: {FirstReadAt: time.Now(), MaybeFirst: true}, older: {FirstReadAt: time.Now()}} {
			c.items[lineage.HistoryKey(daemons(arn))] = h.Encode(daemons(arn))
		}
		for range 2 {
			var losses []*DataLossError
			w := work(t, s, c, config{OnDataLoss: func(_ context.Context, loss *DataLossError) error {
				losses = append(losses, loss)
				return nil
			}}, nil)
			pass(time.Minute)
			if want := older; want != "" && (len(losses) != 1 || losses[0].Replaced != want) || want == "" && len(losses) != 0 {
				t.Errorf("the losses are %+v", losses)
			}
			older = "" // once
			wantStop(t, w)
		}
	})
}

// A history and a lease are damaged at once: the stream is not taken for one that is
// read for the first time, of which nothing was promised.
func TestF18DamagedHistoryAndLeaseHideNoLoss(t *testing.T) {
	t.Parallel()
	for _, attribute := range []string{"listed_at", "first_read_at"} {
		t.Run(attribute, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := openShard("a", "", "1").close()
				s, c := newStream(a, openShard("z", "", "9")), newTable()
				w := work(t, s, c, config{}, nil)
				pass(time.Minute)
				wantStop(t, w)
				pass(25 * time.Hour)
				s.edit(func() { a.gone = true; s.shards = append(s.shards, openShard("c", "b", "3")) })
				c.damage(lineage.HistoryKey(daemons(s.arn)), attribute, item.Bool(true))
				c.damage(lease.Key(daemons(s.arn), "z"), "epoch", item.String("one"))
				w = work(t, s, c, config{}, nil)
				loss := wantError[*DataLossError](t, w.ended(t))
				if loss.Shard != "b" || loss.FirstStart || time.Since(loss.AfterTime) > 25*time.Hour || time.Since(loss.AfterTime) < 23*time.Hour {
					t.Errorf("the loss is %+v", loss)
				}
			})
		})
	}
}

func TestS24DisabledStreamIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := newStream(openShard("a", "", "1").close()), &logs{}
		s.disabled = true
		w := work(t, s, newTable(), config{Logger: logger(log)}, nil)
		pass(3 * time.Minute)
		w.wants(t, "a/1")
		if n := log.count("switched off"); n != 1 {
			t.Errorf("logged %d times that the stream is off", n)
		}
		if _, ok := w.IdleSince(); !ok {
			t.Error("the reader waits for children that cannot come")
		}
		wantStop(t, w)
	})
}
