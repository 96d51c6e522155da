package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/deploy"
	"github.com/postroom/postroom/projector"
)

func newProject(p process, g *global) *cobra.Command {
	var idle idleOptions
	var server httpOptions
	cmd := &cobra.Command{
		Use:   "project",
		Short: "Keep every member's conversation list, and send notifications",
		Long:  "Reads the table's stream until it is stopped. One projector works on a table at a\ntime; a second is refused with the first one's name.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := idle.check(); err != nil {
				return err
			}
			l, err := server.listen(cmd.Context())
			if err != nil {
				return err
			}
			if l != nil {
				defer l.Close() // the server has closed it, if it was started
			}
			return withApp(cmd.Context(), p, g, need{tables: true, daemon: true}, func(ctx context.Context, a *app) error {
				return a.project(ctx, idle, l)
			})
		},
	}
	server.flags(cmd)
	idle.flags(cmd)
	return cmd
}

// newProjector makes the projector, once tables and queues are known to be
// there.
func (a *app) newProjector(ctx context.Context, opts projector.Options) (*projector.Projector, error) {
	if err := deploy.Check(ctx, a.backend, deploy.Options{Table: a.global.table, Queue: a.queue}); err != nil {
		return nil, err
	}
	index, err := a.hasIndex(ctx)
	if err != nil {
		return nil, err
	}
	return projector.New(projector.Config{
		Table: a.table(), Control: a.control(),
		Stream: a.backend.Stream(a.global.table), Queue: a.backend.Queue(a.queue),
		StandardQueue: !postroom.IsFIFO(a.queue), TableName: a.global.table, Index: index,
	}, opts), nil
}

func (a *app) project(ctx context.Context, idle idleOptions, l net.Listener) error {
	proj, err := a.newProjector(ctx, projector.Options{Logger: a.log})
	if err != nil {
		return err
	}
	var script func(context.Context) error
	if idle.until {
		script = func(ctx context.Context) error {
			_, err := waitQuiet(ctx, idle.after, projectorQuiet(proj))
			return err
		}
	}
	if err := runUntil(ctx, script, proj.Run, healthServer(l, projectorWorks(proj), a.log)); err != nil {
		return err
	}
	s := proj.Stats()
	a.log.Info("projector stopped", "projected", s.Projected, "moves", s.Moves,
		"notifications_sent", s.NotificationsSent, "set_aside", s.SetAside)
	if idle.until {
		return checkSetAside(s)
	}
	return nil
}

// checkSetAside is an error if records were set aside.
func checkSetAside(s projector.Stats) error {
	if s.SetAside == 0 {
		return nil
	}
	return fmt.Errorf("%s records could not be projected and were set aside", count(s.SetAside))
}

func projectorQuiet(p *projector.Projector) quiet {
	return func(context.Context) (time.Time, bool, error) {
		since, ok := p.IdleSince()
		return since, ok, nil
	}
}

// projectorWorks says that the projector owns the stream and has done something
// with it: read all of it to the end, or projected a message. A projector that
// waits for the stream, or cannot read or write, has done neither.
func projectorWorks(p *projector.Projector) func() bool {
	return func() bool {
		_, idle := p.IdleSince()
		return idle || p.Stats().Projected > 0
	}
}
