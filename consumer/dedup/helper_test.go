package dedup

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/consumer"
)

// eachStore runs a test in virtual time with a store of each kind.
func eachStore(t *testing.T, test func(t *testing.T, s Store)) {
	t.Helper()
	t.Parallel()
	for name, newStore := range map[string]func(t *testing.T) Store{
		"memory": func(t *testing.T) Store { return newMemory(t, MemoryOptions{}) },
		"table":  func(t *testing.T) Store { return NewTable(newBackend(t).Table(control)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newStore(t)) })
		})
	}
}

func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func newMemory(t *testing.T, o MemoryOptions) *Memory {
	t.Helper()
	m, err := NewMemory(o)
	must(t, err)
	return m
}

const control = "control"

// newBackend is a backend with a table for deduplication.
func newBackend(t *testing.T) *local.Backend {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	must(t, b.CreateTable(t.Context(), backend.TableSpec{
		Name: control, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK,
	}))
	return b
}

func tableWithClock(t backend.Table, now func() time.Time) *Table {
	s := NewTable(t)
	s.now = now
	return s
}

// faultyTable is a table whose puts go wrong where decide says so.
func faultyTable(b backend.Backend, decide func() backendtest.Fault) backend.Table {
	return backendtest.Faulty(b, func(context.Context, backendtest.Call) backendtest.Fault { return decide() }).Table(control)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// flaky is a store whose calls can fail, and that counts them.
type flaky struct {
	Store

	mu    sync.Mutex
	err   error
	hangs bool // a call is answered when its context is done
	calls []string
}

func (f *flaky) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.hangs = err, false
}

func (f *flaky) hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs = true
}

func (f *flaky) called(ctx context.Context, call string) error {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	err, hangs := f.err, f.hangs
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return err
}

// log is the calls so far.
func (f *flaky) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, " ")
}

func (f *flaky) Claim(ctx context.Context, id, owner string, lease time.Duration) (Claim, error) {
	if err := f.called(ctx, "claim"); err != nil {
		return Claim{}, err
	}
	return f.Store.Claim(ctx, id, owner, lease)
}

func (f *flaky) Record(ctx context.Context, id, owner string, ttl time.Duration) error {
	if err := f.called(ctx, "record"); err != nil {
		return err
	}
	return f.Store.Record(ctx, id, owner, ttl)
}

func (f *flaky) Release(ctx context.Context, id, owner string) error {
	if err := f.called(ctx, "release"); err != nil {
		return err
	}
	return f.Store.Release(ctx, id, owner)
}

var errAway = &backend.Error{Op: "test", Kind: backend.KindUnavailable, Err: errors.New("the store is away")}

// sink is a handler, and how often it was called. Do is what it does; nil: it
// succeeds.
type sink struct {
	do func(ctx context.Context) error

	mu         sync.Mutex
	calls      int
	now, worst int // at once
}

func (s *sink) Handle(ctx context.Context, _ backend.Delivery) error {
	s.mu.Lock()
	s.calls++
	s.now++
	s.worst = max(s.worst, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now--
	}()
	if s.do == nil {
		return nil
	}
	return s.do(ctx)
}

func (s *sink) wants(t *testing.T, calls int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != calls {
		t.Fatalf("handled %d times, want %d", s.calls, calls)
	}
}

func takes(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

// journal is a log to look into.
type journal struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Write(p)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) wants(t *testing.T, text string, times int) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := strings.Count(j.out.String(), text); n != times {
		t.Errorf("%q is %d times in the log, want %d:\n%s", text, n, times, &j.out)
	}
}

func newHandler(t *testing.T, next consumer.Handler, s Store, o Options) *Handler {
	t.Helper()
	h, err := New(next, s, body, o)
	must(t, err)
	return h
}

// body is a message's whole body as its id.
func body(d backend.Delivery) (string, error) { return d.Body, nil }

func message(id string) backend.Delivery { return backend.Delivery{Body: id} }

// wantRetry checks that a message was put off for d.
func wantRetry(t *testing.T, err error, d time.Duration) {
	t.Helper()
	var i *consumer.Instruction
	if !errors.As(err, &i) || !strings.HasPrefix(i.Error(), "to be retried in "+d.String()+":") {
		t.Fatalf("error %v, want a retry in %v", err, d)
	}
}

func wantStats(t *testing.T, h *Handler, want Stats) {
	t.Helper()
	if got := h.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}
