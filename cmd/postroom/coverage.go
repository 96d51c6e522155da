package main

import (
	"fmt"
	"slices"

	"github.com/postroom/postroom/internal/terminal"
)

// coverageJSON says whether each shard that has closed was read to its end. A shard
// has closed if it was read to its end or has a child. Shards that closed longer than
// a day ago leave the listing, and two days after they were finished their leases too.
type coverageJSON struct {
	Closed  int           `json:"closed"`
	Read    int           `json:"read"` // of these, to their ends: shards[].finished_at says when
	Missing []missingJSON `json:"missing"`
}

// missingJSON is what a shard that has closed may hold unread, or has lost.
type missingJSON struct {
	Shard string `json:"shard"`
	From  string `json:"from,omitempty"` // empty: from its beginning
	Until string `json:"until,omitempty"`
	State string `json:"state"` // being_read, unread, lost, or backfilled
}

// The states of what is missing.
const (
	beingRead  = "being_read"
	unread     = "unread" // nobody reads it now
	lost       = "lost"   // a backfill has still to bring it from the log
	backfilled = "backfilled"
)

// coverage looks at the shards that have closed. What a shard has lost is in a gap.
func (s statusJSON) coverage() coverageJSON {
	parents := map[string]bool{}
	for _, sh := range s.Shards {
		parents[sh.Parent] = true
	}
	gaps := map[string]gapJSON{} // those that are open are put last, and stay
	for _, g := range slices.Concat(s.Backfill.ClosedGaps, s.Backfill.OpenGaps) {
		gaps[g.Shard] = g
	}
	c := coverageJSON{Missing: []missingJSON{}}
	for _, sh := range s.Shards {
		closed := sh.Finished || parents[sh.Shard]
		if closed {
			c.Closed++
		}
		switch {
		case sh.Lost != "":
			c.Missing = append(c.Missing, lossOf(sh, gaps[sh.Shard]))
		case sh.Finished:
			c.Read++
		case closed && sh.Held:
			c.Missing = append(c.Missing, missingJSON{Shard: sh.Shard, From: sh.CheckpointTime, State: beingRead})
		case closed:
			c.Missing = append(c.Missing, missingJSON{Shard: sh.Shard, From: sh.CheckpointTime, State: unread})
		}
	}
	return c
}

func lossOf(sh shardJSON, g gapJSON) missingJSON {
	m := missingJSON{Shard: sh.Shard, From: g.From, Until: g.Until, State: lost}
	if g.FinishedAt != "" {
		m.State = backfilled
	}
	return m
}

// maxMissing is how many ranges are listed for people.
const maxMissing = 20

func (c coverageJSON) rows(t *terminal.Table) {
	switch {
	case c.Closed == 0:
		t.Row("coverage", "no shard has closed yet")
	case c.Read == c.Closed && len(c.Missing) == 0:
		t.Row("coverage", fmt.Sprintf("all of the %s shards that have closed were read to their ends", count(c.Closed)))
	default:
		t.Row("coverage", fmt.Sprintf("%s of the %s shards that have closed were read to their ends", count(c.Read), count(c.Closed)))
	}
	for i, m := range c.Missing {
		if i == maxMissing {
			t.Row("missing", fmt.Sprintf("and %s more", count(len(c.Missing)-i)))
			break
		}
		t.Row("missing", m.String())
	}
}

func (m missingJSON) String() string {
	from := "from the beginning"
	if m.From != "" {
		from = "from " + m.From
	}
	what := map[string]string{
		beingRead: "is being read", unread: "NOBODY READS IT",
		lost: "LOST; a backfill is to bring it from the log", backfilled: "was lost, and was brought from the log",
	}[m.State]
	if m.Until != "" {
		from += " to " + m.Until
	}
	return fmt.Sprintf("%s, %s: %s", m.Shard, from, what)
}
