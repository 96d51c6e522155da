package stream

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
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
		sk := lease.Key(s.arn, "a").SK
		w := work(t, s, c, config{CheckpointInterval: time.Minute, CheckpointCount: 100}, nil)
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
		s.edit(func() {
			for i := range 100 {
				a.records = append(a.records, backend.Record{Sequence: fmt.Sprint(i + 2)})
			}
		})
		pass(gatherTime)
		if n := c.written(sk); n != 4 {
			t.Errorf("%d writes after a hundred records at once", n)
		}
		wantStop(t, w)
	})
}
