package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/replay"
	"github.com/postroom/postroom/stream"
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

const replayIdle = "idle"

func newReplayJSON(r replay.Replay, now time.Time) replayJSON {
	j := replayJSON{
		Name: r.Name, State: string(r.State), Source: string(r.Source), From: postroom.FormatTime(r.Begin), To: postroom.FormatTime(r.End),
		Groups: append([]string{}, r.Groups...), Users: append([]string{}, r.Users...), Notify: r.Notify, Rate: r.Rate,
		Total: r.Total, Replayed: r.Counts.Replayed, Projected: r.Counts.Projected, Notified: r.Counts.Notified, Quarantined: r.Counts.Quarantined,
		CreatedAt: formatTime(r.CreatedAt), UpdatedAt: formatTime(r.UpdatedAt), FinishedAt: formatTime(r.FinishedAt), Worker: r.Holder,
	}
	if r.State == replay.Running && now.Sub(r.UpdatedAt) > idleReplay {
		j.State = replayIdle // nobody carries it out
	}
	if r.State != replay.Done {
		left := int64(r.Left().Seconds())
		j.LeftSeconds = &left
	}
	return j
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
	return a.print(j, "%-7s  %s  %s\n", j.State, j.Name, j.text())
}

// text says how far a replay is.
func (j replayJSON) text() string {
	text := fmt.Sprintf("%s of %s messages replayed through the %s, %s had not been projected", count(j.Replayed), count(j.Total), j.Source, count(j.Projected))
	if j.Notify {
		text += fmt.Sprintf(", %s notifications sent", count(j.Notified))
	}
	text += fmt.Sprintf(", %s quarantined", count(j.Quarantined))
	if j.LeftSeconds != nil {
		text += fmt.Sprintf(", about %v left at %s a second", time.Duration(*j.LeftSeconds)*time.Second, count(j.Rate))
	}
	return text
}

// replayStatus adds the replays that are not done.
func (a *app) replayStatus(ctx context.Context, out *statusJSON) ([]*stream.DamageError, error) {
	all, damaged, err := replay.List(ctx, a.control())
	out.Replays = openReplays(all, time.Now())
	return damaged, err
}

func openReplays(all []replay.Replay, now time.Time) []replayJSON {
	open := []replayJSON{}
	for _, r := range all {
		if r.State != replay.Done {
			open = append(open, newReplayJSON(r, now))
		}
	}
	return open
}
