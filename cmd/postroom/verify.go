package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/verify"
)

func newVerify(p process, g *global) *cobra.Command {
	var o verify.Options
	var share string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the projection with the log, and repair it",
		Long: `Folds every conversation anew and compares it with what is projected. It reads
the table about twice. Differences are printed as they are found, each with the key
of the item and what mends it, with --json one object a line, and at the end the
counts. Messages that no inbox shows, since they cannot be processed or nobody has
opened their conversation, are one difference for each conversation, with their
number and an example. The exit code is 3 if anything differs and is not repaired.

With --repair the rows and heads that differ are made what the log says, and looked
at once more. Projectors may run meanwhile, and nobody is notified. Otherwise nothing
is written.

--group and --user read what belongs to those conversations or users only. A user's
conversation whose row is missing is not found by --user. --sample reads a share of the
table, at that share of the price: conversations and lists of users, chosen by the hash
of their keys, and the same ones for the same --seed.

The rows of all views are compared, with --shadow those of one, and that every
conversation has its rows there.

While a projector runs, a difference counts only if a second look still finds it.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkVerify(&o, share); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: !o.Repair}, func(ctx context.Context, a *app) error {
				return a.verify(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Repair, "repair", false, "make heads and rows that differ what the log says")
	f.StringArrayVar(&o.Groups, "group", nil, "look at this conversation only; may be given several times")
	f.StringArrayVar(&o.Users, "user", nil, "look at this user's rows and their conversations only; may be given several times")
	f.StringVar(&o.View, "shadow", "", "hold the rows of this view against the log, and no others; it may be one that is being filled")
	f.StringVar(&share, "sample", "", "look at this share of the table only, such as 1%")
	f.Uint64Var(&o.Seed, "seed", 0, "which sample of that size")
	f.IntVar(&o.Rate, "rate", 0, "how many capacity units a second to consume at most (default: no limit)")
	return cmd
}

// checkVerify checks what was asked for, and sets the share of a sample.
func checkVerify(o *verify.Options, share string) error {
	scopes := 0
	for _, given := range []bool{len(o.Groups) > 0, len(o.Users) > 0, share != ""} {
		if given {
			scopes++
		}
	}
	switch {
	case scopes > 1:
		return usagef("--group, --user and --sample exclude each other")
	case o.Rate < 0 || o.Rate > rebuild.MaxRate:
		return usagef("--rate is %d, must be 1 to %d capacity units a second, or 0 for no limit", o.Rate, rebuild.MaxRate)
	case o.Seed != 0 && share == "":
		return usagef("--seed does nothing without --sample")
	}
	if o.View != "" {
		if err := postroom.CheckViewName(o.View); err != nil {
			return usagef("--shadow: %w", err)
		}
	}
	if err := cmp.Or(checkUUIDs("group", &o.Groups), checkUUIDs("user", &o.Users)); err != nil || share == "" {
		return err
	}
	number, percent := strings.CutSuffix(share, "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n >= verify.LeastSample && n <= 1) {
		return usagef("--sample is %q, must be a share from %g%% to 100%%, such as 1%% or 0.01", share, 100*verify.LeastSample)
	}
	o.Sample = n
	return nil
}

func (a *app) verify(ctx context.Context, o verify.Options) error {
	var err error
	if o.Index, err = a.hasIndex(ctx); err != nil {
		return err
	}
	bar := newProgress(a.process, "verifying", -1)
	var printErr error
	o.Found = func(d verify.Difference) {
		_ = bar.Clear() // makes room for a line
		if printErr == nil {
			printErr = a.printDifference(d)
		}
	}
	o.Progress = func(items int64) { _ = bar.Set64(items) }
	report, err := verify.Run(ctx, a.table(), o)
	_ = bar.Finish()
	if err := cmp.Or(err, printErr); err != nil {
		return err
	}
	if err := a.printVerified(report); err != nil {
		return err
	}
	switch {
	case report.Differences > report.Repaired && o.Repair:
		return &findingError{exitDiffers, "the projection differs from the log where it cannot be repaired"}
	case report.Differences > report.Repaired:
		return &findingError{exitDiffers, "the projection differs from the log"}
	}
	return nil
}

// differenceJSON is a difference with what mends it; empty once it is mended.
type differenceJSON struct {
	verify.Difference

	Mend string `json:"mend,omitempty"`
}

func (a *app) printDifference(d verify.Difference) error {
	about := "conversation " + d.GroupUUID
	if d.GroupUUID == "" {
		about = "no conversation"
	}
	if d.UserUUID != "" {
		about += ", user " + d.UserUUID
	}
	mend := a.mend(d)
	then := "  mend: " + mend
	if mend == "" {
		then = "  repaired"
	}
	return a.print(differenceJSON{d, mend}, "%s: %s, %s %s: %s\n%s\n", d.Kind, about, d.PK, d.SK, d.Detail, then)
}

// mend says what mends a difference: a command where there is one.
func (a *app) mend(d verify.Difference) string {
	self := a.commandLine()
	switch {
	case d.Repaired:
		return ""
	case d.GroupUUID == "":
		return "it is not Postroom's: delete the item if nobody else needs it"
	case d.Kind == verify.Orphan && d.PK != d.GroupUUID, d.Kind == verify.Doubled:
		// A row of no member can only be found where it is.
		return fmt.Sprintf("%s verify --repair --user %s", self, d.UserUUID)
	case d.Kind.Repairable():
		return fmt.Sprintf("%s verify --repair --group %s", self, d.GroupUUID)
	}
	switch d.Kind {
	case verify.Stranded:
		return fmt.Sprintf("post the message that opens the conversation, with its members: %s post --group %s --members FILE --from USER --message TEXT", self, d.GroupUUID)
	case verify.OpeningLost:
		return fmt.Sprintf("put that message back from a backup, then %s verify --repair --group %s", self, d.GroupUUID)
	case verify.NotShown:
		return fmt.Sprintf("see why: %s quarantine list --filter message_group_uuid=%s", self, d.GroupUUID)
	case verify.IndexWrong:
		return "the index lags: look again in a minute"
	default: // a message uuid that is there twice
		return "nothing: the log is never changed. Its producer gave two messages one uuid"
	}
}

func (a *app) printVerified(r verify.Report) error {
	units := a.meter.Units()
	err := a.print(verifiedJSON{r, units.Read, units.Write}, "%s messages in %s conversations, %s group items: %s differences\n",
		count(r.Messages), count(r.Conversations), count(r.GroupItems), count(r.Differences))
	if err != nil || a.json {
		return err
	}
	if r.Repaired > 0 {
		_, err = fmt.Fprintf(a.stdout, "%s of them repaired\n", count(r.Repaired))
	}
	if err == nil && r.Skipped > 0 {
		_, err = fmt.Fprintf(a.stdout, "%s messages are shown in no inbox\n", count(r.Skipped))
	}
	return err
}

// verifiedJSON has the counts at the end, and the capacity units that were consumed.
type verifiedJSON struct {
	verify.Report

	ReadUnits  float64 `json:"read_units"`
	WriteUnits float64 `json:"write_units"`
}
