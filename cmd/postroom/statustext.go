package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/stream"
)

// print writes a status for people.
func (s statusJSON) print(w io.Writer) error {
	for _, table := range []terminal.Table{s.summary(), s.workerTable(), s.shardTable()} {
		if _, err := table.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}

func (s statusJSON) summary() (t terminal.Table) {
	leader := "nobody"
	if s.Leader != nil {
		leader = fmt.Sprintf("%s, epoch %d, renewed %s", s.Leader.Worker, s.Leader.Epoch, s.Leader.RenewedAt)
	}
	t.Row("stream", s.Stream)
	if !s.Enabled {
		t.Row("", "DISABLED: no more records will come")
	}
	t.Row("led by", leader)
	if s.Destination != "" {
		t.Row("sends to", s.Destination)
	}
	t.Row("shards", fmt.Sprintf("%d, %d of them finished", len(s.Shards), len(s.Shards)-s.openShards()))
	for _, g := range s.Groups {
		if g.Group != stream.DefaultGroup {
			t.Row("read too by", g.text())
		}
	}
	t.Row("behind", lagText(s.Lag, s.UntilLoss))
	for _, sh := range s.Shards {
		if sh.Lost != "" {
			t.Row("data loss", sh.Lost)
		}
	}
	s.Backfill.rows(&t)
	for _, r := range s.Rebuilds {
		t.Row("rebuild", r.text())
	}
	for _, r := range s.Replays {
		t.Row("replay", fmt.Sprintf("%s, %s: %s", r.Name, r.State, r.text()))
	}
	s.Coverage.rows(&t)
	t.Row("quarantined", count(s.Quarantined))
	if r := s.Retries; r != nil {
		t.Row("retries", fmt.Sprintf("%s quarantined records are being tried again, asked for at %s", count(r.Records), r.AskedAt))
	}
	for _, q := range []queueJSON{s.Queue, s.Dead} {
		t.Row("queue", q.String())
	}
	for _, c := range s.Canaries {
		c.row(&t)
	}
	for _, v := range s.Views {
		if len(s.Views) > 1 || v.View != postroom.DefaultView {
			t.Row("view", v.text())
		}
	}
	for _, d := range s.Damaged {
		t.Row("DAMAGED", fmt.Sprintf("%q, %q: %s; run `postroom repair`", d.PK, d.SK, d.Error))
	}
	return t
}

func (g groupJSON) text() string {
	to := ""
	if g.Until != "" {
		to = " to " + g.Until
	}
	state := fmt.Sprintf("%d workers, %d of %d shards finished", g.Workers, g.Finished, g.Shards)
	if g.DoneAt != "" {
		state = "done at " + g.DoneAt
	}
	return fmt.Sprintf("%s, from %s%s, since %s: %s", g.Group, g.Start, to, g.BegunAt, state)
}

func (s statusJSON) workerTable() (t terminal.Table) {
	if len(s.Workers) == 0 {
		return t
	}
	t.Row()
	t.Row("WORKER", "SHARDS", "LAST HEARTBEAT", "")
	for _, one := range s.Workers {
		leads := ""
		if one.Leads {
			leads = "leads"
		}
		t.Row(one.Worker, strconv.Itoa(one.Leases), one.RenewedAt, leads)
	}
	return t
}

func (s statusJSON) shardTable() (t terminal.Table) {
	t.Row()
	t.Row("SHARD", "STATE", "DONE UP TO", "BEHIND", "LOST IN", "RATE", "READ BY")
	for _, sh := range s.Shards {
		if !sh.Finished || sh.Lost != "" {
			t.Row(sh.Shard, sh.state(), sh.CheckpointTime, sh.behind(), sh.untilLoss(), sh.rate(), sh.reader())
		}
	}
	return t
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
	switch {
	case untilLoss != nil && *untilLoss == 0:
		return "RECORDS WERE LOST: the stream has trimmed them"
	case lag == nil:
		return "not known"
	case untilLoss == nil:
		return "nothing is unread"
	}
	return fmt.Sprintf("%s; the oldest unread record is trimmed in %s", span(*lag), span(*untilLoss))
}

func span(seconds int64) string { return (time.Duration(seconds) * time.Second).String() }

// How many gaps that are closed are listed at most, the latest first: for programs,
// and for people.
const (
	maxClosedGaps   = 100
	shownClosedGaps = 5
)

// rows adds what was lost and is not filled yet, and what was filled.
func (b backfillJSON) rows(t *terminal.Table) {
	for _, g := range b.OpenGaps {
		t.Row("lost", g.span()+": "+g.Reason)
	}
	for i, g := range b.ClosedGaps {
		if i == shownClosedGaps {
			t.Row("backfilled", "and more before")
			break
		}
		what := g.span()
		if g.Silent {
			what = "what was there before the first start"
		}
		t.Row("backfilled", fmt.Sprintf("%s: at %s, %s messages read, %s projected, %s notified",
			what, g.FinishedAt, count(g.Read), count(g.Projected), count(g.Notified)))
	}
	if s := b.Scan; s != nil {
		t.Row("backfill", fmt.Sprintf("%d of %d parts of the log, %s messages read, %s projected, %s notified; since %s",
			s.SegmentsDone, s.Segments, count(s.Read), count(s.Projected), count(s.Notified), s.StartedAt))
	}
}

// span is what is missing: of a shard, from when to when.
func (g gapJSON) span() string {
	return fmt.Sprintf("%s, from %s to %s", cmp.Or(g.Shard, "the stream"), cmp.Or(g.From, "the beginning"), g.Until)
}

func (s shardJSON) state() string {
	state := "open"
	switch {
	case s.Finished:
		state = "finished"
	case s.Damaged:
		state = "DAMAGED"
	case s.Epoch == 0:
		state = "waiting"
	}
	if s.Lost != "" {
		state += ", LOST"
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
	return span(*s.Lag)
}

// untilLoss returns how long the oldest record that is not done is kept.
func (s shardJSON) untilLoss() string {
	if s.Finished || s.UntilLoss == nil {
		return ""
	}
	return span(*s.UntilLoss)
}

func (s shardJSON) rate() string {
	if s.Rate == nil {
		return ""
	}
	text := fmt.Sprintf("%.1fx", *s.Rate)
	if left := s.catchUp(); left > 0 {
		text += fmt.Sprintf(", %v left", left)
	}
	return text
}

func (q queueJSON) String() string {
	text := fmt.Sprintf("%s: %s visible, %s in flight, %s delayed", q.Name, count(q.Visible), count(q.InFlight), count(q.Delayed))
	if q.Oldest != nil {
		text += fmt.Sprintf(", the oldest %s old", span(*q.Oldest))
	}
	return text
}

func (s shardJSON) reader() string {
	if s.Worker != "" && !s.Finished && !s.Held {
		return "nobody, last " + s.Worker
	}
	return s.Worker
}
