package main

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/postroom/postroom/consumer"
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

// open returns the sink. Its errors are usage errors, except for a file that cannot be
// read.
func (o *sinkOptions) open(a *app, concurrency int) (sink, error) {
	switch o.kind {
	case "log":
		if o.url != "" || o.secretFile != "" {
			return sink{}, usagef("--webhook-url and --webhook-secret-file are for --sink webhook")
		}
		return sink{
			Handler: consumer.LogSink(a.stdout), ready: func() string { return "" }, close: func() {},
		}, nil
	case "webhook":
		return o.openWebhook(a, concurrency)
	}
	return sink{}, usagef("--sink is %q, must be log or webhook", o.kind)
}

func (o *sinkOptions) openWebhook(a *app, concurrency int) (sink, error) {
	url := cmp.Or(o.url, a.getenv("POSTROOM_WEBHOOK_URL"))
	if url == "" {
		return sink{}, usagef("--webhook-url is missing")
	}
	keys, err := o.keys(a)
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

func (o *sinkOptions) keys(a *app) ([]webhook.Key, error) {
	text, where := a.getenv("POSTROOM_WEBHOOK_SECRET"), "POSTROOM_WEBHOOK_SECRET"
	if o.secretFile != "" {
		where = "--webhook-secret-file"
		data, err := os.ReadFile(o.secretFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		text = string(data)
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
