package stream

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestS1LastBatchWithNilIteratorIsProcessedAndFinishedOnlyWhenAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStream(shard("a", "", "1", "2").close(), shard("b", "a", "3"))
		c := newTable()
		w := work(t, s, c, Options{}, func(r *Record) bool { return r.Sequence == "2" })
		pass(time.Minute)
		w.wants(t, "a/1", "a/2")
		if l := c.lease(s.arn, "a"); l.finished || l.done.sequence != "1" {
			t.Errorf("before the acknowledgement the lease is %+v", l)
		}
		w.ack("a/2")
		synctest.Wait()
		if l := c.lease(s.arn, "a"); !l.finished || l.done.sequence != "2" || l.finishedAt.IsZero() {
			t.Errorf("after the acknowledgement the lease is %+v", l)
		}
		w.wants(t, "a/1", "a/2", "b/3")
		wantStop(t, w)
	})
}
