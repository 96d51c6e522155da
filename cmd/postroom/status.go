package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector"
	"github.com/postroom/postroom/stream"
)

func newStatus(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show shards, who reads them, and how deep the queues are",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				return a.status(ctx)
			})
		},
	}
}

// statusJSON is the state of the pipeline.
type statusJSON struct {
	Stream  string      `json:"stream"`
	Enabled bool        `json:"stream_enabled"`
	Owner   *ownerJSON  `json:"owner"` // null: nobody reads
	Shards  []shardJSON `json:"shards"`
	Aside   int         `json:"quarantined"` // records set aside
	Queue   queueJSON   `json:"queue"`
	Dead    queueJSON   `json:"dead_letter_queue"`
}

type ownerJSON struct {
	Worker    string `json:"worker"`
	Epoch     int64  `json:"epoch"`
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
	Listed         bool   `json:"listed"`
	Lost           string `json:"lost,omitempty"`
}

type queueJSON struct {
	Name     string `json:"name"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"in_flight"`
	Delayed  int    `json:"delayed"`
}

func (a *app) status(ctx context.Context) error {
	s, err := stream.ReadStatus(ctx, a.backend.Stream(a.global.table), a.control())
	if err != nil {
		return err
	}
	out := statusJSON{Stream: s.StreamARN, Enabled: !s.Disabled, Shards: []shardJSON{}}
	if s.Leader.Worker != "" {
		out.Owner = &ownerJSON{s.Leader.Worker, s.Leader.Epoch, formatTime(s.Leader.RenewedAt)}
	}
	for _, sh := range s.Shards {
		out.Shards = append(out.Shards, shardJSON{
			sh.Shard, sh.Parent, sh.Worker, sh.Epoch, sh.Checkpoint, formatTime(sh.CheckpointTime),
			sh.Finished, sh.Listed, sh.Lost,
		})
	}
	if out.Aside, err = projector.CountSetAside(ctx, a.control()); err != nil {
		return err
	}
	if out.Queue, err = a.queueStatus(ctx, a.queue); err != nil {
		return err
	}
	if out.Dead, err = a.queueStatus(ctx, postroom.DeadLetterQueue(a.queue)); err != nil && backend.KindOf(err) != backend.KindNotFound {
		return err
	}
	if a.json {
		return printJSON(a.stdout, out)
	}
	return a.printStatus(out)
}

func (a *app) queueStatus(ctx context.Context, name string) (queueJSON, error) {
	d, err := a.backend.Queue(name).Depth(ctx)
	return queueJSON{name, d.Visible, d.InFlight, d.Delayed}, err
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return postroom.FormatTime(t)
}

// openShards tells how many shards of a status are still to be read on.
func (s statusJSON) openShards() (open int) {
	for _, sh := range s.Shards {
		if !sh.Finished {
			open++
		}
	}
	return open
}

func (a *app) printStatus(s statusJSON) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	reader := "nobody"
	if s.Owner != nil {
		reader = fmt.Sprintf("%s, epoch %d, renewed %s", s.Owner.Worker, s.Owner.Epoch, s.Owner.RenewedAt)
	}
	fmt.Fprintf(w, "stream\t%s\n", s.Stream)
	if !s.Enabled {
		fmt.Fprintf(w, "\tDISABLED: no more records will come\n")
	}
	fmt.Fprintf(w, "read by\t%s\n", reader)
	fmt.Fprintf(w, "shards\t%d, %d of them finished\n", len(s.Shards), len(s.Shards)-s.openShards())
	fmt.Fprintf(w, "set aside\t%s\n", count(s.Aside))
	for _, q := range []queueJSON{s.Queue, s.Dead} {
		fmt.Fprintf(w, "queue\t%s: %s visible, %s in flight, %s delayed\n",
			q.Name, count(q.Visible), count(q.InFlight), count(q.Delayed))
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "SHARD\tSTATE\tDONE UP TO\tLAST READ BY")
	for _, sh := range s.Shards {
		if sh.Finished && sh.Lost == "" {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", sh.Shard, sh.state(), sh.CheckpointTime, sh.Worker)
	}
	return w.Flush()
}

func (s shardJSON) state() string {
	switch {
	case s.Lost != "":
		return "LOST: " + s.Lost
	case s.Finished:
		return "finished"
	case s.Epoch == 0:
		return "waiting"
	}
	return "open"
}
