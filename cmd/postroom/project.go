package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/deploy"
	"github.com/postroom/postroom/projector"
)

// projectOptions are the flags of project.
type projectOptions struct {
	worker     string
	onDataLoss string
	addr       string
	idle       idleOptions
}

func newProject(p process, g *global) *cobra.Command {
	var o projectOptions
	cmd := &cobra.Command{
		Use:   "project",
		Short: "Keep every member's conversation list, and send notifications",
		Long: `Reads the table's stream until it is stopped. Several may run on one table: they
share its shards, and go on with those of one that is stopped or dies.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := o.projector()
			if err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{tables: true, daemon: true, addr: o.addr}, func(ctx context.Context, a *app) error {
				return a.project(ctx, opts, o.idle)
			})
		},
	}
	cmd.Flags().StringVar(&o.worker, "worker", "", "name of this projector among those of the table (default HOST:PID:RANDOM)")
	cmd.Flags().StringVar(&o.onDataLoss, "on-data-loss", lossRecover, "when the stream has lost records that were not read: recover them from the log, or halt")
	serverFlag(cmd, &o.addr)
	o.idle.flags(cmd)
	return cmd
}

// The values of --on-data-loss.
const (
	lossRecover = "recover"
	lossHalt    = "halt"
)

// projector checks the flags and returns the projector's options.
func (o *projectOptions) projector() (projector.Options, error) {
	opts := projector.Options{Worker: o.worker}
	switch o.onDataLoss {
	case lossRecover:
		opts.OnDataLoss = projector.Backfill
	case lossHalt:
		opts.OnDataLoss = projector.Halt
	default:
		return opts, usagef("--on-data-loss is %q, must be %s or %s", o.onDataLoss, lossRecover, lossHalt)
	}
	return opts, o.idle.check()
}

// newProjector makes the projector after checking that its tables and queues
// exist.
func (a *app) newProjector(ctx context.Context, opts projector.Options) (*projector.Projector, error) {
	if err := deploy.Check(ctx, a.backend, deploy.Options{Table: a.global.table, Queue: a.queue}); err != nil {
		return nil, err
	}
	index, err := a.hasIndex(ctx)
	if err != nil {
		return nil, err
	}
	opts.TracerProvider = a.tracing
	return projector.New(projector.Config{
		Table: a.table(), Control: a.control(),
		Stream: a.backend.Stream(a.global.table), Queue: a.backend.Queue(a.queue),
		QueueName: a.queue, TableName: a.global.table, Index: index,
	}, opts), nil
}

func (a *app) project(ctx context.Context, opts projector.Options, idle idleOptions) error {
	opts.Logger = a.log
	proj, err := a.newProjector(ctx, opts)
	if err != nil {
		return err
	}
	var script func(context.Context) error
	if idle.until {
		script = func(ctx context.Context) error {
			if _, err := waitQuiet(ctx, idle.after, a.projectorQuiet(proj)); err != nil {
				return err
			}
			return a.checkUnread(ctx)
		}
	}
	server := a.server(projectorReady(proj), proj.Collector(), a.unitsCollector())
	if err := runUntil(ctx, script, proj.Run, server); err != nil {
		return err
	}
	s := proj.Stats()
	a.log.Info("projector stopped", "projected", s.Projected, "moves", s.Moves,
		"notifications_sent", s.NotificationsSent, "quarantined", s.Quarantined)
	if idle.until {
		return checkQuarantined(s)
	}
	return nil
}

// checkQuarantined returns an error if records were quarantined.
func checkQuarantined(s projector.Stats) error {
	if s.Quarantined == 0 {
		return nil
	}
	return fmt.Errorf("%s records could not be processed and were quarantined: see `postroom quarantine list --reasons`", count(s.Quarantined))
}

// probePause is the pause between probes of the shards that other workers hold.
const probePause = time.Second

// projectorQuiet is quiet when the projector is. If its worker group has other
// members, or had some a moment ago, no shard may hold a record after its
// checkpoint either: a worker that died looks alive until its lease expires.
func (a *app) projectorQuiet(p *projector.Projector) quiet {
	var probed time.Time
	var done bool
	return func(ctx context.Context) (time.Time, bool, error) {
		since, ok := p.IdleSince()
		if !ok || p.StreamStats().Workers == 1 {
			return since, ok, nil
		}
		if time.Since(probed) < probePause {
			return since, done, nil
		}
		var err error
		done, err = a.allDone(ctx)
		probed = time.Now()
		return since, done, err
	}
}

// allDone reports whether no shard holds a record after its checkpoint. What is
// damaged is never done, and ends the wait.
func (a *app) allDone(ctx context.Context) (bool, error) {
	if err := a.checkUnread(ctx); err != nil {
		return false, err
	}
	s, err := a.streamStatus(ctx)
	if err != nil {
		return false, err
	}
	for i, p := range a.probeShards(ctx, s) {
		if !s.Shards[i].Finished && (!p.known || !p.oldest.IsZero()) {
			return false, nil
		}
	}
	return true, nil
}
