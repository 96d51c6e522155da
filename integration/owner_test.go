package integration

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOneProjector starts projectors beside the one that reads the stream.
func TestOneProjector(t *testing.T) {
	t.Parallel()
	t.Run("a second one is refused with the first one's name, and the first goes on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		first := w.reading()
		name := w.owner()
		if name == "" {
			t.Fatal("status names no owner")
		}
		consumer := w.consumer(w.server.url)
		messages, posted := realMessages(t, 300), make(chan error, 1)
		go func() { posted <- w.tryPost(w.server.url, messages) }()
		second := w.run("project")
		if second.code != 1 {
			t.Errorf("the second one ends with exit code %d", second.code)
		}
		if why := lastLine(second.stderr); !strings.HasPrefix(why, "postroom: ") || !strings.Contains(why, name) {
			t.Errorf("the second one does not name %s: %s", name, why)
		}
		if err := <-posted; err != nil {
			t.Fatal(err)
		}
		w.settle()
		if now := w.owner(); now != name {
			t.Errorf("the owner was %s and is %s", name, now)
		}
		first.stop()
		consumer.stop()
		w.check()
	})
	t.Run("of five that start at once one reads, and the others end", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		var all []*process
		ended := make(chan *process, 5)
		for range cap(ended) {
			p := w.projector(w.server.url)
			all = append(all, p)
			go func() {
				<-p.exited
				ended <- p
			}()
		}
		for range cap(ended) - 1 {
			p := within(t, "a projector to end", ended)
			if code := p.cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("a projector ends with exit code %d: %s", code, p.log.tail(3))
			}
		}
		left := slices.DeleteFunc(all, func(p *process) bool { return !p.running() })
		if len(left) != 1 {
			t.Fatalf("%d projectors are left", len(left))
		}
		if err := w.moved(realMessages(t, 100)); err != nil {
			t.Error(err)
		}
		left[0].stop()
		if err := w.agrees(); err != nil {
			t.Error(err)
		}
	})
}

// TestProjectorTakesOver has one projector follow another.
func TestProjectorTakesOver(t *testing.T) {
	t.Parallel()
	t.Run("after the lease, from one that was killed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		first := w.reading()
		consumer := w.consumer(w.server.url)
		messages := realMessages(t, 400)
		w.post(w.server.url, messages[:200]...)
		first.kill()
		w.post(w.server.url, messages[200:]...)
		started := time.Now()
		next := w.reading()
		gap := time.Since(started)
		t.Logf("HANDOVER after a kill: %.1f s", gap.Seconds())
		if gap < leaseTime {
			t.Errorf("the next one waited for %v only, the lease is %v", gap, leaseTime)
		}
		if gap > 2*leaseTime {
			t.Errorf("the next one waited for %v, the lease is %v", gap, leaseTime)
		}
		if !strings.Contains(next.log.tail(100), "taking the stream over") {
			t.Error("the next one does not say that it took over")
		}
		w.settle()
		next.stop()
		consumer.stop()
		w.check()
	})
	t.Run("at once, from one that was stopped before", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		first := w.reading()
		consumer := w.consumer(w.server.url)
		w.post(w.server.url, realMessages(t, 200)...)
		first.stop()
		stopped := time.Now()
		if name := w.owner(); name != "" {
			t.Errorf("the stopped one still owns the stream: %s", name)
		}
		next := w.reading()
		w.handover(next, stopped)
		consumer.stop()
	})
	t.Run("at once, from one that is stopped while it is watched", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		first := w.reading()
		consumer := w.consumer(w.server.url)
		w.post(w.server.url, realMessages(t, 200)...)
		next := w.projector(w.server.url)
		if err := next.says("watching the stream's owner"); err != nil {
			t.Fatal(err)
		}
		first.stop()
		stopped := time.Now()
		if err := next.says(`"reading the stream"`); err != nil {
			t.Fatal(err)
		}
		w.handover(next, stopped)
		consumer.stop()
	})
}

// handover checks that a projector took over from one that was stopped, and
// finishes the work.
func (w *world) handover(next *process, stopped time.Time) {
	w.t.Helper()
	gap := time.Since(stopped)
	w.t.Logf("HANDOVER after a stop: %.2f s", gap.Seconds())
	if gap > leaseTime/2 {
		w.t.Errorf("the next one reads %v after the stop", gap)
	}
	if strings.Contains(next.log.tail(100), "taking the stream over") {
		w.t.Error("the next one believes that the stopped one had died")
	}
	w.post(w.server.url, crowd(5, 20)...)
	w.settle()
	next.stop()
	w.check()
}

// reading starts a projector and returns once it reads the stream.
func (w *world) reading() *process {
	w.t.Helper()
	p := w.projector(w.server.url)
	if err := p.says(`"reading the stream"`); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// owner is who reads the stream, by what status says; empty: nobody.
func (w *world) owner() string {
	w.t.Helper()
	var status struct{ Owner *struct{ Worker string } }
	if err := json.Unmarshal([]byte(w.ok("status", "--json")), &status); err != nil {
		w.t.Fatal(err)
	}
	if status.Owner == nil {
		return ""
	}
	return status.Owner.Worker
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// within waits for what a channel brings, with a bound.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case v := <-c:
		return v
	case <-timeout.C:
		t.Fatal(timeoutError(what))
	}
	panic("not reached")
}
