package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/projector"
	"github.com/postroom/postroom/projector/replay"
)

func newReplayStop(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "stop NAME",
		Short: "Stop a replay",
		Long:  "Has all commands that carry the replay out end within seconds. It can be resumed.",
		Args:  arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				r, err := replay.Stop(ctx, a.control(), args[0])
				if err != nil {
					return err
				}
				return a.printReplay(r, time.Now())
			})
		},
	}
}

func newReplayResume(p process, g *global) *cobra.Command {
	var rate int
	cmd := &cobra.Command{
		Use:   "resume NAME",
		Short: "Go on with a replay",
		Long: `Goes on with a replay that was stopped, or whose command has died: on any machine, and
beside others that do. With --rate it goes on at another rate, wherever it is carried out.`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("rate") && (rate < 1 || rate > replay.MaxRate) {
				return usagef("--rate is %d, must be 1 to %d", rate, replay.MaxRate)
			}
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				return a.resumeReplay(ctx, args[0], rate)
			})
		},
	}
	cmd.Flags().IntVar(&rate, "rate", 0, "how many messages are replayed a second at most (default: as before)")
	return cmd
}

// resumeReplay goes on with a replay, at another rate unless that is 0.
func (a *app) resumeReplay(ctx context.Context, name string, rate int) error {
	r, err := replay.Resume(ctx, a.control(), name, rate)
	switch {
	case errors.Is(err, replay.ErrDone):
		fmt.Fprintf(a.stderr, "The replay %s is done\n", name)
		return a.printReplay(r, time.Now())
	case err != nil:
		return err
	}
	fmt.Fprintf(a.stderr, "replay %s: %s of %s messages are replayed, the others follow, %s a second at most, in about %v\n", name,
		count(r.Counts.Replayed), count(r.Total), count(r.Rate), max(time.Second, r.Left()).Round(time.Second))
	return a.carryOut(ctx, r)
}

// carryOut carries a replay out, or waits beside the command that does, and prints what
// came of it.
func (a *app) carryOut(ctx context.Context, r replay.Replay) error {
	p, err := a.newProjector(ctx, projector.Options{Logger: newLog(a.process, max(a.level, slog.LevelWarn), false)})
	if err != nil {
		return err
	}
	bar := newProgress(a.process, "replaying", r.Total)
	err = p.RunReplay(ctx, r.Name, func(now replay.Replay) {
		r = now
		_ = bar.Set64(min(r.Counts.Replayed, r.Total))
	})
	_ = bar.Finish()
	if err != nil && !errors.Is(err, replay.ErrStopped) {
		return err
	}
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch printErr := a.printReplayed(r, time.Now()); {
	case printErr != nil:
		return printErr
	case err != nil:
		return fmt.Errorf("%w: `%s replay resume %s` goes on with it", err, a.commandLine(), r.Name)
	case r.Counts.Quarantined > 0:
		return fmt.Errorf("%s messages could not be processed and are quarantined: see `postroom quarantine list --reasons`", count(r.Counts.Quarantined))
	}
	return nil
}
