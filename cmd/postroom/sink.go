package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/dedup"
	"github.com/postroom/postroom/consumer/webhook"
)

// sinkOptions are the flags of the sink.
type sinkOptions struct {
	kind         string
	url          string
	secretFile   string
	timeout      time.Duration
	allowPrivate bool
}

func (o *sinkOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.kind, "sink", "log", "where notifications go: log or webhook")
	f.StringVar(&o.url, "webhook-url", "", "the URL to post notifications to; also POSTROOM_WEBHOOK_URL")
	f.StringVar(&o.secretFile, "webhook-secret-file", "", "file with the keys to sign with, whsec_…; while a key changes, the old and the new one. Or put the keys themselves into POSTROOM_WEBHOOK_SECRET")
	f.DurationVar(&o.timeout, "webhook-timeout", 15*time.Second, "how long a delivery may take, including its answer")
	f.BoolVar(&o.allowPrivate, "webhook-allow-private", false, "also post to loopback and private addresses, even by plain http")
}

// sink is the destination of notifications.
type sink struct {
	consumer.Handler

	collectors []prometheus.Collector
	ready      readiness
	close      func()
}

// open returns the sink, which measures how long deliveries take. Its errors are usage
// errors, except for a file that cannot be read.
func (o *sinkOptions) open(ctx context.Context, a *app, concurrency int) (sink, error) {
	s, err := o.openKind(ctx, a, concurrency)
	if err != nil {
		return s, err
	}
	t := &timed{next: s.Handler}
	s.Handler, s.collectors = t, append(s.collectors, t.collector())
	return s, nil
}

func (o *sinkOptions) openKind(ctx context.Context, a *app, concurrency int) (sink, error) {
	switch o.kind {
	case "log":
		if o.url != "" || o.secretFile != "" {
			return sink{}, usagef("--webhook-url and --webhook-secret-file are for --sink webhook")
		}
		return sink{
			Handler: consumer.LogSink(a.stdout), ready: func() string { return "" }, close: func() {},
		}, nil
	case "webhook":
		return o.openWebhook(ctx, a, concurrency)
	}
	return sink{}, usagef("--sink is %q, must be log or webhook", o.kind)
}

func (o *sinkOptions) openWebhook(ctx context.Context, a *app, concurrency int) (sink, error) {
	url := cmp.Or(o.url, a.getenv("POSTROOM_WEBHOOK_URL"))
	if url == "" {
		return sink{}, usagef("--webhook-url is missing")
	}
	keys, err := o.keys(ctx, a)
	if err != nil {
		return sink{}, err
	}
	s, err := webhook.New(url, keys, webhook.Options{
		Timeout: o.timeout, Concurrency: min(concurrency, 1<<10),
		AllowPrivate: o.allowPrivate, Logger: a.log,
	})
	if err != nil {
		return sink{}, &usageError{err}
	}
	ready := func() string {
		if err := s.Disabled(); err != nil {
			return err.Error()
		}
		return ""
	}
	return sink{Handler: s, collectors: []prometheus.Collector{s.Collector()}, ready: ready, close: s.Close}, nil
}

// maxSecretBytes bounds a file of keys, in bytes: two keys take far less.
const maxSecretBytes = 64 << 10

func (o *sinkOptions) keys(ctx context.Context, a *app) ([]webhook.Key, error) {
	text, where := a.getenv("POSTROOM_WEBHOOK_SECRET"), "POSTROOM_WEBHOOK_SECRET"
	if o.secretFile != "" {
		where = "--webhook-secret-file"
		var err error
		if text, err = readSecret(ctx, where, o.secretFile); err != nil {
			return nil, err
		}
	}
	if text == "" {
		return nil, usagef("--webhook-secret-file or POSTROOM_WEBHOOK_SECRET is missing: posted notifications must be signed")
	}
	keys, err := webhook.ParseKeys(text)
	if err != nil {
		return nil, usagef("%s: %w", where, err)
	}
	return keys, nil
}

// readSecret reads a file that only its owner can read. Where is for its errors.
func readSecret(ctx context.Context, where, name string) (string, error) {
	in := interruptible(ctx, func() (io.ReadCloser, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil {
			if wrong := checkSecret(name, info); wrong != nil {
				err = &usageError{wrong}
			}
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	})
	defer in.Close() // only read
	data, err := readBounded(in, where, maxSecretBytes)
	return string(data), err
}

// dedupOptions are the flags of deduplication.
type dedupOptions struct {
	store string
	ttl   time.Duration
}

func (o *dedupOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.store, "dedup", "memory", "where handled ids are remembered, so that repetitions are dropped: memory, for this process; table, for all consumers, at two write units a notification; off")
	f.DurationVar(&o.ttl, "dedup-ttl", 24*time.Hour, "for how long a handled id is remembered")
}

// wrap puts a handler that drops repetitions in front of a sink.
func (o *dedupOptions) wrap(a *app, s *sink) error {
	store, err := o.open(a)
	if store == nil || err != nil {
		return err
	}
	h, err := dedup.New(s.Handler, store, func(d backend.Delivery) (string, error) {
		n, err := postroom.DecodeNotification(d.Body)
		return a.handledID(n), err
	}, dedup.Options{TTL: o.ttl, Logger: a.log})
	if err != nil {
		return &usageError{err}
	}
	s.Handler, s.collectors = h, append(s.collectors, h.Collector())
	return nil
}

// handledID is by what a notification that was handled is remembered: consumers of other
// queues do something else with it. Each replay has it handled once more.
func (a *app) handledID(n postroom.Notification) string { return a.queue + "|" + n.DeduplicationID() }

// open returns nil if deduplication is off.
func (o *dedupOptions) open(a *app) (dedup.Store, error) {
	switch o.store {
	case "off":
		return nil, nil
	case "memory":
		return dedup.NewMemory(dedup.MemoryOptions{})
	case "table":
		return dedup.NewTable(a.control()), nil
	}
	return nil, usagef("--dedup is %q, must be memory, table or off", o.store)
}
