package stream

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
)

// Reader is one worker on one stream.
type Reader struct {
	stream  backend.Stream
	control backend.Table
	handler Handler
	opt     Options
	current atomic.Pointer[run]
}

// NewReader makes a reader of s that keeps ownership and checkpoints in the
// control table and gives its records to h. It makes no call.
func NewReader(s backend.Stream, control backend.Table, h Handler, o Options) *Reader {
	return &Reader{stream: s, control: control, handler: h, opt: o}
}

// Run takes the stream and reads it until ctx is done, then stops in stages: it
// reads no more, waits up to DrainTimeout for acknowledgements, writes the
// checkpoints, releases the stream, and returns nil.
//
// Otherwise it returns an [OwnedError], a [LostError], a [DataLossError], the
// handler's error, or one that no retry mends: at once if a first call fails so,
// after two minutes later on. It stops in the same stages then, unless the
// stream is another's. It may be called again after it has returned.
func (r *Reader) Run(ctx context.Context) error {
	opt, err := r.opt.withDefaults()
	if err != nil {
		return err
	}
	current := newRun(r.stream, r.control, r.handler, opt)
	defer current.troubles.Close()
	if err := current.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	r.current.Store(current)
	defer r.current.Store(nil)
	return current.work(ctx)
}

// IdleSince says since when every known shard is read to its open tip or its
// end and nothing waits for an acknowledgement; ok is false while that is not
// so, and while the reader does not run. It may be called concurrently with Run.
func (r *Reader) IdleSince() (t time.Time, ok bool) {
	if current := r.current.Load(); current != nil {
		return current.idleSince()
	}
	return time.Time{}, false
}

// withDefaults fills in what is zero and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		name         string
		value        *time.Duration
		least, usual time.Duration
	}{
		{"LeaseDuration", &o.LeaseDuration, 100 * time.Millisecond, 10 * time.Second},
		{"PollInterval", &o.PollInterval, 1, 200 * time.Millisecond},
		{"MaxIdle", &o.MaxIdle, 1, time.Second},
		{"DiscoverInterval", &o.DiscoverInterval, 1, 30 * time.Second},
		{"FlushInterval", &o.FlushInterval, 1, time.Second},
		{"DrainTimeout", &o.DrainTimeout, 1, time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
		if *d.value < d.least {
			return o, fmt.Errorf("stream.Options: %s is %v, and must be at least %v", d.name, *d.value, d.least)
		}
	}
	for _, n := range []struct {
		name  string
		value *int
		usual int
	}{{"Window", &o.Window, 10_000}, {"FlushCount", &o.FlushCount, 1_000}} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value < 0 {
			return o, fmt.Errorf("stream.Options: %s is %d, and must be at least 1", n.name, *n.value)
		}
	}
	o.MaxIdle = max(o.MaxIdle, o.PollInterval)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Worker == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown-host"
		}
		o.Worker = fmt.Sprintf("%s:%d:%s", host, os.Getpid(), rand.Text()[:6])
	}
	return o, nil
}
