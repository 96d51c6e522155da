package dedup

import (
	"errors"
	"log/slog"
	"time"

	"github.com/postroom/postroom/internal/option"
)

// Options of a [Handler]. Zero means the default.
type Options struct {
	// TTL is for how long a handled id is remembered, from 1 s to 366 days.
	// Default 24 h: a projector that starts anew repeats at most what the stream
	// still has, and DynamoDB keeps that for 24 hours. Where queues are redriven
	// or conversations replayed later than that, take as long as that may be.
	TTL time.Duration
	// Lease is how long an id stays claimed after a worker died with it, from 3 s
	// to 12 h. A third of it bounds a call of the store. Default 1 min: handlers
	// of up to 20 s renew nothing, a store may be away for 40 s before a claim
	// runs out, and what a dead worker had in hand waits little longer than for
	// the queue's visibility timeout.
	Lease time.Duration
	// Logger takes troubles of the store, claims that were lost, and what could
	// not be recorded. Default: none.
	Logger *slog.Logger
}

const (
	minTTL, maxTTL     = time.Second, 366 * 24 * time.Hour
	minLease, maxLease = 3 * time.Second, 12 * time.Hour
)

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.TTL, 24*time.Hour)
	option.Default(&o.Lease, time.Minute)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return o, errors.Join(option.Check("dedup", "TTL", o.TTL, minTTL, maxTTL), option.Check("dedup", "Lease", o.Lease, minLease, maxLease))
}
