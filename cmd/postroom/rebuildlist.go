package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/stream"
)

func newRebuildList(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the rebuilds that are under way, stopped, or done lately",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				jobs, damaged, err := rebuild.Read(ctx, a.control())
				if err != nil {
					return err
				}
				for _, j := range jobs {
					if err := a.printJob(j); err != nil {
						return err
					}
				}
				if len(damaged) > 0 {
					fmt.Fprintf(a.stderr, "%s rebuilds are damaged and left out: see `postroom repair --dry-run`\n", count(len(damaged)))
				}
				return nil
			})
		},
	}
}

func newRebuildStop(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "stop ID",
		Short: "Stop a rebuild; resume goes on with it",
		Args:  arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				j, err := rebuild.Stop(ctx, a.control(), args[0])
				if err != nil {
					return a.unknownRebuild(err)
				}
				return a.printJob(j)
			})
		},
	}
}

func newRebuildResume(p process, g *global) *cobra.Command {
	var rate int
	var wait bool
	cmd := &cobra.Command{
		Use:   "resume ID",
		Short: "Go on with a rebuild that was stopped, or have one go on at another rate",
		Args:  arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("rate") {
				if err := checkUnits(rate); err != nil {
					return err
				}
			}
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				j, err := rebuild.Resume(ctx, a.control(), args[0], rate)
				if err != nil {
					return a.unknownRebuild(err)
				}
				return a.follow(ctx, j, wait)
			})
		},
	}
	cmd.Flags().IntVar(&rate, "rate", 0, "how many capacity units a second to consume at most (default: as before)")
	cmd.Flags().BoolVar(&wait, "wait", true, "show how far it is until it is done")
	return cmd
}

// unknownRebuild adds to an error of an unknown rebuild how to find out which there are.
func (a *app) unknownRebuild(err error) error {
	if _, unknown := errors.AsType[*rebuild.UnknownError](err); unknown {
		return fmt.Errorf("%w: `%s rebuild list` lists them", err, a.commandLine())
	}
	return err
}

// rebuilder carries out rebuilds in this command.
func (a *app) rebuilder(ctx context.Context) (*rebuild.Rebuilder, error) {
	index, err := a.hasIndex(ctx)
	log := newLog(a.process, max(a.level, slog.LevelWarn), false)
	return rebuild.New(rebuild.Config{
		Worker: stream.WorkerName(), Log: a.table(), Control: a.control(), Index: index, Now: time.Now, Incidents: incident.NewLog(log), Logger: log,
	}), err
}

// rebuildJSON is a rebuild.
type rebuildJSON struct {
	ID       string   `json:"id"`
	State    string   `json:"state"`
	Groups   []string `json:"message_group_uuids,omitempty"` // none, and no users: all
	Users    []string `json:"user_uuids,omitempty"`
	View     string   `json:"view,omitempty"` // that is filled, or with drop, dropped
	Drop     bool     `json:"drop,omitempty"`
	Worker   string   `json:"worker"`
	Rate     int      `json:"rate"` // capacity units a second, at most
	AskedAt  string   `json:"asked_at"`
	Updated  string   `json:"updated_at"`
	EndedAt  string   `json:"ended_at,omitempty"`
	Read     int64    `json:"read"`     // items of the table, or the conversations that are named
	Expected int64    `json:"expected"` // about how many these become

	Conversations int64         `json:"conversations"`
	Changed       int64         `json:"changed"`
	Failed        int64         `json:"failed"`
	Units         int64         `json:"units"`
	PerSecond     float64       `json:"units_per_second"`
	Seconds       float64       `json:"seconds"`      // at work
	Left          *int64        `json:"left_seconds"` // null: not known
	Failures      []failureJSON `json:"failures"`     // the first ones
}

type failureJSON struct {
	GroupUUID string `json:"message_group_uuid"`
	Reason    string `json:"reason"`
}

