package stream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// Reader is one worker on one stream.
type Reader struct {
	stream  backend.Stream
	control backend.Table
	handler Handler
	opt     Options
	count   counters
	current atomic.Pointer[run]
}

// NewReader makes a reader of s that keeps its fleet's leases and checkpoints in
// the control table and gives its records to h. It makes no call.
func NewReader(s backend.Stream, control backend.Table, h Handler, o Options) *Reader {
	return &Reader{stream: s, control: control, handler: h, opt: o}
}

// Run joins the fleet of the stream's workers and reads its share of the shards
// until ctx is done, then stops in stages: it reads no more, waits up to
// DrainTimeout for acknowledgements, writes the checkpoints, leaves the fleet,
// and returns nil.
//
// A worker that was declared dead, since it was frozen or cut off for longer than
// the lease duration, notices when it wakes up, and joins anew.
//
// Otherwise Run returns a [DataLossError] if there is nobody to take care of a
// loss, the handler's error, or one that no retry mends: at once if a first call
// fails so, after two minutes later on. It stops in the same stages then. It may
// be called again after it has returned.
func (r *Reader) Run(ctx context.Context) error {
	opt, err := r.opt.withDefaults()
	if err != nil {
		return err
	}
	window := newWindow(opt)
	troubles := trouble.NewLog(opt.Logger, minPause, maxPause)
	defer troubles.Close()
	for {
		err := r.live(ctx, newRun(r, opt, window, troubles))
		switch {
		case ctx.Err() != nil && (err == nil || again(err)):
			return nil
		case !again(err):
			return err
		case errors.Is(err, errTaken):
			r.count.buried.Add(1)
			opt.Logger.Warn("this worker's session was expired: others have its shards, and it rejoins", "worker", opt.Worker)
		}
		troubles.GiveUp()
		if trouble.Sleep(ctx, jitter(opt.LeaseDuration/10), nil) != nil {
			return nil
		}
	}
}

// again reports whether a worker lives on after its run has ended.
func again(err error) bool { return errors.Is(err, errTaken) || errors.Is(err, errReplaced) }

func (r *Reader) live(ctx context.Context, current *run) error {
	if err := current.join(ctx); err != nil {
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
// end and nothing waits for an acknowledgement, as far as this worker sees it:
// of the shards that others hold it knows only that they do. ok is false while
// that is not so, and while the reader does not run. It may be called
// concurrently with Run.
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
		{"Retention", &o.Retention, 1, 24 * time.Hour},
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
	}{
		{"MaxInFlight", &o.MaxInFlight, 10_000}, {"FlushCount", &o.FlushCount, 1_000}, {"Pollers", &o.Pollers, 32},
	} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value < 0 {
			return o, fmt.Errorf("stream.Options: %s is %d, and must be at least 1", n.name, *n.value)
		}
	}
	if o.MaxInFlightBytes == 0 {
		o.MaxInFlightBytes = 64 << 20
	}
	if o.MaxInFlightBytes < maxPageBytes {
		return o, fmt.Errorf("stream.Options: MaxInFlightBytes is %d, and must be at least %d", o.MaxInFlightBytes, maxPageBytes)
	}
	if o.Now == nil {
		o.Now = time.Now
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
