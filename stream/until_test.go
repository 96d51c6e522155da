package stream

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// A group reads up to a time, and is done then: for good, and on every machine.
func TestGroupReadsUpToATime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tells bool
		ago   time.Duration // of the end
		want  []string
		takes time.Duration // at most
	}{
		"all shards hold more":     {ago: 90 * time.Minute, want: []string{"a/1", "a/2", "b/11", "b/12"}, takes: 10 * time.Second},
		"no shard holds more":      {ago: 10 * time.Minute, want: []string{"a/1", "a/2", "a/3", "b/11", "b/12", "b/13"}, takes: 80 * time.Second},
		"the backend says so":      {ago: 10 * time.Minute, tells: true, want: []string{"a/1", "a/2", "a/3", "b/11", "b/12", "b/13"}, takes: 10 * time.Second},
		"it is to come":            {ago: -10 * time.Minute, tells: true, want: []string{"a/1", "a/2", "a/3", "b/11", "b/12", "b/13"}, takes: 11 * time.Minute},
		"a minute more, not known": {ago: time.Hour + 30*time.Second, want: []string{"a/1", "a/2", "a/3", "b/11", "b/12", "b/13"}, takes: 80 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, table := hourly(3, openShard("a", ""), openShard("b", "")), newTable()
				s.tells = c.tells
				begin := time.Now()
				until := begin.Add(-c.ago)
				one := work(t, s, table, config{Group: "g", Until: until}, nil)
				pass(time.Second) // the first one says it
				two := work(t, s, table, config{Group: "g"}, nil)
				for _, w := range []*worker{one, two} {
					if err := w.ended(t); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(begin); took > c.takes || begin.Add(took).Before(until) {
					t.Errorf("done after %v, want %v at most", took, c.takes)
				}
				both := &worker{seen: append(one.seen, two.seen...)}
				both.wantsSet(t, c.want...)
				s.edit(func() { // nothing of this is the group's
					s.shards[0].close()
					s.shards = append(s.shards, openShard("c", "a", "20"))
				})
				again := work(t, s, table, config{Group: "g"}, nil)
				if err := again.ended(t); err != nil {
					t.Error(err)
				}
				again.wants(t)
				all, err := ReadGroups(t.Context(), s, table)
				if err != nil || len(all) != 1 || !all[0].Until.Equal(until) || all[0].DoneAt.IsZero() || all[0].Finished != 2 {
					t.Errorf("the groups are %+v (%v)", all, err)
				}
			})
		})
	}
}

// An empty page proves nothing: records may follow that are the group's.
func TestGroupIsNotDoneAtAnEmptyPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "")
		s, table := hourly(3, a), newTable()
		until := time.Now().Add(-10 * time.Minute)
		a.dry = true
		w := work(t, s, table, config{Group: "g", Until: until}, nil)
		pass(50 * time.Second)
		w.wants(t)
		s.edit(func() { a.dry = false })
		if err := w.ended(t); err != nil {
			t.Error(err)
		}
		w.wants(t, "a/1", "a/2", "a/3")
	})
}

// What is not acknowledged holds the end up, and a crash on the way loses nothing.
func TestGroupIsDoneOnceAllIsAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := hourly(3, openShard("a", "")), newTable()
		s.tells = true
		w := work(t, s, table, config{Group: "g", Until: time.Now()}, func(r *Record) bool { return r.Sequence == "2" })
		pass(10 * time.Minute)
		select {
		case <-w.done:
			t.Fatal("a/2 is not acknowledged")
		default:
		}
		wantStop(t, w)
		w = work(t, s, table, config{Group: "g"}, nil)
		if err := w.ended(t); err != nil {
			t.Error(err)
		}
		w.wants(t, "a/2", "a/3")
	})
}

// Shards that end before the group's end are followed by their children, and those that
// are listed late are waited for.
func TestGroupReadsChildrenUpToItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := hourly(2, openShard("a", "").close(), openShard("b", "a")), newTable()
		s.shards[1].hidden = true
		w := work(t, s, table, config{Group: "g", Until: time.Now()}, nil)
		pass(10 * time.Minute)
		w.wants(t, "a/1", "a/2")
		s.edit(func() { s.shards[1].hidden = false })
		if err := w.ended(t); err != nil {
			t.Error(err)
		}
		w.wants(t, "a/1", "a/2", "b/11", "b/12")
	})
}

// What is lost after the end was promised to nobody; what is lost before it was.
func TestGroupLosesNothingAfterItsEnd(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]string{"read up to it": "", "not read up to it": "2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, table := hourly(3, openShard("a", "").close(), openShard("b", "a")), newTable()
				until := time.Now().Add(-90 * time.Minute)
				w := work(t, s, table, config{Group: "g", Until: until, SyncInterval: time.Hour}, func(r *Record) bool { return r.Sequence == hold })
				pass(1500 * time.Millisecond) // not long enough for the group to be done
				wantStop(t, w)
				pass(30 * time.Hour)
				s.edit(func() { s.shards[0].gone, s.shards[1].gone = true, true })
				err := work(t, s, table, config{Group: "g"}, nil).ended(t)
				if hold == "" {
					if err != nil {
						t.Errorf("error is %v", err)
					}
					return
				}
				if loss := wantError[*DataLossError](t, err); loss.Shard != "a" || !loss.Until.Equal(until) {
					t.Errorf("the loss is %+v", loss)
				}
			})
		})
	}
}