func rebuildOf(j rebuild.Job) rebuildJSON {
	out := rebuildJSON{
		ID: j.ID, State: string(j.State), Groups: j.Scope.Groups, Users: j.Scope.Users, View: j.Scope.View, Drop: j.Scope.Drop, Worker: j.Worker, Rate: j.Rate,
		AskedAt: formatTime(j.AskedAt), Updated: formatTime(j.UpdatedAt), EndedAt: formatTime(j.EndedAt),
		Read: j.Counts.Read, Expected: j.Expected, Conversations: j.Counts.Conversations, Changed: j.Counts.Changed, Failed: j.Counts.Failed,
		Units: j.Counts.Units, PerSecond: float64(int64(10*j.UnitsPerSecond())) / 10, Seconds: j.Worked.Seconds(), Failures: []failureJSON{},
	}
	if left := j.Left(); left > 0 {
		seconds := int64(left.Seconds()) + 1
		out.Left = &seconds
	}
	for _, f := range j.Failures {
		out.Failures = append(out.Failures, failureJSON(f))
	}
	return out
}

// rebuildStatus adds the rebuilds that are not done.
func (a *app) rebuildStatus(ctx context.Context, out *statusJSON) ([]*stream.DamageError, error) {
	all, damaged, err := rebuild.Read(ctx, a.control())
	out.Rebuilds = openRebuilds(all)
	return damaged, err
}

func openRebuilds(all []rebuild.Job) []rebuildJSON {
	open := []rebuildJSON{}
	for _, j := range all {
		if j.State != rebuild.Done {
			open = append(open, rebuildOf(j))
		}
	}
	return open
}

func (a *app) printJob(j rebuild.Job) error {
	out := rebuildOf(j)
	return a.print(out, "%s\n", out.lines())
}

// scope says in words what a rebuild is about.
func (r rebuildJSON) scope() string {
	switch {
	case len(r.Groups) > 0:
		return named("conversation", r.Groups)
	case r.Drop:
		return "dropping view " + r.View
	case r.View != "":
		return "filling view " + r.View
	case len(r.Users) > 0:
		return named("user", r.Users)
	}
	return "everything"
}

// named names one, or says how many there are.
func named(what string, uuids []string) string {
	if len(uuids) == 1 {
		return what + " " + uuids[0]
	}
	return fmt.Sprintf("%d %ss", len(uuids), what)
}

// text is a rebuild for people, in one line.
func (r rebuildJSON) text() string {
	var at string
	switch {
	case r.EndedAt != "":
		at = r.State + " at " + r.EndedAt
	case r.Worker == "":
		at = "waits since " + r.AskedAt
	default:
		at = fmt.Sprintf("by %s since %s", r.Worker, r.AskedAt)
	}
	text := fmt.Sprintf("%s, %s, %s: %s conversations, %s changed, %s failed; %s units",
		r.ID, r.scope(), at, count(r.Conversations), count(r.Changed), count(r.Failed), count(r.Units))
	if r.State == string(rebuild.Done) {
		return text + fmt.Sprintf(" in %v", time.Duration(r.Seconds*float64(time.Second)).Round(time.Second))
	}
	return text + ", " + r.speed()
}

// speed says how fast a rebuild is, how much is done and how long the rest takes.
func (r rebuildJSON) speed() string {
	text := fmt.Sprintf("%.0f of %s a second; %.0f%% done", r.PerSecond, count(r.Rate), r.percent())
	if r.Left != nil && r.State == string(rebuild.Running) {
		text += fmt.Sprintf(", about %v left", time.Duration(*r.Left)*time.Second)
	}
	return text
}

// lines is a rebuild with what could not be rebuilt, a line for each conversation.
func (r rebuildJSON) lines() string {
	var lines strings.Builder
	lines.WriteString(r.text())
	for _, f := range r.Failures {
		lines.WriteString("\n  " + f.GroupUUID + ": " + terminal.Line(f.Reason, maxOutcomeLine))
	}
	if more := r.Failed - int64(len(r.Failures)); more > 0 {
		fmt.Fprintf(&lines, "\n  and %s more", count(more))
	}
	return lines.String()
}

// percent is about how much is done.
func (r rebuildJSON) percent() float64 {
	return min(100, 100*float64(r.Read)/float64(max(1, r.Expected)))
}
