package dedup

import (
	"log/slog"
	"time"

	"github.com/postroom/postroom/internal/option"
)

// Options of a [Handler]. Zero means the default.
type Options struct {
	// TTL is for how long a handled id is remembered, from 1 s to 366 days. Default
	// 24 h: a projector that starts anew repeats at most what the stream still has,
	// and DynamoDB keeps that for 24 hours. If you redrive dead letters or replay
	// conversations later than that, choose a TTL that covers it.
	TTL time.Duration
	// Logger receives incidents of the store, claims that were lost, and messages
	// that could not be recorded. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.TTL, 24*time.Hour)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return o, option.Check("dedup", "TTL", o.TTL, time.Second, 366*24*time.Hour)
}
