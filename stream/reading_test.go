package stream

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

func TestS9ExpiredIteratorGoesOnAfterTheLastRecordRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c, log := newStream(openShard("a", "", "1", "2", "3", "4")), newTable(), &logs{}
		w := work(t, s, c, config{MaxInFlight: 2, Logger: logger(log)}, func(r *Record) bool { return r.Sequence == "2" })
		pass(20 * time.Minute) // a page waits for room, its iterator grows old
		w.wants(t, "a/1", "a/2")
		s.mu.Lock()
		s.opens = nil
		s.mu.Unlock()
		w.ack("a/2")
		synctest.Wait()
		w.wants(t, "a/1", "a/2", "a/3", "a/4")
		if want := (backend.Position{Type: backend.AfterSequence, Sequence: "4"}); !slices.Equal(s.opens, []backend.Position{want}) {
			t.Errorf("opened at %+v, want once at %+v", s.opens, want)
		}
		wantStop(t, w)
		if log.count("level=WARN")+log.count("level=ERROR") > 0 { // that is how iterators are
			t.Errorf("logged:\n%s", log.b.String())
		}
	})
}

func TestS9IteratorsThatExpireAtOnceAreNoTightLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "1"))
		s.fault = func(op, _ string) error {
			if op == "Records" {
				return fail(op, backend.KindExpired)
			}
			return nil
		}
		w := work(t, s, newTable(), config{}, nil)
		pass(time.Minute)
		if n := s.count("Records"); n > 20 {
			t.Errorf("%d reads in a minute", n)
		}
		for _, at := range s.opens {
			if at.Type != backend.TrimHorizon {
				t.Errorf("opened at %+v", at)
			}
		}
		wantStop(t, w)
	})
}

func TestS18ExpiredIteratorAfterNumbersOfDifferentLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(openShard("a", "", "99999999999999999999", "100000000000000000000"))
		w := work(t, s, newTable(), config{MaxIdle: time.Hour, PollInterval: time.Hour}, nil)
		pass(2 * time.Hour)
		if n := len(w.got()); n != 2 {
			t.Errorf("%d records were delivered", n)
		}
		if last := s.opens[len(s.opens)-1]; last.Sequence != "100000000000000000000" {
			t.Errorf("opened after %q", last.Sequence)
		}
		wantStop(t, w)
	})
}

func TestS23IdleShardsBackOffAndWritesWakeThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s := newStream(a)
		w := work(t, s, newTable(), config{PollInterval: time.Second, MaxIdle: time.Minute}, nil)
		pass(time.Hour)
		if n := s.count("Records"); n < 60 || n > 90 {
			t.Errorf("%d reads of an idle shard in an hour, want about 65", n)
		}
		s.edit(func() { a.records = append(a.records, backend.Record{Sequence: "2"}) })
		pass(gatherTime)
		w.wants(t, "a/1", "a/2")
		wantStop(t, w)
	})
}

func TestS23WriteWhileAnEmptyPageIsReadIsNotMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "")
		s := newStream(a)
		s.read = func(page backend.RecordPage) {
			if len(page.Records) == 0 && len(a.records) == 0 {
				a.records = append(a.records, backend.Record{Sequence: "1"})
				close(s.changed)
				s.changed = make(chan struct{})
			}
		}
		w := work(t, s, newTable(), config{PollInterval: time.Hour, MaxIdle: time.Hour}, nil)
		pass(gatherTime)
		w.wants(t, "a/1")
		wantStop(t, w)
	})
}

func TestThrottledShardRecoversAndIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := newStream(), &logs{}
		for i := range 50 {
			s.shards = append(s.shards, openShard(fmt.Sprintf("s%02d", i), "", "1"))
		}
		s.fault = func(op, _ string) error {
			if op == "Shards" {
				return nil
			}
			return fail(op, backend.KindThrottled)
		}
		w := work(t, s, newTable(), config{Logger: logger(log)}, nil)
		pass(time.Minute)
		if n := s.count("Iterator s01"); n > 15 {
			t.Errorf("%d calls of a throttled shard in a minute", n)
		}
		s.edit(func() { s.fault = nil })
		pass(15 * time.Second)
		if n := len(w.got()); n != 50 {
			t.Errorf("%d of 50 records after the recovery", n)
		}
		pass(10 * time.Second) // of calm
		if a, b := log.count("reading records fails"), log.count("reading records works again"); a != 1 || b != 1 {
			t.Errorf("logged %d times that it fails and %d times that it works again", a, b)
		}
		wantStop(t, w)
	})
}

// TestS23SmallPagesAreNotReadInARow: a handler that writes to the table it reads
// finds its own writes in the stream, a few at a time.
func TestS23SmallPagesAreNotReadInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "", "1")
		s := newStream(a)
		s.changed = nil                     // a server that tells nobody
		s.read = func(backend.RecordPage) { // each read is followed by a write
			a.records = append(a.records, backend.Record{Sequence: fmt.Sprint(len(a.records) + 1)})
		}
		w := work(t, s, newTable(), config{PollInterval: 200 * time.Millisecond}, nil)
		pass(10 * time.Second)
		if n := s.count("Records"); n < 40 || n > 65 {
			t.Errorf("%d reads in 10 s, want about 50", n)
		}
		wantStop(t, w)
	})
}
