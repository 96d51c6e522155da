package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/views"
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
  8  a backfill, a rebuild or a replay is under way
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

// statusJSON is the state of the pipeline.
type statusJSON struct {
	Stream  string       `json:"stream"`
	Enabled bool         `json:"stream_enabled"`
	Leader  *leaderJSON  `json:"leader"` // null: no worker leads
	Workers []workerJSON `json:"workers"`
	Shards  []shardJSON  `json:"shards"`
	// Of the shard that is furthest behind. Lag is null if it is not known,
	// UntilLoss if nothing is unread.
	Lag         *int64       `json:"lag_seconds"`
	UntilLoss   *int64       `json:"until_loss_seconds"`
	Backfill    backfillJSON `json:"backfill"`
	Quarantined int          `json:"quarantined"` // records
	Queue       queueJSON    `json:"queue"`
	Dead        queueJSON    `json:"dead_letter_queue"`
	// Items of the control table that are damaged and left aside.
	Damaged []damagedJSON `json:"damaged"`
	// Destination is where the projectors send notifications to; empty: none of them
	// has run.
	Destination string       `json:"destination"`
	Coverage    coverageJSON `json:"coverage"`
	// Groups are all groups that read the stream or have read it, the projectors' too.
	Groups []groupJSON `json:"groups"`
	// Canaries are those of all processes that post some.
	Canaries []canaryStateJSON `json:"canaries"`
	// Rebuilds are those that are under way, wait, or were stopped.
	Rebuilds []rebuildJSON `json:"rebuilds"`
	// Replays are those that are not done.
	Replays []replayJSON `json:"replays"`
	Retries *retriesJSON `json:"retries"` // null: none are under way
	// Views are the copies of all inboxes, in the order in which they were added.
	Views []viewJSON `json:"views"`
}

type groupJSON struct {
	Group    string `json:"group"`
	Start    string `json:"start"`           // as `stream.ParseStart` reads it
	Until    string `json:"until,omitempty"` // empty: without end
	BegunAt  string `json:"begun_at"`
	DoneAt   string `json:"done_at,omitempty"` // empty: it is not
	Workers  int    `json:"workers"`
	Shards   int    `json:"shards"`
	Finished int    `json:"shards_finished"`
}

// retriesJSON is the quarantined records that somebody has asked to be tried again.
type retriesJSON struct {
	Records int    `json:"records"`
	AskedAt string `json:"asked_at"` // of the first of them
}

type damagedJSON struct {
	PK     string `json:"pk"`
	SK     string `json:"sk"`
	Error  string `json:"error"`
	Blocks bool   `json:"blocks"` // something may be unread, or not projected
}

type leaderJSON struct {
	Worker    string `json:"worker"`
	Epoch     int64  `json:"epoch"`
	RenewedAt string `json:"renewed_at"`
}

type workerJSON struct {
	Worker    string `json:"worker"`
	Session   string `json:"session"`
	Leases    int    `json:"leases"` // of shards that are not finished
	Leads     bool   `json:"leads"`
	RenewedAt string `json:"renewed_at"`
}

type shardJSON struct {
	Shard          string `json:"shard"`
	Parent         string `json:"parent,omitempty"`
	Worker         string `json:"worker,omitempty"`
	Epoch          int64  `json:"epoch"`
	Checkpoint     string `json:"checkpoint,omitempty"`
	CheckpointTime string `json:"checkpoint_time,omitempty"`
	Finished       bool   `json:"finished"`
	FinishedAt     string `json:"finished_at,omitempty"`
	Listed         bool   `json:"listed"`
	Lost           string `json:"lost,omitempty"`
	Damaged        bool   `json:"damaged,omitempty"` // the lease: it and its children are not read
	Held           bool   `json:"held"`              // by a worker of the group
	Lag            *int64 `json:"lag_seconds"`
	UntilLoss      *int64 `json:"until_loss_seconds"`
	// Rate is how many seconds of the stream are worked off in a second; only with
	// --watch, from the second look on.
	Rate *float64 `json:"rate,omitempty"`
}

