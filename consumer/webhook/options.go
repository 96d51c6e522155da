package webhook

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
)

// Options of a [Sink]. Zero means the default.
type Options struct {
	// Timeout bounds a delivery from the first dial to the end of the answer,
	// redirects included; not the wait for its turn. 1 ms to 10 min, default
	// 15 s. Source: Standard Webhooks 1.0.0, Request timeouts: 15 s to 30 s.
	Timeout time.Duration
	// ConnectTimeout bounds the dial with its look-up of the name, and the TLS
	// handshake after it, each. 1 ms to 10 min, default 5 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for the header of the answer once the
	// request is written. 1 ms to 10 min, default 10 s.
	HeaderTimeout time.Duration
	// Concurrency is how many requests are under way at once; other calls wait.
	// 1 to 1024, default 16.
	Concurrency int
	// Pause is for how long nothing is sent after a 429 that does not say.
	// 1 s to 12 h, default 10 s.
	Pause time.Duration
	// MaxPause bounds what the receiver asks for by Retry-After. 1 s to 12 h,
	// default 1 h.
	MaxPause time.Duration
	// AllowPrivate lets requests go to loopback and private addresses, and
	// plain http to these.
	AllowPrivate bool
	// RootCAs are whom to trust to sign the receiver's certificate. Default:
	// whom the system trusts.
	RootCAs *x509.CertPool
	// Logger takes that the receiver is gone, as an error, and that it asks for
	// a pause, as a warning. Default: none.
	Logger *slog.Logger
}

// maxTimeout is far longer than any receiver should take.
const maxTimeout = 10 * time.Minute

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.Timeout, 15*time.Second)
	option.Default(&o.ConnectTimeout, 5*time.Second)
	option.Default(&o.HeaderTimeout, 10*time.Second)
	option.Default(&o.Concurrency, 16)
	option.Default(&o.Pause, 10*time.Second)
	option.Default(&o.MaxPause, time.Hour)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return o, errors.Join(
		option.Check("webhook", "Timeout", o.Timeout, time.Millisecond, maxTimeout),
		option.Check("webhook", "ConnectTimeout", o.ConnectTimeout, time.Millisecond, maxTimeout),
		option.Check("webhook", "HeaderTimeout", o.HeaderTimeout, time.Millisecond, maxTimeout),
		option.Check("webhook", "Concurrency", o.Concurrency, 1, 1<<10),
		option.Check("webhook", "Pause", o.Pause, minRetryAfter, backend.MaxVisibility),
		option.Check("webhook", "MaxPause", o.MaxPause, minRetryAfter, backend.MaxVisibility),
	)
}
