package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/rebuild"
)

// rebuildOptions are the flags of rebuild.
type rebuildOptions struct {
	all    bool
	scope  rebuild.Scope
	shadow string // the name of a view
	// rowFormat is that of the view's rows; 0: as it is, or the first one
	rowFormat int

	rate   int
	wait   bool
	dryRun bool
}

func newRebuild(p process, g *global) *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Make the projection anew from the log",
		Long: `Makes the heads and rows of conversations what their logs say, whatever has become of
them, and removes rows that are left over from something: with --all those of all
conversations, with --group of that one, with --user of those that the user is or was a
member of. --user reads the whole table, to find them. Nobody is notified, and a
conversation that is moved meanwhile is never moved back.

The projectors of the table do the work, or where none runs, this command. It says what
there is to do, at what rate and for about how long before it begins, and then shows how
far it is. If it is interrupted the projectors go on, and the same command shows them at
work; where none runs it goes on from where it was.

With --shadow the rows of all conversations are written beside those that readers read, as
a view of its own, and kept up by every move from then on: ` + "`verify --shadow`" + ` compares
it, ` + "`rebuild switch`" + ` has readers read it, and ` + "`rebuild drop`" + ` removes one that they do not
read. So rows of a new format come into use without a moment of downtime.

Several rebuilds are carried out one after the other. The exit code is 1 if a
conversation could not be rebuilt: they are counted, and the first are listed with the
reason.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("unknown command %q, must be list, stop, resume, switch or drop", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: o.dryRun}, func(ctx context.Context, a *app) error {
				if o.shadow != "" {
					return a.fillView(ctx, o)
				}
				return a.rebuild(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.all, "all", false, "rebuild all conversations")
	f.StringArrayVar(&o.scope.Groups, "group", nil, "rebuild this conversation; may be given several times")
	f.StringArrayVar(&o.scope.Users, "user", nil, "rebuild this user's conversations; may be given several times")
	f.StringVar(&o.shadow, "shadow", "", "write rows of all conversations beside those that readers read, as the view of this name")
	f.IntVar(&o.rowFormat, "row-format", 0, "with --shadow: the format of its rows, 1, or 2 with the uuid of the last message (default 1)")
	f.IntVar(&o.rate, "rate", 500, "how many capacity units a second to consume at most")
	f.BoolVar(&o.wait, "wait", true, "show how far it is until it is done; with --wait=false only ask for it")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what there would be to do, and change nothing")
	cmd.AddCommand(newRebuildList(p, g), newRebuildStop(p, g), newRebuildResume(p, g),
		newRebuildSwitch(p, g), newRebuildDrop(p, g))
	return cmd
}

func (o *rebuildOptions) check() error {
	given := 0
	for _, one := range []bool{o.all, len(o.scope.Groups) > 0, len(o.scope.Users) > 0, o.shadow != ""} {
		if one {
			given++
		}
	}
	if given != 1 {
		return usagef("one of --all, --group, --user and --shadow must be given, to say what to rebuild")
	}
	if o.rowFormat != 0 && o.shadow == "" {
		return usagef("--row-format does nothing without --shadow")
	}
	if o.shadow != "" {
		if err := (postroom.View{Name: o.shadow, Format: max(o.rowFormat, 1)}).Validate(); err != nil || o.rowFormat < 0 {
			return usagef("--shadow, --row-format: %w", cmp.Or(err, fmt.Errorf("there is no row format %d", o.rowFormat)))
		}
	}
	for flag, uuids := range map[string]*[]string{"group": &o.scope.Groups, "user": &o.scope.Users} {
		if err := checkUUIDs(flag, uuids); err != nil {
			return err
		}
		if len(*uuids) > rebuild.MaxTargets {
			return usagef("--%s is given %d times, may be at most %d", flag, len(*uuids), rebuild.MaxTargets)
		}
	}
	return checkUnits(o.rate)
}

func checkUnits(rate int) error {
	if rate < 1 || rate > rebuild.MaxRate {
		return usagef("--rate is %d, must be 1 to %d capacity units a second", rate, rebuild.MaxRate)
	}
	return nil
}

// rebuild asks for a rebuild, unless the same one is under way, and follows it.
func (a *app) rebuild(ctx context.Context, o rebuildOptions) error {
	jobs, _, err := rebuild.Read(ctx, a.control())
	if err != nil {
		return err
	}
	waiting := 0
	for _, j := range jobs {
		same := j.Scope.Same(o.scope)
		switch {
		case j.State == rebuild.Stopped && same:
			fmt.Fprintf(a.stderr, "Rebuild %[1]s of the same was stopped: `%[2]s rebuild resume %[1]s` goes on with it, this one begins anew\n", j.ID, a.commandLine())
		case j.State == rebuild.Running && same && !o.dryRun:
			fmt.Fprintf(a.stderr, "Rebuild %[1]s of the same is under way since %[2]s, at %[3]s units a second: `%[4]s rebuild resume %[1]s --rate N` changes that\n",
				j.ID, formatTime(j.AskedAt), count(j.Rate), a.commandLine())
			return a.follow(ctx, j, o.wait)
		case j.State == rebuild.Running:
			waiting++
		}
	}
	e, err := a.estimate(ctx, o)
	if err != nil {
		return err
	}
	if waiting > 0 {
		fmt.Fprintf(a.stderr, "%d others are under way or wait, and come first: see `%s rebuild list`\n", waiting, a.commandLine())
	}
	if o.dryRun {
		return a.print(e, "")
	}
	j, err := rebuild.Start(ctx, a.control(), o.scope, o.rate, e.Expected)
	if err != nil {
		return err
	}
	return a.follow(ctx, j, o.wait)
}

// estimateJSON is about what a rebuild has to do.
type estimateJSON struct {
	Messages      int64 `json:"messages"`
	Conversations int64 `json:"conversations"`
	Rows          int64 `json:"group_items"`
	ReadUnits     int64 `json:"read_units"`
	Seconds       int64 `json:"seconds"`
	Rate          int   `json:"units_per_second"`
	Expected      int64 `json:"-"` // see [rebuild.Job]
}

// estimate says about what there is to do.
func (a *app) estimate(ctx context.Context, o rebuildOptions) (estimateJSON, error) {
	if n := int64(len(o.scope.Groups)); n > 0 {
		fmt.Fprintf(a.stderr, "%s conversations, at %s units a second at most\n", count(n), count(o.rate))
		return estimateJSON{Conversations: n, Rate: o.rate, Expected: n}, nil
	}
	e, err := rebuild.EstimateOf(ctx, a.table())
	if err != nil {
		return estimateJSON{}, err
	}
	if o.scope.Drop {
		e.Items *= 2 // the rows are deleted once all heads are past them
	}
	units := e.Units
	if len(o.scope.Users) > 0 {
		units = e.ScanUnits // and a little for the users' conversations
	}
	out := estimateJSON{e.Messages, e.Conversations, e.Rows, units, units / int64(o.rate), o.rate, e.Items}
	fmt.Fprintf(a.stderr, "The table holds about %s messages, %s conversations and %s rows: to look at what is there takes about %s units, at %s a second %v; what differs is written besides\n",
		count(e.Messages), count(e.Conversations), count(e.Rows), count(units), count(o.rate), time.Duration(max(1, out.Seconds))*time.Second)
	return out, nil
}