type backfillJSON struct {
	OpenGaps []gapJSON `json:"open_gaps"`
	Scan     *scanJSON `json:"scan"` // null: no scan runs
	// ClosedGaps are the latest hundred gaps that were brought from the log.
	ClosedGaps []gapJSON `json:"closed_gaps"`
}

type gapJSON struct {
	ID      string `json:"id"`
	Shard   string `json:"shard,omitempty"`
	Reason  string `json:"reason"`
	From    string `json:"from,omitempty"`
	Until   string `json:"until,omitempty"`
	Silent  bool   `json:"silent"` // nobody will be notified
	FoundAt string `json:"found_at"`
	// Of a closed gap, with all that the scan has closed that closed it.
	FinishedAt string `json:"finished_at,omitempty"`
	Read       int64  `json:"read,omitempty"` // messages of the log
	Projected  int64  `json:"projected,omitempty"`
	Notified   int64  `json:"notified,omitempty"`
	Unnotified int64  `json:"unnotified,omitempty"`
}

type scanJSON struct {
	StartedAt    string `json:"started_at"`
	UpdatedAt    string `json:"updated_at"`
	Gaps         int    `json:"gaps"`
	Segments     int    `json:"segments"`
	SegmentsDone int    `json:"segments_done"`
	Read         int64  `json:"read"`
	Projected    int64  `json:"projected"`
	Notified     int64  `json:"notified"`
	Unnotified   int64  `json:"unnotified"`
}

type queueJSON struct {
	Name     string `json:"name"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"in_flight"`
	Delayed  int    `json:"delayed"`
	Oldest   *int64 `json:"oldest_seconds"` // age of the oldest message; null: none, or the server does not tell
}

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

func (a *app) readStatus(ctx context.Context) (statusJSON, error) {
	s, err := a.streamStatus(ctx)
	if err != nil {
		return statusJSON{}, err
	}
	out := statusOf(s, a.probeShards(ctx, s), time.Now())
	groups, err := s.Groups(ctx, a.control())
	if err != nil {
		return out, err
	}
	out.Groups = groupsOf(groups)
	backfilled, err := backfill.ReadStatus(ctx, a.control())
	if err != nil {
		return out, err
	}
	out.Backfill = backfillOf(backfilled)
	out.Coverage = out.coverage()
	out.Backfill.ClosedGaps = out.Backfill.ClosedGaps[:min(len(out.Backfill.ClosedGaps), maxClosedGaps)]
	quarantined, records, err := quarantine.Count(ctx, a.control())
	if err != nil {
		return out, err
	}
	out.Quarantined, out.Retries = quarantined.Records, retriesOf(quarantined)
	var canaries []*stream.DamageError
	if out.Canaries, canaries, err = a.canaryStatus(ctx, time.Now()); err != nil {
		return out, err
	}
	var rebuilds []*stream.DamageError
	if out.Rebuilds, rebuilds, err = a.rebuildStatus(ctx); err != nil {
		return out, err
	}
	var replays []*stream.DamageError
	if out.Replays, replays, err = a.replayStatus(ctx, time.Now()); err != nil {
		return out, err
	}
	set, err := views.Read(ctx, a.table())
	damaged := item.AsDamaged(err)
	if err != nil && damaged == nil {
		return out, err
	}
	out.Views = viewsOf(set)
	out.Damaged = damagedOf(slices.Concat(s.Damaged, backfilled.Damaged, records, canaries, rebuilds, replays))
	if damaged != nil {
		out.Damaged = append(out.Damaged, damagedOf([]*stream.DamageError{damaged})...)
	}
	for _, g := range groups {
		if g.Group != s.Group { // whose own are there already
			out.Damaged = append(out.Damaged, damagedOf(g.Damaged)...)
		}
	}
	if out.Queue, err = a.queueStatus(ctx, a.queue); err != nil {
		return out, err
	}
	out.Dead, err = a.queueStatus(ctx, postroom.DeadLetterQueue(a.queue))
	if backend.KindOf(err) == backend.KindNotFound {
		err = nil
	}
	return out, err
}

