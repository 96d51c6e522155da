package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/stream"
)

// How many projectors share a stream. If it has one shard, one of them reads and
// the others stand by.
const (
	single  = 1
	several = 3
)

// TestWorkerGroup starts projectors beside the one that reads the stream.
func TestWorkerGroup(t *testing.T) {
	t.Parallel()
	t.Run("a second one joins, and the first goes on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		first := w.group(w.server.url, single)[0]
		consumer := w.consumer(w.server.url)
		messages, posted := realMessages(t, 300), make(chan error, 1)
		go func() { posted <- w.tryPost(w.server.url, messages) }()
		second := w.projector(w.server.url)
		if err := second.says("joined the worker group"); err != nil {
			t.Fatal(err)
		}
		if err := <-posted; err != nil {
			t.Fatal(err)
		}
		w.settle()
		if w.reader(second, first) != first {
			t.Error("the shard went from the first one to the second, although both live")
		}
		second.stop()
		if w.reader(first) != first {
			t.Error("the first one has stopped reading")
		}
		first.stop()
		consumer.stop()
		w.check()
	})
	t.Run("of five that start at once one reads, and as each stops another does", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedServer(t), options{})
		all := w.group(w.server.url, 5)
		for batch := range 5 {
			if err := w.moved(crowd(4, 10)); err != nil {
				t.Errorf("with %d projectors: %v", 5-batch, err)
			}
			reader := w.reader(all...)
			for _, p := range all {
				if p != reader && !p.running() {
					t.Errorf("%s has ended: %v", p.name, p.err)
				}
			}
			reader.stop()
			all = without(all, reader)
		}
		if err := w.agrees(); err != nil {
			t.Error(err)
		}
	})
}

// group starts n projectors that reach the server at a URL, and returns once they
// have joined the worker group and one of them reads the stream.
func (w *world) group(url string, n int) []*process {
	w.t.Helper()
	var all []*process
	for range n {
		all = append(all, w.projector(url))
	}
	for _, p := range all {
		if err := p.says("joined the worker group"); err != nil {
			w.t.Fatal(err)
		}
	}
	w.reader(all...)
	return all
}

// reader waits until one of some projectors reads the stream, and returns it.
func (w *world) reader(among ...*process) *process {
	w.t.Helper()
	b := w.open(w.server.url)
	defer b.Close()
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), patience, timeoutError("a projector to read the stream"))
	defer cancel()
	for {
		s, err := stream.ReadStatus(ctx, b.Stream(w.table), b.Table(postroom.ControlTable(w.table)), stream.DefaultGroup)
		for _, p := range among {
			if err == nil && p.reads(s) {
				return p
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			w.t.Fatalf("%v: %v, %+v", context.Cause(ctx), err, s)
		}
	}
}

// reads reports whether a projector owns the lease of an open shard. A lease still
// names its last owner when that worker has left.
func (p *process) reads(s stream.Status) bool {
	me := fmt.Sprintf(":%d:", p.cmd.Process.Pid)
	alive := map[string]bool{}
	for _, w := range s.Workers {
		alive[w.Session] = true
	}
	for _, shard := range s.Shards {
		if !shard.Finished && alive[shard.Session] && strings.Contains(shard.Worker, me) {
			return true
		}
	}
	return false
}
