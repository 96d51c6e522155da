package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/replay"
)

func newReplayList(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the replays",
		Long: `Lists the replays, in the order of their names, with how far each is. One that is done is
listed for thirty days. One that is idle is to go on, but nobody carries it out: resume
it, or stop it.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				return a.listReplays(ctx, time.Now())
			})
		},
	}
}

func (a *app) listReplays(ctx context.Context, now time.Time) error {
	all, damaged, err := replay.List(ctx, a.control())
	if err != nil {
		return err
	}
	for _, r := range all {
		if err := a.printReplay(r, now); err != nil {
			return err
		}
	}
	for _, d := range damaged {
		fmt.Fprintf(a.stderr, "%v: `postroom repair` removes it\n", d)
	}
	return nil
}

// replayJSON is a replay.
type replayJSON struct {
	Name        string   `json:"name"`
	State       string   `json:"state"`  // running, idle, stopped or done
	Source      string   `json:"source"` // log or stream
	From        string   `json:"from"`
	To          string   `json:"to"`
	Groups      []string `json:"groups"` // empty: all
	Users       []string `json:"users"`
	Notify      bool     `json:"notify"`
	Rate        int      `json:"rate"`
	Total       int64    `json:"total"` // messages that it concerned when it began
	Replayed    int64    `json:"replayed"`
	Projected   int64    `json:"projected"` // of those replayed: they had not been
	Notified    int64    `json:"notified"`  // notifications
	Quarantined int64    `json:"quarantined"`
	LeftSeconds *int64   `json:"left_seconds"` // at the rate, at least; null: it is done
	CreatedAt   string   `json:"created_at"`
	UpdatedAt   string   `json:"updated_at"`
	FinishedAt  string   `json:"finished_at,omitempty"`
	Worker      string   `json:"worker,omitempty"` // that carries it out, or did when it died
}

// dryReplayJSON is what would be replayed.
type dryReplayJSON struct {
	DryRun bool `json:"dry_run"`
	replayJSON
}

// idleReplay is for how long a replay that is to go on may stand unwritten before it is
// said that nobody carries it out.
const idleReplay = 30 * time.Second

func newReplayJSON(r replay.Replay, now time.Time) replayJSON {
	j := replayJSON{
		Name: r.Name, State: string(r.State), Source: string(r.Source), From: postroom.FormatTime(r.Begin), To: postroom.FormatTime(r.End),
		Groups: append([]string{}, r.Groups...), Users: append([]string{}, r.Users...), Notify: r.Notify, Rate: r.Rate,
		Total: r.Total, Replayed: r.Counts.Replayed, Projected: r.Counts.Projected, Notified: r.Counts.Notified, Quarantined: r.Counts.Quarantined,
		CreatedAt: formatTime(r.CreatedAt), UpdatedAt: formatTime(r.UpdatedAt), FinishedAt: formatTime(r.FinishedAt), Worker: r.Holder,
	}
	if isIdle(r, now) {
		j.State = "idle"
	}
	if r.State != replay.Done {
		left := int64(r.Left().Seconds())
		j.LeftSeconds = &left
	}
	return j
}

// isIdle reports whether a replay is to go on, and nobody carries it out.
func isIdle(r replay.Replay, now time.Time) bool {
	return r.State == replay.Running && now.Sub(r.UpdatedAt) > idleReplay
}

// replayedJSON has what this command consumed, in capacity units.
type replayedJSON struct {
	replayJSON

	ReadUnits  float64 `json:"read_units"`
	WriteUnits float64 `json:"write_units"`
}

// printReplayed prints how far a replay is that this command has carried out.
func (a *app) printReplayed(r replay.Replay, now time.Time) error {
	if !a.json {
		return a.printReplay(r, now)
	}
	units := a.meter.Units()
	return printJSON(a.stdout, replayedJSON{newReplayJSON(r, now), units.Read, units.Write})
}

func (a *app) printReplay(r replay.Replay, now time.Time) error {
	j := newReplayJSON(r, now)
	left := ""
	if j.LeftSeconds != nil {
		left = fmt.Sprintf(", about %v left at %s a second", r.Left().Round(time.Second), count(r.Rate))
	}
	what := ""
	if r.Notify {
		what = fmt.Sprintf(", %s notifications sent", count(r.Counts.Notified))
	}
	return a.print(j, "%-7s  %s  %s of %s messages replayed through the %s, %s had not been projected%s, %s quarantined%s\n",
		j.State, r.Name, count(r.Counts.Replayed), count(r.Total), r.Source, count(r.Counts.Projected), what, count(r.Counts.Quarantined), left)
}
