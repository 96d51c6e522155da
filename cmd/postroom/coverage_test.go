package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/stream"
)

// TestCoverage names what each closed shard may hold unread. An open gap counts more
// than a closed one of the same shard.
func TestCoverage(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	s := statusOf(stream.Status{
		Workers: []stream.WorkerStatus{{Worker: "a", Session: "1", RenewedAt: now}},
		Shards: []stream.ShardStatus{
			{Shard: "done", Finished: true, FinishedAt: now},
			{Shard: "held", Worker: "a", Session: "1", Epoch: 1, CheckpointTime: now},
			{Shard: "left", Worker: "b", Session: "2", Epoch: 1},
			{Shard: "lost", Finished: true, FinishedAt: now, Lost: "trimmed"},
			{Shard: "filled", Finished: true, FinishedAt: now, Lost: "trimmed"},
			{Shard: "open", Parent: "held"},
			{Shard: "open too", Parent: "left"},
		},
	}, make([]probe, 7), now)
	s.Backfill = backfillOf(backfill.Status{
		Open: []backfill.Gap{{Shard: "lost", Until: now}},
		Finished: []backfill.Gap{
			{Shard: "lost", Until: now.Add(-time.Hour), FinishedAt: now},
			{Shard: "filled", From: now.Add(-time.Hour), Until: now, FinishedAt: now},
		},
	})
	at, hour := formatTime(now), formatTime(now.Add(-time.Hour))
	want := coverageJSON{Closed: 5, Read: 1, Missing: []missingJSON{
		{Shard: "held", From: at, State: "being_read"},
		{Shard: "left", State: "unread"},
		{Shard: "lost", Until: at, State: "lost"},
		{Shard: "filled", From: hour, Until: at, State: "backfilled"},
	}}
	if diff := cmp.Diff(want, s.coverage()); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
}

func TestCoverageText(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]coverageJSON{
		"coverage  no shard has closed yet\n":                                          {},
		"coverage  all of the 1,200 shards that have closed were read to their ends\n": {Closed: 1200, Read: 1200},
		"coverage  0 of the 1 shards that have closed were read to their ends\nmissing   s, from the beginning: NOBODY READS IT\n": {
			Closed: 1, Missing: []missingJSON{{Shard: "s", State: unread}},
		},
	} {
		var table terminal.Table
		c.rows(&table)
		var got bytes.Buffer
		if _, err := table.WriteTo(&got); err != nil || got.String() != want {
			t.Errorf("printed %q (%v), want %q", got.String(), err, want)
		}
	}
	var table terminal.Table
	coverageJSON{Missing: make([]missingJSON, 5000)}.rows(&table)
	var got bytes.Buffer
	if _, err := table.WriteTo(&got); err != nil || bytes.Count(got.Bytes(), []byte("\n")) != 2+maxMissing {
		t.Errorf("printed %s (%v)", got.String(), err)
	}
}
