package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/cmd/postroom/sample"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/producer"
	"github.com/postroom/postroom/projector"
)

// devOptions are the flags of dev.
type devOptions struct {
	files []string
	addr  string
	idle  idleOptions
}

const (
	// devLease is the lease duration of one process on one file: after a crash the
	// next process waits this long for a heartbeat.
	devLease = 2 * time.Second
	// devSettled is how long everything must be quiet before dev reports what it
	// did and stays up.
	devSettled = 300 * time.Millisecond
)

func newDev(p process, g *global) *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole pipeline in one process, on one file",
		Long: `Runs producer, projector and consumer in one process on the local backend. The
first start imports a bundled sample of real conversations. Then it stays up
and prints a line for each notification that it delivers.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.backend != "local" {
				return usagef("dev runs on --backend local; on aws run project and consume")
			}
			if err := o.idle.check(); err != nil {
				return err
			}
			if err := checkInputs(o.files); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{tables: true, daemon: true, addr: cmp.Or(o.addr, ":0")}, func(ctx context.Context, a *app) error {
				return (&devRun{app: a, opts: o, start: time.Now()}).run(ctx)
			})
		},
	}
	cmd.Flags().StringArrayVar(&o.files, "import", nil, "file of messages to import instead of the sample, JSONL, - for standard input; may be repeated")
	cmd.Flags().StringVar(&o.addr, addrFlag, defaultAddr, "address of the HTTP server; with :0 the system picks a port")
	o.idle.flags(cmd)
	return cmd
}

// devRun is one run of dev.
type devRun struct {
	*app

	opts     devOptions
	start    time.Time
	caughtUp atomic.Bool

	projector *projector.Projector
	worker    *consumer.Worker
	quiet     quiet

	imported producer.Summary
	people   *directory.Filler // of what is imported
	sample   bool              // the sample was imported
	dead     int               // letters, at the start
}

func (d *devRun) run(ctx context.Context) error {
	released, err := d.local.ReleaseDead(ctx)
	if err != nil {
		return err
	}
	if released > 0 {
		d.log.Info("released what an ended process had in flight", "notifications", released)
	}
	if d.dead, _, err = d.deadLetters(ctx); err != nil {
		return err
	}
	d.projector, err = d.newProjector(ctx, projector.Options{LeaseDuration: devLease, Logger: d.log})
	if err != nil {
		return err
	}
	sink := &timed{next: d.sink()}
	d.worker, err = consumer.New(d.backend.Queue(d.queue), sink, consumer.Options{Logger: d.log, TracerProvider: d.tracing})
	if err != nil {
		return err
	}
	d.quiet = all(d.projectorQuiet(d.projector), d.consumerIdle, d.queueQuiet())
	ready := both(projectorReady(d.projector), func() string { return checkQueue(d.worker.AskedSince(), time.Now()) })
	server := d.server(ready, d.projector.Collector(), d.worker.Collector(), sink.collector(), d.unitsCollector())
	return runUntil(ctx, d.script, d.projector.Run, d.worker.Run, server)
}

// consumerIdle is quiet when the worker has no message in flight.
func (d *devRun) consumerIdle(context.Context) (time.Time, bool, error) {
	return time.Time{}, d.worker.Stats().InFlight == 0, nil
}

// script runs beside the daemons, from the import to the end.
func (d *devRun) script(ctx context.Context) error {
	d.people = directory.New(d.table()).Filler()
	if err := d.importAll(ctx); err != nil {
		return err
	}
	after := devSettled
	if d.opts.idle.until {
		after = d.opts.idle.after
	}
	bar := newProgress(d.process, "delivering", -1)
	since, err := waitQuiet(ctx, after, func(ctx context.Context) (time.Time, bool, error) {
		_ = bar.Set64(d.worker.Stats().Delivered)
		return d.quiet(ctx)
	})
	_ = bar.Finish()
	if err != nil {
		return err
	}
	units := d.meter.Units()
	held, err := d.holdings(ctx)
	if err != nil {
		return err
	}
	if err := d.report(ctx, held, units, since.Sub(d.start)); err != nil {
		return err
	}
	if !d.opts.idle.until {
		d.caughtUp.Store(true)
		<-ctx.Done()
		return nil
	}
	return errors.Join(
		d.checkUnread(ctx), refused("import", d.imported), checkQuarantined(d.projector.Stats()), d.checkDeadLetters(ctx, d.dead))
}

func (d *devRun) importAll(ctx context.Context) error {
	for _, name := range d.opts.files {
		d.say("Importing %s …\n", name)
		s, err := d.importFile(ctx, name, d.people)
		d.addImported(s)
		if err := errors.Join(err, d.people.Flush(ctx)); err != nil {
			return err
		}
	}
	if len(d.opts.files) > 0 {
		return checkImported(strings.Join(d.opts.files, ", "), d.imported)
	}
	var err error
	if d.sample, err = d.wantsSample(ctx); err != nil || !d.sample {
		return err
	}
	return d.importSample(ctx)
}

func (d *devRun) importSample(ctx context.Context) error {
	d.say("Importing the bundled sample, %s real messages …\n", count(sample.Messages))
	if err := d.setSampleState(ctx, sampleBegun); err != nil {
		return err
	}
	in, err := unzip("sample", io.NopCloser(sample.Open()))
	if err != nil {
		return err
	}
	s, err := d.importFrom(ctx, "sample", in, sample.Messages, d.people)
	d.addImported(s)
	if err := errors.Join(err, d.people.Flush(ctx)); err != nil {
		return err
	}
	return d.setSampleState(ctx, sampleDone)
}

func (d *devRun) addImported(s producer.Summary) {
	d.imported.Stored += s.Stored
	d.imported.AlreadyThere += s.AlreadyThere
	d.imported.Refused += s.Refused
	d.imported.Orphaned += s.Orphaned
}

// sink prints the deliveries once the pipeline has caught up. Before that there
// are too many.
func (d *devRun) sink() consumer.Handler {
	check, lines := consumer.LogSink(io.Discard), consumer.LogSink(d.stdout)
	return consumer.HandlerFunc(func(ctx context.Context, m backend.Delivery) error {
		switch {
		case !d.caughtUp.Load():
			return check.Handle(ctx, m)
		case d.json:
			return lines.Handle(ctx, m)
		}
		n, err := postroom.DecodeNotification(m.Body)
		if err != nil {
			return err
		}
		return printText(d.stdout, "%s  delivered to %s  from %s: %s\n", time.Now().Format(time.TimeOnly),
			n.Subject, terminal.Line(n.Data.DisplayName, nameWidth), terminal.Line(n.Data.Preview, textWidth))
	})
}
