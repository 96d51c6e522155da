package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/redrive"
	"github.com/postroom/postroom/internal/terminal"
)

func newRedrive(p process, g *global) *cobra.Command {
	var o redrive.Options
	var sel selection
	cmd := &cobra.Command{
		Use:   "redrive",
		Short: "Move dead letters back to the queue",
		Long: `Moves dead letters from the dead-letter queue back to the queue: all of them, or
those that match every --filter. Says how many there are before it begins, prints a
line for each that is moved or cannot be, with --json an object, and the counts at the
end.

` + filterHelp + `

Dead letters that arrive during the run stay, and those that were redriven ten times
already are refused unless --force is given. The exit code is 1 if any was refused or
failed. With --dry-run nothing is moved; the dead letters are hidden meanwhile, and
their receive counts rise.

A FIFO queue shows at most ten dead letters of a recipient before they are moved. The
number of those that were not seen is printed at the end.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := sel.check(); err != nil {
				return err
			}
			matches, err := parseFilters(sel.filters, parseLetterFilter)
			if err != nil {
				return err
			}
			o.Filter = func(d backend.Delivery) bool { return matches(newLetter(d)) }
			o.DryRun, o.Max, o.Rate = sel.dryRun, sel.max, sel.rate
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				if err := a.announceRedrive(ctx, sel); err != nil {
					return err
				}
				return a.redrive(ctx, o)
			})
		},
	}
	sel.flags(cmd, "dead letters", "moved")
	cmd.Flags().BoolVar(&o.Force, "force", false, "also move dead letters that were redriven ten times")
	return cmd
}

// announceRedrive says how many dead letters there are, before anything is done. How many
// of them match is known only when they were received.
func (a *app) announceRedrive(ctx context.Context, sel selection) error {
	n, there, err := a.deadLetters(ctx)
	if err != nil || !there {
		return err
	}
	which, what, most := "all of them", "moving", n
	if len(sel.filters) > 0 {
		which = "those that match"
	}
	if sel.max > 0 {
		which, most = fmt.Sprintf("at most %s, %s", count(sel.max), which), min(n, sel.max)
	}
	if sel.dryRun {
		what = "looking at"
	}
	fmt.Fprintf(a.stderr, "%s dead letters are in %s: %s %s, %s a second at most, within about %v\n",
		count(n), postroom.DeadLetterQueue(a.queue), what, which, count(sel.rate), sel.takes(most))
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
	return a.print(l, "%-10s  %s  %s\n", l.Outcome, l.SentAt, terminal.Line(what, maxOutcomeLine))
}

// maxOutcomeLine bounds a line for people, in characters: three ids and an error.
const maxOutcomeLine = 400

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
