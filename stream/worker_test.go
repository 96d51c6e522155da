package stream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// worker is a Reader that runs, and what it was given.
type worker struct {
	*Reader
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	before func(*Record) // each acknowledgement; may be nil

	mu   sync.Mutex
	keep func(*Record) bool // true: do not acknowledge yet
	seen []*Record
}

// config is the options of a reader and what only tests change of it. Zero means
// the default.
type config struct {
	Worker             string
	Group              string
	Start              Start
	Until              time.Time
	Destination        string
	LeaseDuration      time.Duration
	PollInterval       time.Duration
	MaxIdle            time.Duration
	SyncInterval       time.Duration
	CheckpointInterval time.Duration
	DrainTimeout       time.Duration
	MaxInFlight        int
	OnDataLoss         func(context.Context, *DataLossError) error
	Logger             *slog.Logger
}

func newReader(s backend.Stream, control backend.Table, h Handler, c config) *Reader {
	r := NewReader(s, control, h, Options{
		Worker: c.Worker, Group: c.Group, Start: c.Start, Until: c.Until, Destination: c.Destination, LeaseDuration: c.LeaseDuration, OnDataLoss: c.OnDataLoss, Logger: c.Logger,
	})
	t := &r.tuning
	for _, d := range []struct{ to, from *time.Duration }{
		{&t.PollInterval, &c.PollInterval}, {&t.MaxIdle, &c.MaxIdle}, {&t.DrainTimeout, &c.DrainTimeout},
		{&t.syncInterval, &c.SyncInterval}, {&t.checkpointInterval, &c.CheckpointInterval},
	} {
		*d.to = cmp.Or(*d.from, *d.to)
	}
	t.maxInFlight = cmp.Or(c.MaxInFlight, t.maxInFlight)
	return r
}

// work starts a reader that acknowledges at once, but for what keep says.
func work(t *testing.T, s backend.Stream, c backend.Table, o config, keep func(*Record) bool) *worker {
	t.Helper()
	w := &worker{keep: keep}
	w.start(t, newReader(s, c, Handler(w.handle), o))
	return w
}

func (w *worker) start(t *testing.T, r *Reader) {
	ctx, cancel := context.WithCancel(t.Context())
	w.Reader, w.cancel, w.done = r, cancel, make(chan struct{})
	go func() {
		defer close(w.done)
		w.err = w.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-w.done })
}

func (w *worker) handle(_ context.Context, records []*Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		w.seen = append(w.seen, r)
		if w.keep == nil || !w.keep(r) {
			w.acknowledge(r)
		}
	}
	return nil
}

func (w *worker) acknowledge(r *Record) {
	if w.before != nil {
		w.before(r)
	}
	r.Ack()
}

// keeps changes what is not acknowledged at once.
func (w *worker) keeps(keep func(*Record) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep = keep
}

// stop cancels, and returns what Run returned.
func (w *worker) stop() error {
	w.cancel()
	<-w.done
	return w.err
}

// ended returns what Run returned by itself within a virtual hour.
func (w *worker) ended(t *testing.T) error {
	t.Helper()
	select {
	case <-w.done:
		return w.err
	case <-time.After(time.Hour):
		t.Fatal("the reader still runs")
		return nil
	}
}

// got lists what was delivered, as "shard/sequence".
func (w *worker) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for _, r := range w.seen {
		ids = append(ids, r.Shard+"/"+r.Sequence)
	}
	return ids
}

func (w *worker) wants(t *testing.T, want ...string) {
	t.Helper()
	if got := w.got(); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

// wantsSet compares without order between shards.
func (w *worker) wantsSet(t *testing.T, want ...string) {
	t.Helper()
	got := w.got()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

// ack acknowledges what was delivered with this id.
func (w *worker) ack(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.seen {
		if r.Shard+"/"+r.Sequence == id {
			w.acknowledge(r)
		}
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func keepAll(*Record) bool { return true }

func wantError[E error](t *testing.T, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want a %T", err, e)
	}
	return e
}

func wantStop(t *testing.T, w *worker) {
	t.Helper()
	if err := w.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// logs collects what is logged, by message.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func logger(l *logs) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logs) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}
