package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/stream"
)

func newStatus(p process, g *global) *cobra.Command {
	var check, watch bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which worker reads each shard, how far behind it is, and how deep the queues are",
		Long: `Shows which worker reads each shard, how far behind it is, and how deep the queues
are. With --check the exit code says what is wrong, the worst first:
  4  records are lost, or the stream is switched off
  5  no worker has sent a heartbeat for a minute
  6  the projection is more than a minute behind, or how far is not known
  7  something is left aside: quarantined records, dead letters, or damaged items
     of the control table
  8  a backfill, a rebuild or a replay is under way, or a replay is left undone
  9  the last canary has not arrived

With --watch it looks again and again until it is stopped, and shows how fast each
shard is worked off: at 1 it keeps up with what is written, above that it catches up.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case watch && check:
				return usagef("--watch and --check cannot be given together: --check looks once")
			case every < minWatch:
				return usagef("--every is %v, must be at least %v", every, minWatch)
			}
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				if watch {
					return a.watchStatus(ctx, every)
				}
				return a.status(ctx, check)
			})
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "say with the exit code whether something is wrong, and what")
	cmd.Flags().BoolVar(&watch, "watch", false, "look again and again until it is stopped")
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "with --watch: the pause between two looks")
	return cmd
}

// minWatch is the least pause of --watch: each look reads every open shard.
const minWatch = 100 * time.Millisecond

// status prints the state of the pipeline. With check it returns what is wrong with it.
func (a *app) status(ctx context.Context, check bool) error {
	out, err := a.readStatus(ctx)
	if err != nil {
		return err
	}
	if a.json {
		err = printJSON(a.stdout, out)
	} else {
		err = out.print(a.stdout)
	}
	if err != nil || !check {
		return err
	}
	return out.check(time.Now())
}

// readStatus reads all parts of the status. What is damaged is left out of them, and listed.
func (a *app) readStatus(ctx context.Context) (statusJSON, error) {
	s, err := a.streamStatus(ctx)
	if err != nil {
		return statusJSON{}, err
	}
	out, damaged := statusOf(s, a.probeShards(ctx, s), time.Now()), s.Damaged
	for _, read := range []func(context.Context, *statusJSON) ([]*stream.DamageError, error){
		a.backfillStatus, a.quarantineStatus, a.canaryStatus, a.rebuildStatus, a.replayStatus, a.viewStatus,
	} {
		found, err := read(ctx, &out)
		if err != nil {
			return out, err
		}
		damaged = append(damaged, found...)
	}
	groups, err := s.Groups(ctx, a.control())
	if err != nil {
		return out, err
	}
	out.Groups = groupsOf(groups)
	for _, g := range groups {
		if g.Group != s.Group { // whose own are there already
			damaged = append(damaged, g.Damaged...)
		}
	}
	out.Damaged = damagedOf(damaged)
	if out.Queue, err = a.queueStatus(ctx, a.queue); err != nil {
		return out, err
	}
	out.Dead, err = a.queueStatus(ctx, postroom.DeadLetterQueue(a.queue))
	if backend.KindOf(err) == backend.KindNotFound {
		err = nil
	}
	return out, err
}

// backfillStatus adds which ranges the stream has lost, and what covers the shards that
// have closed.
func (a *app) backfillStatus(ctx context.Context, out *statusJSON) ([]*stream.DamageError, error) {
	s, err := backfill.ReadStatus(ctx, a.control())
	out.Backfill = backfillOf(s)
	out.Coverage = out.coverage()
	out.Backfill.ClosedGaps = out.Backfill.ClosedGaps[:min(len(out.Backfill.ClosedGaps), maxClosedGaps)]
	return s.Damaged, err
}

// quarantineStatus adds how many records are in quarantine, and how many are tried again.
func (a *app) quarantineStatus(ctx context.Context, out *statusJSON) ([]*stream.DamageError, error) {
	n, damaged, err := quarantine.Count(ctx, a.control())
	out.Quarantined, out.Retries = n.Records, retriesOf(n)
	return damaged, err
}

func (a *app) queueStatus(ctx context.Context, name string) (queueJSON, error) {
	d, err := a.backend.Queue(name).Depth(ctx)
	out := queueJSON{Name: name, Visible: d.Visible, InFlight: d.InFlight, Delayed: d.Delayed}
	if !d.Oldest.IsZero() {
		age := int64(max(0, time.Since(d.Oldest)) / time.Second)
		out.Oldest = &age
	}
	return out, err
}
