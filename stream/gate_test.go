package stream

import (
	"context"
	"strings"
	"sync"

	"github.com/postroom/postroom/backend"
)

// gate is what stands between one worker and the world: while it is shut, calls
// hang, whatever their context says, as those of a frozen process do.
type gate struct {
	mu    sync.Mutex
	open  chan struct{}
	shuts bool
	trap  string // shuts at the first call that begins with it
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.close()
}

func (g *gate) close() {
	if !g.shuts {
		g.shuts, g.open = true, make(chan struct{})
	}
}

// shutAt freezes the worker in the middle of a call: "Put SHARD#" before it is
// made, "answer to Put SHARD#" when it was.
func (g *gate) shutAt(call string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap = call
}

func (g *gate) thaw() { g.thawUntil("") }

// thawUntil wakes the worker up until it makes a call, as with shutAt.
func (g *gate) thawUntil(call string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap = call
	if g.shuts {
		g.shuts = false
		close(g.open)
	}
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shuts
}

func (g *gate) pass(call string) {
	g.mu.Lock()
	if g.trap != "" && strings.HasPrefix(call, g.trap) {
		g.trap = ""
		g.close()
	}
	open := g.open
	g.mu.Unlock()
	<-open
}

// gatedStream and gatedTable hold calls before they are made and their answers
// before they arrive.
type gatedStream struct {
	*fakeStream
	gate *gate
}

func (s gatedStream) Shards(ctx context.Context, after string) (backend.ShardPage, error) {
	s.gate.pass("Shards " + after)
	page, err := s.fakeStream.Shards(ctx, after)
	s.gate.pass("answer to Shards " + after)
	return page, err
}

func (s gatedStream) Children(ctx context.Context, arn, parent string) ([]backend.Shard, error) {
	s.gate.pass("Children " + parent)
	children, err := s.fakeStream.Children(ctx, arn, parent)
	s.gate.pass("answer to Children " + parent)
	return children, err
}

func (s gatedStream) Iterator(ctx context.Context, arn, id string, at backend.Position) (string, error) {
	s.gate.pass("Iterator " + id)
	it, err := s.fakeStream.Iterator(ctx, arn, id, at)
	s.gate.pass("answer to Iterator " + id)
	return it, err
}

func (s gatedStream) Records(ctx context.Context, it string, limit int) (backend.RecordPage, error) {
	s.gate.pass("Records " + it)
	page, err := s.fakeStream.Records(ctx, it, limit)
	s.gate.pass("answer to Records " + it)
	return page, err
}

type gatedTable struct {
	*fakeTable
	gate *gate
	name string // of the worker
}

func (c gatedTable) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	c.gate.pass("Get " + key.SK)
	item, units, err := c.fakeTable.Get(ctx, key)
	c.gate.pass("answer to Get " + key.SK)
	return item, units, err
}

func (c gatedTable) Query(ctx context.Context, q backend.Query) (backend.Page, error) {
	c.gate.pass("Query " + q.SKPrefix)
	page, err := c.fakeTable.Query(ctx, q)
	c.gate.pass("answer to Query " + q.SKPrefix)
	return page, err
}

func (c gatedTable) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	sk := backend.KeyOf(item).SK
	c.gate.pass("Put " + sk)
	units, err := c.fakeTable.Put(by(ctx, c.name), item, condition)
	c.gate.pass("answer to Put " + sk)
	return units, err
}

func (c gatedTable) BatchWrite(ctx context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	sk := writes[0].Delete.SK
	c.gate.pass("BatchWrite " + sk)
	left, units, err := c.fakeTable.BatchWrite(by(ctx, c.name), writes)
	c.gate.pass("answer to BatchWrite " + sk)
	return left, units, err
}
