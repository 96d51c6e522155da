package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/consumer"
)

// consumeOptions are the flags of consume.
type consumeOptions struct {
	sink        sinkOptions
	dedup       dedupOptions
	concurrency int
	visibility  time.Duration
	drain       time.Duration
	addr        string
	idle        idleOptions
}

func newConsume(p process, g *global) *cobra.Command {
	var o consumeOptions
	cmd := &cobra.Command{
		Use:   "consume",
		Short: "Hand notifications from the queue to a sink",
		Long:  "Works the queue until it is stopped. The sink log prints each notification, a\nCloudEvents event, as one line of JSON; the sink webhook posts it, signed according\nto Standard Webhooks.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.idle.check(); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{tables: true, daemon: true, addr: o.addr}, func(ctx context.Context, a *app) error {
				return a.consume(ctx, o)
			})
		},
	}
	cmd.Flags().IntVar(&o.concurrency, "concurrency", 16, "how many notifications are handled at once")
	cmd.Flags().DurationVar(&o.visibility, "visibility", 30*time.Second, "for how long a notification is hidden at a time, in whole seconds")
	cmd.Flags().DurationVar(&o.drain, "drain-timeout", 8*time.Second, "how long handlers may take to finish when the command is stopped")
	o.sink.flags(cmd)
	o.dedup.flags(cmd)
	serverFlag(cmd, &o.addr)
	o.idle.flags(cmd)
	return cmd
}

// idleWait is how long a receive waits for messages if the command ends when there is
// nothing left to do.
const idleWait = time.Second

func (a *app) consume(ctx context.Context, o consumeOptions) error {
	sink, err := o.sink.open(ctx, a, o.concurrency)
	if err != nil {
		return err
	}
	defer sink.close()
	if err := o.dedup.wrap(a, &sink); err != nil {
		return err
	}
	opts := consumer.Options{
		Concurrency: o.concurrency, Visibility: o.visibility, DrainTimeout: o.drain, Logger: a.log, TracerProvider: a.tracing,
	}
	if o.idle.until {
		opts.Wait = idleWait
	}
	dead, there, err := a.deadLetters(ctx)
	if err != nil {
		return err
	}
	if there {
		opts.DeadLetters = a.backend.Queue(postroom.DeadLetterQueue(a.queue))
	}
	worker, err := consumer.New(a.backend.Queue(a.queue), sink, opts)
	if err != nil {
		return &usageError{err}
	}
	server := a.server(both(consumerReady(worker), sink.ready), append(sink.collectors, worker.Collector())...)
	if !o.idle.until {
		return runUntil(ctx, nil, worker.Run, server)
	}
	err = runUntil(ctx, func(ctx context.Context) error {
		_, err := waitQuiet(ctx, o.idle.after, all(consumerQuiet(worker), a.queueQuiet()))
		return err
	}, worker.Run, server)
	if err != nil {
		return err
	}
	return a.checkDeadLetters(ctx, dead)
}

func consumerQuiet(w *consumer.Worker) quiet {
	return func(context.Context) (time.Time, bool, error) {
		since, ok := w.IdleSince()
		return since, ok, nil
	}
}

// queueQuiet is quiet when the queue is empty, including messages in flight and delayed.
func (a *app) queueQuiet() quiet {
	queue := a.backend.Queue(a.queue)
	return func(ctx context.Context) (time.Time, bool, error) {
		depth, err := queue.Depth(ctx)
		return time.Time{}, depth.Empty(), err
	}
}
