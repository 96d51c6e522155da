package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/stream"
)

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

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return postroom.FormatTime(t)
}
