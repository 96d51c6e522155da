package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/canary"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/replay"
	"github.com/postroom/postroom/stream"
)

// aGroup is two workers on five shards, one of which nobody reads, with a loss
// that is being recovered.
func aGroup() statusJSON {
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	s := stream.Status{
		StreamARN: "arn", Destination: "queue q, as table t", Leader: stream.LeaderStatus{Worker: "a", Epoch: 7, RenewedAt: ago(time.Second)},
		Workers: []stream.WorkerStatus{
			{Worker: "b", Session: "2", RenewedAt: ago(2 * time.Second)},
			{Worker: "a", Session: "1", RenewedAt: ago(time.Second), Leads: true},
		},
		Shards: []stream.ShardStatus{
			{Shard: "s1", Listed: true, Worker: "a", Session: "1", Epoch: 2, Checkpoint: "10", CheckpointTime: ago(time.Hour), Finished: true, FinishedAt: ago(30 * time.Minute)},
			{Shard: "s2", Parent: "s1", Listed: true, Worker: "a", Session: "1", Epoch: 3, Checkpoint: "20", CheckpointTime: ago(30 * time.Hour)},
			{Shard: "s3", Listed: true, Worker: "b", Session: "2", Epoch: 1, Checkpoint: "30", CheckpointTime: ago(2 * time.Minute), Lost: "a loss"},
			{Shard: "s4", Listed: true, Worker: "c", Session: "3", Epoch: 4, Checkpoint: "40", CheckpointTime: ago(time.Hour)},
			{Shard: "s5", Parent: "s3", Listed: true},
			{Shard: "s6", Listed: true, Damaged: true},
		},
	}
	probes := []probe{{}, {known: true}, {known: true, oldest: ago(time.Minute)}, {known: true, oldest: ago(time.Hour)}, {}, {}}
	out := statusOf(s, probes, now)
	out.Backfill = backfillOf(backfill.Status{
		Open: []backfill.Gap{{ID: "g", Shard: "s3", Reason: "trimmed", Until: ago(24 * time.Hour), FoundAt: ago(time.Minute)}},
		Scan: &backfill.ScanStatus{
			StartedAt: ago(time.Minute), UpdatedAt: ago(time.Second), Gaps: 1, Segments: 4, Done: 1,
			Counts: backfill.Counts{Read: 1234, Projected: 5, Notified: 6, Unnotified: 7},
		},
		Finished: []backfill.Gap{{
			ID: "f", Shard: "s0", Reason: "gone", From: ago(50 * time.Hour), Until: ago(26 * time.Hour), FoundAt: ago(2 * time.Hour),
			FinishedAt: ago(time.Hour), Counts: backfill.Counts{Read: 9, Projected: 8, Notified: 7},
		}},
	})
	out.Coverage = out.coverage()
	out.Damaged = damagedOf([]*stream.DamageError{
		{Key: backend.Key{PK: "stream#arn", SK: "SHARD#s6"}, Err: errors.New("attribute epoch: it is missing"), Blocks: true},
	})
	out.Groups = groupsOf([]stream.GroupStatus{
		{Group: "projector", BegunAt: ago(48 * time.Hour), Workers: 2, Shards: 5, Finished: 1},
		{Group: "replay-1", Start: stream.Start{At: ago(2 * time.Hour)}, BegunAt: ago(time.Minute), Workers: 1, Shards: 5, Finished: 2},
		{Group: "replay-2", Until: ago(time.Hour), BegunAt: ago(time.Minute), DoneAt: ago(time.Second), Shards: 5, Finished: 5},
	})
	out.Canaries = canariesOf([]canary.State{{
		Name: "canary", Host: "host:1", Every: time.Minute, Delivers: true, UpdatedAt: ago(30 * time.Second), DueAt: now.Add(time.Minute),
		Last: canary.Last{
			MessageUUID: "u", PostedAt: ago(time.Minute), Visible: 20 * time.Millisecond, Stage: canary.Delivered, Error: "why",
		},
		ArrivedAt: ago(3 * time.Minute), FailingSince: ago(2 * time.Minute), InARow: 2,
	}}, now)
	out.Rebuilds = openRebuilds([]rebuild.Job{
		{
			ID: "abc", State: rebuild.Running, Worker: "a", Rate: 500, AskedAt: ago(2 * time.Minute), UpdatedAt: ago(time.Second), Worked: time.Minute,
			Expected: 1000, Counts: rebuild.Counts{Read: 400, Conversations: 80, Changed: 7, Failed: 2, Units: 24_600},
			Failures: []rebuild.Failure{{GroupUUID: "g", Reason: "lost"}},
		},
		{ID: "old", State: rebuild.Done},
		{ID: "off", State: rebuild.Stopped, Scope: rebuild.Scope{Users: []string{"u"}}, Rate: 5, AskedAt: ago(time.Hour), EndedAt: ago(time.Minute)},
	})
	lost := replay.Definition{Name: "lost", Begin: ago(3 * time.Hour), End: ago(time.Hour), Notify: true, Rate: 10}
	out.Replays = openReplays([]replay.Replay{
		{
			Definition: lost, Source: replay.Log, State: replay.Running, Total: 1300, CreatedAt: ago(2 * time.Minute), UpdatedAt: ago(time.Minute), Holder: "a",
			Counts: replay.Counts{Replayed: 1000, Projected: 1, Notified: 1500, Quarantined: 2},
		},
		{Definition: lost, State: replay.Done},
	}, now)
	out.Retries = retriesOf(quarantine.Counts{Records: 20, Asked: 12, AskedAt: ago(3 * time.Second)})
	out.Queue.Name, out.Dead.Name = "q", "q-dlq"
	out.Views = []viewJSON{{View: "default", RowFormat: 1, State: "ready", Live: true}}
	return out
}