// statusOf combines a stream's status with a probe of each of its shards.
func statusOf(s stream.Status, probed []probe, now time.Time) statusJSON {
	out := statusJSON{Stream: s.StreamARN, Enabled: !s.Disabled, Destination: s.Destination, Workers: []workerJSON{}, Shards: []shardJSON{}, Damaged: []damagedJSON{}}
	live := map[string]bool{} // sessions
	if s.Leader.Worker != "" {
		out.Leader = &leaderJSON{s.Leader.Worker, s.Leader.Epoch, formatTime(s.Leader.RenewedAt)}
	}
	for _, w := range s.Workers {
		live[w.Session] = true
	}
	leases := map[string]int{}
	for i, sh := range s.Shards {
		one := shardJSON{
			Shard: sh.Shard, Parent: sh.Parent, Worker: sh.Worker, Epoch: sh.Epoch,
			Checkpoint: sh.Checkpoint, CheckpointTime: formatTime(sh.CheckpointTime),
			Finished: sh.Finished, FinishedAt: formatTime(sh.FinishedAt), Listed: sh.Listed, Lost: sh.Lost, Damaged: sh.Damaged,
		}
		if !sh.Finished {
			one.Held = live[sh.Session]
			one.Lag, one.UntilLoss = probed[i].seconds(now)
			leases[sh.Session]++
		}
		out.Lag = furthest(out.Lag, one.Lag, 1)
		out.UntilLoss = furthest(out.UntilLoss, one.UntilLoss, -1)
		out.Shards = append(out.Shards, one)
	}
	for _, w := range s.Workers {
		out.Workers = append(out.Workers, workerJSON{w.Worker, w.Session, leases[w.Session], w.Leads, formatTime(w.RenewedAt)})
	}
	slices.SortFunc(out.Workers, func(a, b workerJSON) int {
		return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Session, b.Session))
	})
	return out
}

func groupsOf(all []stream.GroupStatus) []groupJSON {
	out := []groupJSON{}
	for _, g := range all {
		out = append(out, groupJSON{
			g.Group, g.Start.String(), formatTime(g.Until), formatTime(g.BegunAt), formatTime(g.DoneAt), g.Workers, g.Shards, g.Finished,
		})
	}
	return out
}

func retriesOf(n quarantine.Counts) *retriesJSON {
	if n.Asked == 0 {
		return nil
	}
	return &retriesJSON{n.Asked, formatTime(n.AskedAt)}
}

func damagedOf(all []*stream.DamageError) []damagedJSON {
	out := []damagedJSON{}
	for _, d := range all {
		out = append(out, damagedJSON{d.Key.PK, d.Key.SK, d.Err.Error(), d.Blocks})
	}
	return out
}

// furthest returns the larger of two numbers, or with sign -1 the smaller one. Nil
// stands for no number.
func furthest(a, b *int64, sign int64) *int64 {
	if a == nil || b != nil && sign**b > sign**a {
		return b
	}
	return a
}

func backfillOf(s backfill.Status) backfillJSON {
	out := backfillJSON{OpenGaps: gapsOf(s.Open), ClosedGaps: gapsOf(s.Finished)}
	if s := s.Scan; s != nil {
		out.Scan = &scanJSON{
			formatTime(s.StartedAt), formatTime(s.UpdatedAt), s.Gaps, s.Segments, s.Done,
			s.Counts.Read, s.Counts.Projected, s.Counts.Notified, s.Counts.Unnotified,
		}
	}
	return out
}

func gapsOf(gaps []backfill.Gap) []gapJSON {
	out := []gapJSON{}
	for _, g := range gaps {
		c := g.Counts
		out = append(out, gapJSON{
			ID: g.ID, Shard: g.Shard, Reason: g.Reason, From: formatTime(g.From), Until: formatTime(g.Until),
			Silent: g.Silent, FoundAt: formatTime(g.FoundAt), FinishedAt: formatTime(g.FinishedAt),
			Read: c.Read, Projected: c.Projected, Notified: c.Notified, Unnotified: c.Unnotified,
		})
	}
	return out
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

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return postroom.FormatTime(t)
}
