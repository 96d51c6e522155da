package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/redrive"
	"github.com/postroom/postroom/internal/terminal"
)

func newRedrive(p process, g *global) *cobra.Command {
	var o redrive.Options
	var filters []string
	cmd := &cobra.Command{
		Use:   "redrive",
		Short: "Move dead letters back to the queue",
		Long: `Moves dead letters from the dead-letter queue back to the queue: all of them, or
those that match every --filter. Prints a line for each that is moved or cannot be,
with --json an object, and the counts at the end.

` + filterHelp + `

Dead letters that arrive during the run stay, and those that were redriven ten times
already are refused unless --force is given. The exit code is 1 if any was refused or
failed. With --dry-run nothing is moved; the dead letters are hidden meanwhile, and
their receive counts rise.

A FIFO queue shows at most ten dead letters of a recipient before they are moved. The
number of those that were not seen is printed at the end.`,
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
	f.StringArrayVar(&filters, "filter", nil, "KEY=VALUE that a dead letter must match; may be given several times")
	f.BoolVar(&o.DryRun, "dry-run", false, "print what would be moved, and move nothing")
	f.IntVar(&o.Max, "max", 0, "how many dead letters to move at most (default: no limit)")
	f.IntVar(&o.Rate, "rate", 100, "how many dead letters to move a second at most")
	f.BoolVar(&o.Force, "force", false, "also move dead letters that were redriven ten times")
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

// deadLetterJSON is a dead letter that is moved or cannot be. If its body is not a
// notification, the fields of the notification are missing.
type deadLetterJSON struct {
	Outcome   string `json:"outcome"` // moved, refused, failed, or would_move
	MessageID string `json:"message_id"`
	ID        string `json:"id,omitempty"` // the event's
	Recipient string `json:"recipient,omitempty"`
	Group     string `json:"message_group_uuid,omitempty"`
	SentAt    string `json:"sent_at"`
	Redrives  int    `json:"redrives"`         // before this run
	Reason    string `json:"reason,omitempty"` // why a handler dead-lettered it
	Error     string `json:"error,omitempty"`
}

// redriveJSON has the counts at the end.
type redriveJSON struct {
	DryRun bool `json:"dry_run"` // Moved counts what would be
	redrive.Report
}

func (a *app) redrive(ctx context.Context, o redrive.Options) error {
	var printErr error
	o.Each = func(one redrive.Outcome) {
		if printErr == nil && one.State != redrive.Left {
			printErr = a.printDeadLetter(one, o.DryRun)
		}
	}
	name := postroom.DeadLetterQueue(a.queue)
	report, err := redrive.Run(ctx, a.backend.Queue(name), a.backend.Queue(a.queue), o)
	if printErr == nil && (err == nil || report != redrive.Report{}) { // otherwise the run did not begin
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

func newDeadLetterJSON(one redrive.Outcome, dryRun bool) deadLetterJSON {
	d := one.DeadLetter
	l := deadLetterJSON{
		Outcome: string(one.State), MessageID: d.MessageID, SentAt: formatTime(d.SentAt),
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

func (a *app) printDeadLetter(one redrive.Outcome, dryRun bool) error {
	l := newDeadLetterJSON(one, dryRun)
	what := "not a notification, " + l.MessageID
	if l.ID != "" {
		what = fmt.Sprintf("to %s, conversation %s, %s", l.Recipient, l.Group, l.ID)
	}
	if l.Error != "" {
		what += ": " + l.Error
	}
	if l.Reason != "" {
		what += "; dead-lettered because: " + l.Reason
	}
	return a.print(l, "%-10s  %s  %s\n", l.Outcome, l.SentAt, terminal.Line(what, maxDeadLetterLine))
}

// maxDeadLetterLine bounds a line for people, in characters: three ids and an error.
const maxDeadLetterLine = 400

func (a *app) printRedriven(r redrive.Report, dryRun bool) error {
	verb := "moved"
	if dryRun {
		verb = "would be moved"
	}
	err := a.print(redriveJSON{dryRun, r},
		"%s %s, %s left, %s refused, %s failed\n",
		count(r.Moved), verb, count(r.Left), count(r.Refused), count(r.Failed))
	if r.Unseen > 0 && !a.json {
		fmt.Fprintf(a.stderr, "%s more were not seen: beyond --max, behind others of their recipient that stay, received by somebody else, or new\n", count(r.Unseen))
	}
	return err
}