// The order of the fields is a promise.
func TestStatusJSON(t *testing.T) {
	t.Parallel()
	const want = `{"stream":"arn","stream_enabled":true,` +
		`"leader":{"worker":"a","epoch":7,"renewed_at":"2026-05-21T10:29:59.000000Z"},` +
		`"workers":[{"worker":"a","session":"1","leases":1,"leads":true,"renewed_at":"2026-05-21T10:29:59.000000Z"},` +
		`{"worker":"b","session":"2","leases":1,"leads":false,"renewed_at":"2026-05-21T10:29:58.000000Z"}],` +
		`"shards":[` +
		`{"shard":"s1","worker":"a","epoch":2,"checkpoint":"10","checkpoint_time":"2026-05-21T09:30:00.000000Z","finished":true,"finished_at":"2026-05-21T10:00:00.000000Z","listed":true,"held":false,"lag_seconds":null,"until_loss_seconds":null},` +
		`{"shard":"s2","parent":"s1","worker":"a","epoch":3,"checkpoint":"20","checkpoint_time":"2026-05-20T04:30:00.000000Z","finished":false,"listed":true,"held":true,"lag_seconds":0,"until_loss_seconds":null},` +
		`{"shard":"s3","worker":"b","epoch":1,"checkpoint":"30","checkpoint_time":"2026-05-21T10:28:00.000000Z","finished":false,"listed":true,"lost":"a loss","held":true,"lag_seconds":60,"until_loss_seconds":86340},` +
		`{"shard":"s4","worker":"c","epoch":4,"checkpoint":"40","checkpoint_time":"2026-05-21T09:30:00.000000Z","finished":false,"listed":true,"held":false,"lag_seconds":3600,"until_loss_seconds":82800},` +
		`{"shard":"s5","parent":"s3","epoch":0,"finished":false,"listed":true,"held":false,"lag_seconds":null,"until_loss_seconds":null},` +
		`{"shard":"s6","epoch":0,"finished":false,"listed":true,"damaged":true,"held":false,"lag_seconds":null,"until_loss_seconds":null}],` +
		`"lag_seconds":3600,"until_loss_seconds":82800,` +
		`"backfill":{"open_gaps":[{"id":"g","shard":"s3","reason":"trimmed","until":"2026-05-20T10:30:00.000000Z","silent":false,"found_at":"2026-05-21T10:29:00.000000Z"}],` +
		`"scan":{"started_at":"2026-05-21T10:29:00.000000Z","updated_at":"2026-05-21T10:29:59.000000Z","gaps":1,"segments":4,"segments_done":1,"read":1234,"projected":5,"notified":6,"unnotified":7},` +
		`"closed_gaps":[{"id":"f","shard":"s0","reason":"gone","from":"2026-05-19T08:30:00.000000Z","until":"2026-05-20T08:30:00.000000Z","silent":false,"found_at":"2026-05-21T08:30:00.000000Z",` +
		`"finished_at":"2026-05-21T09:30:00.000000Z","read":9,"projected":8,"notified":7}]},` +
		`"quarantined":0,"queue":{"name":"q","visible":0,"in_flight":0,"delayed":0,"oldest_seconds":null},"dead_letter_queue":{"name":"q-dlq","visible":0,"in_flight":0,"delayed":0,"oldest_seconds":null},` +
		`"damaged":[{"pk":"stream#arn","sk":"SHARD#s6","error":"attribute epoch: it is missing","blocks":true}],"destination":"queue q, as table t",` +
		`"coverage":{"closed":2,"read":1,"missing":[{"shard":"s3","until":"2026-05-20T10:30:00.000000Z","state":"lost"}]},` +
		`"groups":[{"group":"projector","start":"trim-horizon","begun_at":"2026-05-19T10:30:00.000000Z","workers":2,"shards":5,"shards_finished":1},` +
		`{"group":"replay-1","start":"2026-05-21T08:30:00Z","begun_at":"2026-05-21T10:29:00.000000Z","workers":1,"shards":5,"shards_finished":2},` +
		`{"group":"replay-2","start":"trim-horizon","until":"2026-05-21T09:30:00.000000Z","begun_at":"2026-05-21T10:29:00.000000Z","done_at":"2026-05-21T10:29:59.000000Z","workers":0,"shards":5,"shards_finished":5}],` +
		`"canaries":[{"host":"host:1","every_seconds":60,"until":"delivered","updated_at":"2026-05-21T10:29:30.000000Z","overdue":false,` +
		`"last":{"name":"canary","message_group_uuid":"ca9a2a00-0000-5000-8abc-abfccdf59a17","message_uuid":"u","posted_at":"2026-05-21T10:29:00.000000Z",` +
		`"visible_seconds":0.02,"delivered_seconds":null,"failed":"delivered","error":"why"},` +
		`"arrived_at":"2026-05-21T10:27:00.000000Z","failing_since":"2026-05-21T10:28:00.000000Z","failures_in_a_row":2}],` +
		`"rebuilds":[{"id":"abc","state":"running","worker":"a","rate":500,"asked_at":"2026-05-21T10:28:00.000000Z","updated_at":"2026-05-21T10:29:59.000000Z",` +
		`"read":400,"expected":1000,"conversations":80,"changed":7,"failed":2,"units":24600,"units_per_second":410,"seconds":60,"left_seconds":91,` +
		`"failures":[{"message_group_uuid":"g","reason":"lost"}]},` +
		`{"id":"off","state":"stopped","user_uuids":["u"],"worker":"","rate":5,"asked_at":"2026-05-21T09:30:00.000000Z","updated_at":"","ended_at":"2026-05-21T10:29:00.000000Z",` +
		`"read":0,"expected":0,"conversations":0,"changed":0,"failed":0,"units":0,"units_per_second":0,"seconds":0,"left_seconds":null,"failures":[]}],` +
		`"replays":[{"name":"lost","state":"idle","source":"log","from":"2026-05-21T07:30:00.000000Z","to":"2026-05-21T09:30:00.000000Z","groups":[],"users":[],` +
		`"notify":true,"rate":10,"total":1300,"replayed":1000,"projected":1,"notified":1500,"quarantined":2,"left_seconds":30,` +
		`"created_at":"2026-05-21T10:28:00.000000Z","updated_at":"2026-05-21T10:29:00.000000Z","worker":"a"}],` +
		`"retries":{"records":12,"asked_at":"2026-05-21T10:29:57.000000Z"},` +
		`"views":[{"view":"default","row_format":1,"state":"ready","live":true}]}` + "\n"
	var got strings.Builder
	if err := printJSON(&got, aGroup()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestStatusText(t *testing.T) {
	t.Parallel()
	const want = `
stream       arn
led by       a, epoch 7, renewed 2026-05-21T10:29:59.000000Z
sends to     queue q, as table t
shards       6, 1 of them finished
read too by  replay-1, from 2026-05-21T08:30:00Z, since 2026-05-21T10:29:00.000000Z: 1 workers, 2 of 5 shards finished
read too by  replay-2, from trim-horizon to 2026-05-21T09:30:00.000000Z, since 2026-05-21T10:29:00.000000Z: done at 2026-05-21T10:29:59.000000Z
behind       1h0m0s; the oldest unread record is trimmed in 23h0m0s
data loss    a loss
lost         s3, from the beginning to 2026-05-20T10:30:00.000000Z: trimmed
backfilled   s0, from 2026-05-19T08:30:00.000000Z to 2026-05-20T08:30:00.000000Z: at 2026-05-21T09:30:00.000000Z, 9 messages read, 8 projected, 7 notified
backfill     1 of 4 parts of the log, 1,234 messages read, 5 projected, 6 notified; since 2026-05-21T10:29:00.000000Z
rebuild      abc, everything, by a since 2026-05-21T10:28:00.000000Z: 80 conversations, 7 changed, 2 failed; 24,600 units, 410 of 500 a second; 40% done, about 1m31s left
rebuild      off, user u, stopped at 2026-05-21T10:29:00.000000Z: 0 conversations, 0 changed, 0 failed; 0 units, 0 of 5 a second; 0% done
replay       lost, idle: 1,000 of 1,300 messages replayed through the log, 1 had not been projected, 1,500 notifications sent, 2 quarantined, about 30s left at 10 a second
coverage     1 of the 2 shards that have closed were read to their ends
missing      s3, from the beginning to 2026-05-20T10:30:00.000000Z: LOST; a backfill is to bring it from the log
quarantined  0
retries      12 quarantined records are being tried again, asked for at 2026-05-21T10:29:57.000000Z
queue        q: 0 visible, 0 in flight, 0 delayed
queue        q-dlq: 0 visible, 0 in flight, 0 delayed
canary       canary of host:1, 2026-05-21T10:29:00.000000Z: visible after 20ms, not delivered; FAILS since 2026-05-21T10:28:00.000000Z, 2 in a row: why
DAMAGED      "stream#arn", "SHARD#s6": attribute epoch: it is missing; run ` + "`postroom repair`" + `

WORKER  SHARDS  LAST HEARTBEAT
a       1       2026-05-21T10:29:59.000000Z  leads
b       1       2026-05-21T10:29:58.000000Z

SHARD  STATE       DONE UP TO                   BEHIND  LOST IN   RATE  READ BY
s2     open        2026-05-20T04:30:00.000000Z  0s                      a
s3     open, LOST  2026-05-21T10:28:00.000000Z  1m0s    23h59m0s        b
s4     open        2026-05-21T09:30:00.000000Z  1h0m0s  23h0m0s         nobody, last c
s5     waiting                                  ?
s6     DAMAGED                                  ?
`
	var got strings.Builder
	got.WriteString("\n")
	if err := aGroup().print(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestStatusOfLag(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	lag := func() (lag, untilLoss *int64) {
		t.Helper()
		var status statusJSON
		if err := json.Unmarshal([]byte(s.ok("status", "--json")), &status); err != nil {
			t.Fatal(err)
		}
		return status.Lag, status.UntilLoss
	}
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	if lag, untilLoss := lag(); lag == nil || *lag > 3600 || untilLoss == nil || *untilLoss < 23*3600 || *untilLoss > 24*3600 {
		t.Errorf("before it is projected: %v, %v", lag, untilLoss)
	}
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	if lag, untilLoss := lag(); lag == nil || *lag != 0 || untilLoss != nil {
		t.Errorf("after it is projected: %v, %v", lag, untilLoss)
	}
}

// pages is a stream that answers so, page by page.
type pages struct {
	backend.Stream

	opened backend.Position
	err    error // of Iterator
	left   []backend.RecordPage
}

func (p *pages) Iterator(_ context.Context, _, _ string, at backend.Position) (string, error) {
	p.opened = at
	return "it", p.err
}

func (p *pages) Records(context.Context, string, int) (backend.RecordPage, error) {
	if len(p.left) == 0 {
		return backend.RecordPage{}, errors.New("too many reads")
	}
	page := p.left[0]
	p.left = p.left[1:]
	return page, nil
}

func TestLookBehindACheckpoint(t *testing.T) {
	t.Parallel()
	then := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	empty := backend.RecordPage{Next: "it"}
	full := backend.RecordPage{Next: "it", Records: []backend.Record{{CreatedAt: then}}}
	begun := stream.ShardStatus{Shard: "s", Epoch: 1, Checkpoint: "7"}
	gone := &backend.Error{Op: "shard s", Kind: backend.KindNotFound}
	for name, c := range map[string]struct {
		shard  stream.ShardStatus
		source pages
		want   probe
		fails  bool
	}{
		"a record follows":    {shard: begun, source: pages{left: []backend.RecordPage{full}}, want: probe{known: true, oldest: then}},
		"after empty pages":   {shard: begun, source: pages{left: []backend.RecordPage{empty, empty, full}}, want: probe{known: true, oldest: then}},
		"at the tip":          {shard: begun, source: pages{left: []backend.RecordPage{empty, empty, empty}}, want: probe{known: true}},
		"at its end":          {shard: begun, source: pages{left: []backend.RecordPage{{}}}, want: probe{known: true}},
		"the checkpoint left": {shard: begun, source: pages{err: &backend.Error{Op: "shard s", Kind: backend.KindTrimmed}}, want: probe{trimmed: true}},
		"the shard left":      {shard: begun, source: pages{err: gone}, want: probe{trimmed: true}},
		"it left unread":      {shard: stream.ShardStatus{Shard: "s"}, source: pages{err: gone}},
		"it cannot be read":   {shard: begun, source: pages{err: errors.New("denied")}, fails: true},
	} {
		got, err := probeShard(t.Context(), &c.source, "arn", c.shard)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %+v (%v), want %+v", name, got, err, c.want)
		}
		if at := c.source.opened; c.shard.Checkpoint != "" && at != (backend.Position{Type: backend.AfterSequence, Sequence: "7"}) {
			t.Errorf("%s: opened at %+v", name, at)
		}
	}
}

func TestS6StatusTellsOfALoss(t *testing.T) {
	t.Parallel()
	if lag, untilLoss := (probe{trimmed: true}).seconds(time.Now()); lag != nil || *untilLoss != 0 {
		t.Errorf("lag %v, lost in %d s", lag, *untilLoss)
	}
	zero := int64(0)
	if text := lagText(nil, &zero); text != "RECORDS WERE LOST: the stream has trimmed them" {
		t.Errorf("printed %s", text)
	}
}