// Whatever way it is that a group loses records, the loss ends where the group does.
func TestLossesEndWithTheGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(s *fakeStream, a *fakeShard)
		want    string // what is lost
	}{
		"a shard is gone":              {func(_ *fakeStream, a *fakeShard) { a.gone = true }, "a"},
		"a checkpoint is trimmed":      {func(_ *fakeStream, a *fakeShard) { a.trimmed = "3" }, "a"},
		"a parent came and went":       {func(s *fakeStream, a *fakeShard) { a.close(); s.shards = append(s.shards, openShard("c", "b")) }, "b"},
		"the stream is a new one":      {func(s *fakeStream, _ *fakeShard) { s.arn += "0"; s.shards = []*fakeShard{openShard("b", "")} }, ""},
		"its group begins long before": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := openShard("a", "")
				s, table := hourly(3, a), newTable()
				var losses []*DataLossError
				until := time.Now().Add(time.Hour)
				o := config{Group: "g", Until: until, OnDataLoss: func(_ context.Context, l *DataLossError) error {
					losses = append(losses, l)
					return nil
				}}
				if c.happens == nil {
					until = time.Now().Add(-48 * time.Hour)
					o.Until, o.Start = until, Start{At: until.Add(-time.Hour)}
				} else {
					w := work(t, s, table, config{Group: "g", Until: until}, func(r *Record) bool { return r.Sequence == "2" })
					pass(time.Minute)
					wantStop(t, w)
					pass(30 * time.Hour)
					s.edit(func() { c.happens(s, a) })
				}
				w := work(t, s, table, o, nil)
				pass(time.Hour) // for children that never come
				if err := w.ended(t); err != nil {
					t.Error(err)
				}
				if len(losses) != 1 || losses[0].Shard != c.want || !losses[0].Until.Equal(until) {
					t.Errorf("lost %+v, want of %q up to %v", losses, c.want, until)
				}
			})
		})
	}
}

// A child that was listed after its parent had passed the end, and is gone unread, held
// nothing of the group's.
func TestGroupLosesNothingWithAChildAfterItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := openShard("a", "", "1"), openShard("b", "a", "2")
		b.hidden = true
		s, table := newStream(a, b), newTable()
		s.tells = true
		s.fault = func(op, of string) error {
			if op == "Iterator" && of == "b" {
				return fail(op, backend.KindUnavailable)
			}
			return nil
		}
		id := lease.GroupID{ARN: s.arn, Name: "g"}
		w := work(t, s, table, config{Group: "g", Until: time.Now().Add(10 * time.Second)}, nil)
		for !table.leaseOf(id, "a").Finished {
			pass(10 * time.Millisecond)
		}
		s.edit(func() { a.close(); b.hidden = false })
		pass(5 * time.Second)
		wantStop(t, w)
		if l := table.leaseOf(id, "b"); l.Epoch == 0 || l.Checkpoint.At.Before(l.Until) {
			t.Fatalf("the lease of the child is %+v", l)
		}
		pass(30 * time.Hour)
		s.edit(func() { s.fault = nil; a.gone, b.gone = true, true })
		w = work(t, s, table, config{Group: "g"}, nil)
		if err := w.ended(t); err != nil {
			t.Error(err)
		}
		w.wants(t)
	})
}

// The history of a group that is to end is damaged, and its stream replaced: the end is
// known.
func TestGroupKeepsItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := hourly(1, openShard("a", "")), newTable()
		until := time.Now().Add(time.Hour)
		w := work(t, s, table, config{Group: "g", Until: until}, nil)
		pass(time.Minute)
		wantStop(t, w)
		id := lease.GroupID{ARN: s.arn, Name: "g"}
		table.damage(lineage.HistoryKey(id), "until", item.Int(1))
		w = work(t, s, table, config{Group: "g"}, nil)
		pass(time.Minute)
		wantStop(t, w)
		s.edit(func() {
			s.arn += "0"
			s.shards = []*fakeShard{openShard("b", "", "5")}
			s.shards[0].records = append(s.shards[0].records, backend.Record{Sequence: "9", CreatedAt: until.Add(time.Hour)})
		})
		w = work(t, s, table, config{Group: "g", OnDataLoss: ignoreLoss}, nil)
		if err := w.ended(t); err != nil {
			t.Error(err)
		}
		w.wants(t, "b/5")
	})
}

func ignoreLoss(context.Context, *DataLossError) error { return nil }

func TestEndThatCannotBe(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, o := range map[string]config{
		"has no end":       {Until: now},
		"before the start": {Group: "g", Until: now.Add(-time.Hour), Start: Start{At: now.Add(-time.Minute)}},
	} {
		err := work(t, newStream(), newTable(), o, nil).ended(t)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}
