package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer/dedup"
)

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
		return a.queue + "|" + n.ID, err
	}, dedup.Options{TTL: o.ttl, Logger: a.log})
	if err != nil {
		return &usageError{err}
	}
	s.Handler, s.collectors = h, append(s.collectors, h.Collector())
	return nil
}

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
