package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector"
	"github.com/postroom/postroom/projector/quarantine"
)

func newQuarantineRetry(p process, g *global) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "retry",
		Short: "Have quarantined records processed again",
		Long: `Has the records that match every --filter processed again, as messages of the log are:
projected, and their recipients notified with the ids that they would have had. Each
record takes its message as the log has it now, so correct a damaged one there first.

The projectors of the table do the work; where none runs, this command does, without
reading the stream. It says how many records there are before it begins, prints what
became of each, and the counts at the end:
  retried      the message was processed, and its record is gone
  waiting      nobody has named the members of its conversation; it comes back by itself
  quarantined  it failed again, and stays, with the reason and the number of attempts
  left         it was dropped or changed meanwhile, or could not be read
The exit code is 1 if any is quarantined or left. If the command is interrupted, the same
command goes on with those that are left; --filter before=TIME leaves out those that
failed again.

` + recordFilterHelp,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := sel.check(); err != nil {
				return err
			}
			f, err := newRecordFilter(sel.filters)
			if err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: sel.dryRun}, func(ctx context.Context, a *app) error {
				return a.retryRecords(ctx, f, sel)
			})
		},
	}
	sel.flags(cmd, "records", "retried")
	return cmd
}

// retryJSON has the counts at the end.
type retryJSON struct {
	DryRun      bool `json:"dry_run"` // Retried counts what would be
	Retried     int  `json:"retried"`
	Waiting     int  `json:"waiting"`
	Quarantined int  `json:"quarantined"`
	Left        int  `json:"left"`
}

func (a *app) retryRecords(ctx context.Context, f *recordFilter, sel selection) error {
	c, err := a.choose(ctx, f, sel, func(s *quarantine.Stored) error { return a.printRecord(s, "would_retry") })
	if err != nil {
		return err
	}
	if sel.dryRun {
		return a.print(retryJSON{DryRun: true, Retried: c.records}, "%s would be retried\n", count(c.records))
	}
	s, err := a.streamStatus(ctx)
	if err != nil {
		return err
	}
	r := &retrying{app: a, sel: sel, alone: len(s.Workers) == 0, patience: unmoved, moved: time.Now()}
	who := fmt.Sprintf("the worker group retries them (%s workers)", count(len(s.Workers)))
	if r.alone {
		who = "no projector runs, so this command retries them"
	}
	if err := a.announce(c, "%s records match; %s, %s a second at most, in about %v\n", count(c.records), who, count(sel.rate), sel.takes(c.records)); err != nil {
		return err
	}
	err = r.run(ctx, c)
	r.counts.Left = c.records - r.counts.Retried - r.counts.Waiting - r.counts.Quarantined
	printErr := a.print(r.counts, "%s retried, %s waiting, %s quarantined again, %s left\n",
		count(r.counts.Retried), count(r.counts.Waiting), count(r.counts.Quarantined), count(r.counts.Left))
	switch {
	case err != nil || printErr != nil:
		return cmp.Or(err, printErr)
	case r.counts.Quarantined+r.counts.Left > 0:
		return fmt.Errorf("%s records stay in quarantine", count(r.counts.Quarantined+r.counts.Left))
	}
	return nil
}

const (
	// maxAsked is how many batches are asked for ahead, so that one is there when the
	// one before it is done. It bounds what a killed command leaves to be done.
	maxAsked = 2
	// unmoved is how long no batch may be done before the command does the work itself:
	// no projector leads, or it is of an older version.
	unmoved = 30 * time.Second
	// batchPoll is the pause between looks at a batch.
	batchPoll = 50 * time.Millisecond
)

var errEnded = errors.New("retrying ended before it was done")

// retrying asks for records to be retried, and follows what becomes of them.
type retrying struct {
	*app

	sel      selection
	alone    bool          // no worker runs
	patience time.Duration // see unmoved
	moved    time.Time     // when a batch was done last
	asked    []asked
	counts   retryJSON

	stop  context.CancelFunc // of the projector of this command; nil: none runs
	ended chan error
}

// asked is a batch that was asked for.
type asked struct {
	quarantine.Batch
	records []*quarantine.Stored
}

// run has all chosen records retried. Whatever ends it, what was asked for and not begun
// is taken back.
func (r *retrying) run(ctx context.Context, c *chosen) error {
	err := r.all(ctx, c)
	calling, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	for _, b := range r.asked {
		err = cmp.Or(err, b.Withdraw(calling, r.control()))
	}
	if r.stop != nil {
		r.stop()
		err = cmp.Or(err, <-r.ended)
	}
	return err
}

func (r *retrying) all(ctx context.Context, c *chosen) error {
	size := min(quarantine.MaxBatch, 5*r.sel.rate) // done within seconds
	var next []*quarantine.Stored
	err := c.each(ctx, r.app, func(s *quarantine.Stored) error {
		if next = append(next, s); len(next) < size {
			return nil
		}
		err := r.ask(ctx, next)
		next = nil
		return err
	})
	if err == nil && len(next) > 0 {
		err = r.ask(ctx, next)
	}
	for err == nil && len(r.asked) > 0 {
		err = r.await(ctx)
	}
	return err
}

// ask asks for a batch once there is room.
func (r *retrying) ask(ctx context.Context, records []*quarantine.Stored) error {
	for len(r.asked) >= maxAsked {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	b, err := quarantine.Ask(ctx, r.control(), records, r.sel.rate)
	if err == nil {
		r.asked = append(r.asked, asked{b, records})
	}
	return err
}

// await waits until the batch that was asked for first is done, and prints what became of
// its records.
func (r *retrying) await(ctx context.Context) error {
	for {
		pending, err := r.asked[0].Pending(ctx, r.control())
		if err != nil {
			return err
		}
		if !pending {
			records := r.asked[0].records
			r.asked, r.moved = r.asked[1:], time.Now()
			return r.report(ctx, records)
		}
		if r.stop == nil && (r.alone || time.Since(r.moved) > r.patience) {
			if err := r.work(ctx); err != nil {
				return err
			}
		}
		select {
		case err := <-r.ended:
			r.ended <- nil
			return cmp.Or(err, context.Cause(ctx), errEnded)
		default:
		}
		if retry.Sleep(ctx, batchPoll, nil) != nil {
			return context.Cause(ctx)
		}
	}
}

// work has a projector of this command retry what is asked for, from now on.
func (r *retrying) work(ctx context.Context) error {
	if !r.alone {
		fmt.Fprintf(r.stderr, "No projector has retried anything for %v: this command does it\n", r.patience)
	}
	p, err := r.newProjector(ctx, projector.Options{Logger: newLog(r.process, max(r.level, slog.LevelWarn), false)})
	if err != nil {
		return err
	}
	ctx, r.stop = context.WithCancel(ctx)
	r.ended = make(chan error, 1)
	go func() { r.ended <- p.RunRetries(ctx) }()
	return nil
}

// report prints what became of records.
func (r *retrying) report(ctx context.Context, records []*quarantine.Stored) error {
	now, err := quarantine.Reread(ctx, r.control(), records)
	if err != nil {
		return err
	}
	for i, s := range records {
		outcome := "retried"
		switch {
		case now[i] == nil:
			r.counts.Retried++
		case markOf(now[i]) == markOf(s):
			outcome, s = "left", now[i]
		case now[i].Waiting:
			outcome, s = "waiting", now[i]
			r.counts.Waiting++
		default:
			outcome, s = "quarantined", now[i]
			r.counts.Quarantined++
		}
		if err := r.printRecord(s, outcome); err != nil {
			return err
		}
	}
	return nil
}
