package stream

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/shard"
)

// defaultLease is the lease duration that nobody has asked for.
const defaultLease = 10 * time.Second

// withDefaults fills in what is zero and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	option.Default(&o.LeaseDuration, defaultLease)
	if err := option.Check("stream", "LeaseDuration", o.LeaseDuration, 100*time.Millisecond, math.MaxInt64); err != nil {
		return o, err
	}
	option.Default(&o.Group, DefaultGroup)
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := CheckGroup(o.Group); err != nil {
		return o, err
	}
	if err := o.Start.check(o.Group, o.Now()); err != nil {
		return o, err
	}
	switch {
	case o.Until.IsZero():
	case o.Group == DefaultGroup:
		return o, fmt.Errorf("stream: Until: the group %s has no end: give the group another name", o.Group)
	case o.Until.Before(o.Start.At):
		return o, fmt.Errorf("stream: Until: %s is before the start, %s", o.Until.UTC().Format(time.RFC3339Nano), o.Start)
	}
	if o.Worker == "" {
		o.Worker = WorkerName()
	}
	return o, nil
}

// WorkerName returns a name for a worker of this process, HOST:PID:RANDOM. It is the
// default of [Options].Worker.
func WorkerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%s:%d:%s", host, os.Getpid(), rand.Text()[:6])
}

// tuning is what no program has had to change. Tests do.
type tuning struct {
	shard.Tuning

	syncInterval       time.Duration // between two listings of the shards, and looks at the leases
	checkpointInterval time.Duration // between two writes of checkpoints
	maxInFlight        int           // records delivered and not acknowledged, over all shards
	maxInFlightBytes   int64         // of them, as the stream counts; at least backend.MaxRecordsBytes
	readers            int           // shards read at once, and calls of the handler that overlap
}

func defaultTuning() tuning {
	return tuning{
		Tuning: shard.Tuning{
			PollInterval: 200 * time.Millisecond, MaxIdle: time.Second,
			DrainTimeout: time.Second, CheckpointCount: 1_000,
		},
		syncInterval: 30 * time.Second, checkpointInterval: time.Second,
		maxInFlight: 10_000, maxInFlightBytes: 64 << 20, readers: 32,
	}
}

const (
	// writers is how many leases are written at once.
	writers = 16
	// leaveTimeout bounds the last checkpoints and leaving the worker group.
	leaveTimeout = 800 * time.Millisecond
	// gatherTime is how long a reader that was woken waits for what follows:
	// writes come in bursts, and one read may bring several.
	gatherTime = 2 * time.Millisecond
	// patience is how long an error is retried that only a person can fix:
	// credentials expire and come back.
	patience = 2 * time.Minute
)

// policy is how calls are repeated, each of which has a timeout, see once. Source of
// the pauses: the KCL adapter for DynamoDB Streams backs off from 100 ms to 10 s.
func policy() retry.Policy {
	return retry.Policy{
		Min: 100 * time.Millisecond, Max: 10 * time.Second, MaxUnavailable: 3 * time.Second, Patience: patience,
		Final: func(err error) bool {
			var loss *DataLossError
			return errors.Is(err, lease.ErrLost) || errors.As(err, &loss)
		},
	}
}

// once is the policy of a call that a loop around it repeats. One of 30 s is a
// megabyte over a slow line.
func once() retry.Policy {
	p := policy()
	p.Attempts, p.Timeout = 1, 30*time.Second
	return p
}

// first is the policy of the first calls of a session: an error that only a person
// can fix ends it at once.
func first() retry.Policy {
	p := policy()
	p.Final = retry.Permanent
	return p
}
