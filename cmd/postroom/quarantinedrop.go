package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/projector/quarantine"
)

func newQuarantineDrop(p process, g *global) *cobra.Command {
	var sel selection
	want := -1
	cmd := &cobra.Command{
		Use:   "drop",
		Short: "Remove records from quarantine for good",
		Long: `Removes the records that match every --filter for good: their messages stay in the
log, no inbox shows them, and nobody is notified of them. It counts them first, and
asks for the number: on a terminal it is typed, in a script it is given with --count.
If it is another one, nothing is dropped.

Each record is printed whole, as a JSON object, before it is removed: redirect standard
output to a file to keep them. Records that are quarantined, retried or changed after
they were counted stay.

` + recordFilterHelp,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := sel.check(); err != nil {
				return err
			}
			if cmd.Flags().Changed("count") && want < 0 {
				return usagef("--count is %d, must not be negative", want)
			}
			f, err := newRecordFilter(sel.filters)
			if err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: sel.dryRun}, func(ctx context.Context, a *app) error {
				return a.dropRecords(ctx, f, sel, want)
			})
		},
	}
	sel.flags(cmd, "records", "dropped")
	cmd.Flags().IntVar(&want, "count", -1, "drop only if exactly so many records match")
	return cmd
}

// dropJSON has the counts at the end.
type dropJSON struct {
	DryRun  bool `json:"dry_run"` // Dropped counts what would be
	Dropped int  `json:"dropped"`
	Left    int  `json:"left"` // of those that were counted: somebody has retried or dropped them meanwhile
}

func (a *app) dropRecords(ctx context.Context, f *recordFilter, sel selection, want int) error {
	c, err := a.choose(ctx, f, sel, func(s *quarantine.Stored) error { return a.printRecord(s, "would_drop") })
	if err != nil {
		return err
	}
	if sel.dryRun {
		return a.print(dropJSON{DryRun: true, Dropped: c.records}, "%s would be dropped: --count %d\n", count(c.records), c.records)
	}
	if err := a.announce(c, "%s records match, and would be dropped for good.\n", count(c.records)); err != nil {
		return err
	}
	if c.records > 0 || want > 0 {
		if err := a.confirm(ctx, c.records, want); err != nil {
			return err
		}
	}
	n := 0
	limiter := rate.NewLimiter(rate.Limit(sel.rate), 1)
	err = c.each(ctx, a, func(s *quarantine.Stored) error {
		if err := limiter.Wait(ctx); err != nil {
			return context.Cause(ctx)
		}
		dropped, err := a.dropRecord(ctx, s)
		if dropped {
			n++
		}
		return err
	})
	counts := dropJSON{Dropped: n, Left: c.records - n}
	if a.json {
		return cmp.Or(err, printJSON(a.stdout, counts))
	}
	_, printErr := fmt.Fprintf(a.stderr, "%s dropped, %s left\n", count(counts.Dropped), count(counts.Left))
	return cmp.Or(err, printErr)
}

// dropRecord prints a record whole, and drops it if that was possible.
func (a *app) dropRecord(ctx context.Context, s *quarantine.Stored) (bool, error) {
	w, err := quarantine.Load(ctx, a.control(), s.Place())
	if w == nil || err != nil || markOf(&w.Stored) != markOf(s) {
		return false, err
	}
	j, err := newWholeJSON(w, "dropped")
	if err != nil {
		return false, err
	}
	if err := printJSON(a.stdout, j); err != nil {
		return false, err
	}
	return quarantine.Drop(ctx, a.control(), s)
}

// confirm returns an error unless somebody has named the number of records: in the
// command line, or now on the terminal.
func (a *app) confirm(ctx context.Context, n, want int) error {
	switch {
	case want == n:
		return nil
	case want >= 0:
		return fmt.Errorf("%s records match, not %s: nothing was dropped", count(n), count(want))
	case !a.interactive:
		return fmt.Errorf("nothing was dropped: to drop them, run the same command with --count %d", n)
	}
	fmt.Fprint(a.stderr, "Type the number of records to drop them: ")
	answer := interruptible(ctx, func() (io.ReadCloser, error) { return io.NopCloser(a.stdin), nil })
	defer answer.Close()
	line, err := bufio.NewReader(io.LimitReader(answer, 1<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if typed, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(line), ",", "")); err != nil || typed != n {
		return errors.New("that is not the number: nothing was dropped")
	}
	return nil
}

// printRecord prints a record as one line, with what became of it.
func (a *app) printRecord(s *quarantine.Stored, outcome string) error {
	return a.print(newRecordJSON(s, outcome), "%-12s  %s  attempt %d: %s\n",
		outcome, s.ID, s.Attempts, terminal.Line(s.Reason, maxOutcomeLine))
}
