package webhook

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"github.com/postroom/postroom/internal/option"
)

// Options of a [Sink]. Zero means the default.
type Options struct {
	// Timeout bounds a delivery from the first dial to the end of the answer,
	// redirects included, but not the wait for its turn. 1 ms to 10 min, default
	// 15 s. Source: Standard Webhooks 1.0.0, Request timeouts: 15 s to 30 s.
	Timeout time.Duration
	// Concurrency is how many requests are under way at once; other calls wait.
	// 1 to 1024, default 16.
	Concurrency int
	// AllowPrivate allows requests to loopback and private addresses, and to
	// these also by plain http.
	AllowPrivate bool
	// RootCAs are the authorities trusted to sign the receiver's certificate.
	// Default: those that the system trusts.
	RootCAs *x509.CertPool
	// Logger logs an error when the receiver is gone, and a warning when it asks
	// for a pause. Default: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.Timeout, 15*time.Second)
	option.Default(&o.Concurrency, 16)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return o, errors.Join(
		option.Check("webhook", "Timeout", o.Timeout, time.Millisecond, 10*time.Minute),
		option.Check("webhook", "Concurrency", o.Concurrency, 1, 1<<10),
	)
}
