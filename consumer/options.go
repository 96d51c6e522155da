package consumer

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
)

// Options of a [Worker]. Zero means the default.
type Options struct {
	// Concurrency is how many handlers run at once. The worker keeps up to ten
	// messages in flight for each of them: waiting, being handled, or not yet
	// settled. Default 16.
	Concurrency int
	// Receivers is how many receives wait for messages at once. Each brings at
	// most ten messages a round trip. Default 2.
	Receivers int
	// DeadLetters is the queue's dead-letter queue, where messages go at once that
	// a handler gives up with [DeadLetter]. Default: none, and such messages get
	// there by their receive count.
	DeadLetters backend.Queue
	// Visibility is for how long a message is hidden at a time, in whole seconds
	// from 1 s to 12 h. After a crash, the worker's messages come again within
	// this time. Default 30 s.
	Visibility time.Duration
	// Wait is how long a receive waits for a message, in whole seconds up to 20 s.
	// Default 20 s.
	Wait time.Duration
	// BackoffMin and BackoffMax bound the pause after a message failed: the first
	// is between half of BackoffMin and BackoffMin, each later one twice as long up
	// to BackoffMax, and all are rounded up to whole seconds. Defaults 2 s and 5
	// min.
	BackoffMin, BackoffMax time.Duration
	// DrainTimeout bounds the time between the end of Run's context and Run's
	// return; handlers are cancelled after three quarters of it. Default 8 s, which
	// is less than the 10 s after which Docker kills a process.
	DrainTimeout time.Duration
	// Logger receives failures, and a summary at the end. Default: none.
	Logger *slog.Logger
	// TracerProvider continues the traces that notifications carry: each call of the
	// handler is a span, which the handler finds in its context. Default
	// otel.GetTracerProvider, which records nothing unless the program has set one.
	TracerProvider trace.TracerProvider
}

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.Concurrency, 16)
	option.Default(&o.Receivers, 2)
	option.Default(&o.Visibility, 30*time.Second)
	option.Default(&o.Wait, backend.MaxWait)
	option.Default(&o.BackoffMin, 2*time.Second)
	option.Default(&o.BackoffMax, 5*time.Minute)
	option.Default(&o.DrainTimeout, 8*time.Second)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return o, errors.Join(
		option.Check("consumer", "Concurrency", o.Concurrency, 1, 1<<16),
		option.Check("consumer", "Receivers", o.Receivers, 1, 1<<10),
		option.Check("consumer", "Visibility", o.Visibility, time.Second, backend.MaxVisibility),
		option.Check("consumer", "Wait", o.Wait, time.Second, backend.MaxWait),
		option.Check("consumer", "BackoffMin", o.BackoffMin, time.Millisecond, backend.MaxVisibility),
		option.Check("consumer", "BackoffMax", o.BackoffMax, o.BackoffMin, backend.MaxVisibility),
		option.Check("consumer", "DrainTimeout", o.DrainTimeout, time.Millisecond, backend.MaxVisibility),
		wholeSeconds("Visibility", o.Visibility),
		wholeSeconds("Wait", o.Wait),
	)
}

func wholeSeconds(name string, d time.Duration) error {
	if d%time.Second != 0 {
		return fmt.Errorf("consumer: option %s is %v, must be whole seconds", name, d)
	}
	return nil
}
