package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/redrive"
)

func newRedrive(p process, g *global) *cobra.Command {
	var o redrive.Options
	var filters []string
	cmd := &cobra.Command{
		Use:   "redrive",
		Short: "Move dead letters back to the queue",
		Long: `Moves what lies in the dead-letter queue back to the queue: all of it, or what
every --filter takes. Prints a line for each notification that is moved or cannot
be, with --json an object, and at the end the counts.

` + filterHelp + `

What came back during the run stays, and what was redriven ten times already is
refused unless --force is given. The exit code is 1 if anything was refused or
failed. With --dry-run nothing is moved; the letters are out of sight meanwhile,
and their receive counts rise.

Of a FIFO queue at most ten notifications of a recipient can be looked at, with
others behind them. How many were not is said at the end.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkRedrive(o); err != nil {
				return err
			}
			var err error
			if o.Filter, err = parseFilters(filters); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				return a.redrive(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&filters, "filter", nil, "KEY=VALUE that a notification must have; may be given several times")
	f.BoolVar(&o.DryRun, "dry-run", false, "print what would be moved, and move nothing")
	f.IntVar(&o.Max, "max", 0, "most notifications to move (default: no limit)")
	f.IntVar(&o.Rate, "rate", 100, "most notifications to move a second")
	f.BoolVar(&o.Force, "force", false, "move also what was redriven too often")
	return cmd
}

func checkRedrive(o redrive.Options) error {
	switch {
	case o.Max < 0:
		return usagef("--max is %d, must not be negative", o.Max)
	case o.Rate < 1 || o.Rate > 10_000:
		return usagef("--rate is %d, must be 1 to 10000", o.Rate)
	}
	return nil
}

// letterJSON is a dead letter that is moved or cannot be. What a body that is no
// notification does not tell is left out.
type letterJSON struct {
	Outcome   string `json:"outcome"` // moved, refused, failed, or would_move
	MessageID string `json:"message_id"`
	ID        string `json:"id,omitempty"` // the event's
	Recipient string `json:"recipient,omitempty"`
	Group     string `json:"message_group_uuid,omitempty"`
	SentAt    string `json:"sent_at"`
	Redrives  int    `json:"redrives"`         // before
	Reason    string `json:"reason,omitempty"` // why a handler had it moved
	Error     string `json:"error,omitempty"`
}

// redriveJSON is the counts at the end.
type redriveJSON struct {
	DryRun  bool `json:"dry_run"`
	Moved   int  `json:"moved"` // in a dry run: would be
	Left    int  `json:"left"`
	Refused int  `json:"refused"`
	Failed  int  `json:"failed"`
	Unseen  int  `json:"unseen"`
}

func (a *app) redrive(ctx context.Context, o redrive.Options) error {
	var printErr error
	o.Each = func(one redrive.Outcome) {
		if printErr == nil && one.State != redrive.Left {
			printErr = a.printLetter(one, o.DryRun)
		}
	}
	name := postroom.DeadLetterQueue(a.queue)
	report, err := redrive.Run(ctx, a.backend.Queue(name), a.backend.Queue(a.queue), o)
	if printErr == nil && (err == nil || report != redrive.Report{}) { // otherwise it did not begin
		printErr = a.printRedriven(report, o.DryRun)
	}
	switch {
	case err != nil:
		return err
	case printErr != nil:
		return printErr
	case report.Refused+report.Failed > 0:
		return fmt.Errorf("%s notifications could not be moved and stay in the queue %s", count(report.Refused+report.Failed), name)
	}
	return nil
}

func letterOf(one redrive.Outcome, dryRun bool) letterJSON {
	d := one.DeadLetter
	l := letterJSON{
		Outcome: one.State.String(), MessageID: d.MessageID, SentAt: formatTime(d.SentAt),
		Redrives: one.Redrives, Reason: d.Attributes[consumer.ReasonAttribute],
	}
	if dryRun && one.State == redrive.Moved {
		l.Outcome = "would_move"
	}
	if n, err := postroom.DecodeNotification(d.Body); err == nil {
		l.ID, l.Recipient, l.Group = n.ID, n.Subject, n.Data.GroupUUID
	}
	if one.Err != nil {
		l.Error = one.Err.Error()
	}
	return l
}

func (a *app) printLetter(one redrive.Outcome, dryRun bool) error {
	l := letterOf(one, dryRun)
	if a.json {
		return printJSON(a.stdout, l)
	}
	what := "no notification, " + l.MessageID
	if l.ID != "" {
		what = fmt.Sprintf("to %s, conversation %s, %s", l.Recipient, l.Group, l.ID)
	}
	if l.Error != "" {
		what += ": " + l.Error
	}
	if l.Reason != "" {
		what += "; died of: " + l.Reason
	}
	_, err := fmt.Fprintf(a.stdout, "%-10s  %s  %s\n", l.Outcome, l.SentAt, oneLine(what, maxLetterLine))
	return err
}

// maxLetterLine bounds a line for people: three ids and an error, in characters.
const maxLetterLine = 400

func (a *app) printRedriven(r redrive.Report, dryRun bool) error {
	if a.json {
		return printJSON(a.stdout, redriveJSON{dryRun, r.Moved, r.Left, r.Refused, r.Failed, r.Unseen})
	}
	verb := "moved"
	if dryRun {
		verb = "would be moved"
	}
	_, err := fmt.Fprintf(a.stdout, "%s %s, %s left, %s refused, %s failed\n",
		count(r.Moved), verb, count(r.Left), count(r.Refused), count(r.Failed))
	if r.Unseen > 0 {
		fmt.Fprintf(a.stderr, "%s more were not looked at: beyond --max, behind others of their recipient that stay, in other hands, or new\n", count(r.Unseen))
	}
	return err
}
