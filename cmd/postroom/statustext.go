package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// print writes a status for people.
func (s statusJSON) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	leader := "nobody"
	if s.Leader != nil {
		leader = fmt.Sprintf("%s, epoch %d, renewed %s", s.Leader.Worker, s.Leader.Epoch, s.Leader.RenewedAt)
	}
	fmt.Fprintf(w, "stream\t%s\n", s.Stream)
	if !s.Enabled {
		fmt.Fprintf(w, "\tDISABLED: no more records will come\n")
	}
	fmt.Fprintf(w, "led by\t%s\n", leader)
	fmt.Fprintf(w, "shards\t%d, %d of them finished\n", len(s.Shards), len(s.Shards)-s.openShards())
	fmt.Fprintf(w, "behind\t%s\n", lagText(s.Lag, s.UntilLoss))
	s.Backfill.print(w)
	fmt.Fprintf(w, "quarantined\t%s\n", count(s.Quarantined))
	for _, q := range []queueJSON{s.Queue, s.Dead} {
		fmt.Fprintf(w, "queue\t%s: %s visible, %s in flight, %s delayed\n",
			q.Name, count(q.Visible), count(q.InFlight), count(q.Delayed))
	}
	s.printWorkers(w)
	fmt.Fprintln(w, "\nSHARD\tSTATE\tDONE UP TO\tBEHIND\tREAD BY")
	for _, sh := range s.Shards {
		if sh.Finished && sh.Lost == "" {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", sh.Shard, sh.state(), sh.CheckpointTime, sh.behind(), sh.reader())
	}
	return w.Flush()
}

func (s statusJSON) printWorkers(w io.Writer) {
	if len(s.Workers) == 0 {
		return
	}
	fmt.Fprintln(w, "\nWORKER\tSHARDS\tLAST HEARTBEAT\t")
	for _, one := range s.Workers {
		leads := ""
		if one.Leads {
			leads = "leads"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", one.Worker, one.Leases, one.RenewedAt, leads)
	}
}

// openShards returns how many shards are not finished.
func (s statusJSON) openShards() (open int) {
	for _, sh := range s.Shards {
		if !sh.Finished {
			open++
		}
	}
	return open
}

// lagText says how far behind the projection is, and how long there is to catch up.
func lagText(lag, untilLoss *int64) string {
	span := func(seconds int64) time.Duration { return time.Duration(seconds) * time.Second }
	switch {
	case untilLoss != nil && *untilLoss == 0:
		return "RECORDS WERE LOST: the stream has trimmed them"
	case lag == nil:
		return "not known"
	case untilLoss == nil:
		return "nothing is unread"
	}
	return fmt.Sprintf("%v; the oldest unread record is trimmed in %v", span(*lag), span(*untilLoss))
}

func (b backfillJSON) print(w io.Writer) {
	for _, g := range b.OpenGaps {
		from := "the beginning"
		if g.From != "" {
			from = g.From
		}
		of := "the stream"
		if g.Shard != "" {
			of = g.Shard
		}
		fmt.Fprintf(w, "lost\t%s, from %s to %s: %s\n", of, from, g.Until, g.Reason)
	}
	if s := b.Scan; s != nil {
		fmt.Fprintf(w, "backfill\t%d of %d parts of the log, %s messages read, %s projected, %s notified; since %s\n",
			s.SegmentsDone, s.Segments, count(s.Read), count(s.Projected), count(s.Notified), s.StartedAt)
	}
}

func (s shardJSON) state() string {
	state := "open"
	switch {
	case s.Finished:
		state = "finished"
	case s.Epoch == 0:
		state = "waiting"
	}
	if s.Lost != "" {
		state += ", LOST: " + s.Lost
	}
	return state
}

// behind returns the lag as a column shows it.
func (s shardJSON) behind() string {
	switch {
	case s.Finished:
		return ""
	case s.UntilLoss != nil && *s.UntilLoss == 0:
		return "LOST"
	case s.Lag == nil:
		return "?"
	}
	return (time.Duration(*s.Lag) * time.Second).String()
}

func (s shardJSON) reader() string {
	if s.Worker != "" && !s.Finished && !s.Held {
		return "nobody, last " + s.Worker
	}
	return s.Worker
}
