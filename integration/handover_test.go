package integration

import (
	"slices"
	"testing"
	"time"
)

// leaseTime is how long a projector that sends no heartbeat keeps its shards.
const leaseTime = 10 * time.Second

// TestProjectorTakesOver has one projector take over from another.
func TestProjectorTakesOver(t *testing.T) {
	t.Parallel()
	t.Run("after the lease, from one that was killed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		first := w.group(w.server.url, single)[0]
		consumer := w.consumer(w.server.url)
		messages := realMessages(t, 400)
		w.post(w.server.url, messages[:200]...)
		first.kill()
		w.post(w.server.url, messages[200:]...)
		started := time.Now()
		next := w.group(w.server.url, single)[0]
		if gap := w.tookOver(started); gap < leaseTime {
			t.Errorf("the next one waited for only %v, the lease is %v", gap, leaseTime)
		}
		if !next.said(expiredSession) {
			t.Error("the next one does not say that the first one's session was expired")
		}
		w.settle()
		next.stop()
		consumer.stop()
		w.check()
	})
	t.Run("after the lease, from one that is killed while others stand by", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		all := w.group(w.server.url, several)
		consumer := w.consumer(w.server.url)
		messages := realMessages(t, 400)
		w.post(w.server.url, messages[:200]...)
		first := w.reader(all...)
		all = without(all, first)
		first.kill()
		killed := time.Now()
		w.post(w.server.url, messages[200:]...)
		w.reader(all...)
		w.tookOver(killed)
		if !all[0].said(expiredSession) && !all[1].said(expiredSession) {
			t.Error("no projector says that the first one's session was expired")
		}
		w.settle()
		for _, p := range append(all, consumer) {
			p.stop()
		}
		w.check()
	})
	t.Run("at once, from one that was stopped before", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		first := w.group(w.server.url, single)[0]
		consumer := w.consumer(w.server.url)
		w.post(w.server.url, realMessages(t, 200)...)
		first.stop()
		stopped := time.Now()
		next := w.group(w.server.url, single)[0]
		w.handover(first, next, stopped)
		next.stop()
		consumer.stop()
		w.check()
	})
	t.Run("at once, from one that is stopped while others stand by", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		all := w.group(w.server.url, several)
		consumer := w.consumer(w.server.url)
		w.post(w.server.url, realMessages(t, 200)...)
		first := w.reader(all...)
		all = without(all, first)
		first.stop()
		stopped := time.Now()
		w.handover(first, w.reader(all...), stopped)
		for _, p := range append(all, consumer) {
			p.stop()
		}
		w.check()
	})
}

// tookOver checks that a projector takes over in time from one that was killed.
func (w *world) tookOver(since time.Time) time.Duration {
	w.t.Helper()
	gap := time.Since(since)
	w.t.Logf("HANDOVER %s: %.1f s", w.t.Name(), gap.Seconds())
	if gap > 2*leaseTime {
		w.t.Errorf("the next one reads after %v, the lease is %v", gap, leaseTime)
	}
	return gap
}

// handover checks that a projector takes over from one that was stopped, without
// waiting for its lease to expire. It waits only if the stopped one could not
// leave the group in time, and said so.
func (w *world) handover(old, next *process, stopped time.Time) {
	w.t.Helper()
	w.t.Logf("HANDOVER %s: %.2f s", w.t.Name(), time.Since(stopped).Seconds())
	if next.said(expiredSession) && !old.said("the worker group could not be left") {
		w.t.Error("the next one has expired the session of the stopped one")
	}
	w.post(w.server.url, crowd(5, 20)...)
	w.settle()
}

// expiredSession is what a projector says that expires the session of another one.
const expiredSession = "a worker sent no heartbeat: its session was expired, and its shards are free"

// without returns all but one.
func without(all []*process, one *process) []*process {
	return slices.DeleteFunc(slices.Clone(all), func(p *process) bool { return p == one })
}
