package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
)

func TestF20StatusCheck(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	seconds := func(n int64) *int64 { return &n }
	for name, c := range map[string]struct {
		change func(*statusJSON)
		code   int
		text   string
	}{
		"well":             {func(*statusJSON) {}, exitDone, ""},
		"a minute behind":  {func(s *statusJSON) { s.Lag, s.UntilLoss = seconds(60), seconds(86340) }, exitDone, ""},
		"a finished shard": {func(s *statusJSON) { s.Shards = append(s.Shards, shardJSON{Listed: true, Finished: true}) }, exitDone, ""},
		"switched off":     {func(s *statusJSON) { s.Enabled = false }, exitLost, "switched off"},
		"trimmed":          {func(s *statusJSON) { s.Lag, s.UntilLoss = nil, seconds(0) }, exitLost, "no longer holds"},
		"no worker":        {func(s *statusJSON) { s.Workers = nil }, exitNoWorker, "no worker"},
		"dead workers": {func(s *statusJSON) {
			s.Workers[0].RenewedAt = postroom.FormatTime(now.Add(-61 * time.Second))
		}, exitNoWorker, "no worker"},
		"behind": {func(s *statusJSON) { s.Lag = seconds(61) }, exitBehind, "1m1s behind"},
		"not known": {func(s *statusJSON) {
			s.Shards = append(s.Shards, shardJSON{Shard: "s2", Listed: true})
		}, exitBehind, "shard s2 is behind is not known"},
		"quarantined":   {func(s *statusJSON) { s.Quarantined = 3 }, exitQuarantined, "3 records"},
		"dead letters":  {func(s *statusJSON) { s.Dead.InFlight = 2 }, exitQuarantined, "2 notifications"},
		"damaged items": {func(s *statusJSON) { s.Damaged = make([]damagedJSON, 2) }, exitQuarantined, "2 items"},
		"a gap":         {func(s *statusJSON) { s.Backfill.OpenGaps = make([]gapJSON, 1) }, exitBackfill, "1 gaps"},
		"a scan":        {func(s *statusJSON) { s.Backfill.Scan = &scanJSON{} }, exitBackfill, "backfill"},
		"a canary": {func(s *statusJSON) {
			s.Canaries = []canaryStateJSON{{InARow: 2, Last: canaryJSON{Name: "eu", Stage: "visible", Error: "why"}}}
		}, exitCanary, `2 canaries "eu" in a row have not arrived: why`},
		"a canary that was killed": {func(s *statusJSON) { s.Canaries = []canaryStateJSON{{InARow: 2, Overdue: true}} }, exitDone, ""},
		"a rebuild":                {func(s *statusJSON) { s.Rebuilds = []rebuildJSON{{ID: "abc", State: "running"}} }, exitBackfill, "rebuild abc"},
		"a replay":                 {func(s *statusJSON) { s.Replays = []replayJSON{{Name: "one", State: "running"}} }, exitBackfill, "replay one is under way"},
		"an idle one":              {func(s *statusJSON) { s.Replays = []replayJSON{{Name: "one", State: "idle"}} }, exitBackfill, "nobody carries it out"},
		"a stopped replay":         {func(s *statusJSON) { s.Replays = []replayJSON{{Name: "one", State: "stopped"}} }, exitDone, ""},
		"a stopped one":            {func(s *statusJSON) { s.Rebuilds = []rebuildJSON{{ID: "abc", State: "stopped"}} }, exitDone, ""},
		"the worst of several": {func(s *statusJSON) {
			s.Backfill.Scan, s.Quarantined, s.Workers, s.Lag = &scanJSON{}, 1, nil, seconds(3600)
		}, exitNoWorker, "no worker has sent a heartbeat for 1m0s; the projection is 1h0m0s behind; 1 records are quarantined; a backfill"},
	} {
		s := statusJSON{
			Enabled: true, Lag: seconds(0),
			Workers: []workerJSON{{Worker: "a", RenewedAt: postroom.FormatTime(now.Add(-time.Second))}},
			Shards:  []shardJSON{{Shard: "s1", Listed: true, Lag: seconds(0)}},
		}
		c.change(&s)
		code, text := exitDone, ""
		err := s.check(now)
		if f, ok := errors.AsType[*findingError](err); ok {
			code, text = f.code, f.text
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%s: exit code %d, %q; want %d, %q", name, code, text, c.code, c.text)
		}
	}
}

func TestF20StatusCheckInAScript(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	if r := s.run("status", "--check", "--json"); r.code != exitNoWorker || !strings.HasPrefix(r.stdout, "{") || !strings.Contains(r.stderr, "postroom: no worker") {
		t.Errorf("without a projector: %+v", r)
	}
	addr, stop := s.daemon("project")
	defer stop()
	awaitReady(t, addr)
	awaitMetric(t, addr, "postroom_projector_messages_total 1")
	r := s.run("status", "--check")
	for r.code == exitBackfill { // at the first start the log is scanned
		r = s.run("status", "--check")
	}
	if r.code != exitDone || r.stderr != "" {
		t.Errorf("with a projector: %+v", r)
	}
	s.ok("post", "--from", chloe, "--group", postroom.PairUUID(ada, bob), "--message", "I am no member")
	awaitMetric(t, addr, "postroom_projector_quarantined_total 1")
	if r := s.run("status", "--check"); r.code != exitQuarantined {
		t.Errorf("with a quarantined record: %+v", r)
	}
	s.ok("status") // shows, and does not judge
}
