package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/projector/verify"
)

func newVerify(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Compare the projection with the log",
		Long: `Folds every conversation anew and compares it with what is projected. It reads
the whole table and writes nothing. Differences are printed as they are found,
with --json one object a line, and at the end the counts. Messages that no inbox
shows, since they cannot be processed or nobody has opened their conversation,
are one difference for each conversation, with their number and an example. The
exit code is 3 if anything differs.

While a projector runs, a difference counts only if a second look still finds it.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				return a.verify(ctx)
			})
		},
	}
}

func (a *app) verify(ctx context.Context) error {
	index, err := a.hasIndex(ctx)
	if err != nil {
		return err
	}
	bar := newProgress(a.process, "verifying", -1)
	var printErr error
	report, err := verify.Run(ctx, a.table(), verify.Options{
		Index: index,
		Found: func(d verify.Difference) {
			_ = bar.Clear() // makes room for a line
			if printErr == nil {
				printErr = a.printDifference(d)
			}
		},
		Progress: func(items int64) { _ = bar.Set64(items) },
	})
	_ = bar.Finish()
	if err := cmp.Or(err, printErr); err != nil {
		return err
	}
	if err := a.printVerified(report); err != nil {
		return err
	}
	if report.Differences > 0 {
		return &findingError{exitDiffers, "the projection differs from the log"}
	}
	return nil
}

func (a *app) printDifference(d verify.Difference) error {
	whose := ""
	if d.UserUUID != "" {
		whose = ", user " + d.UserUUID
	}
	return a.print(d, "%s: conversation %s%s: %s\n", d.Kind, d.GroupUUID, whose, d.Detail)
}

func (a *app) printVerified(r verify.Report) error {
	err := a.print(r, "%s messages in %s conversations, %s group items: %s differences\n",
		count(r.Messages), count(r.Conversations), count(r.GroupItems), count(r.Differences))
	if err == nil && r.Skipped > 0 && !a.json {
		_, err = fmt.Fprintf(a.stdout, "%s messages are shown in no inbox\n", count(r.Skipped))
	}
	return err
}
