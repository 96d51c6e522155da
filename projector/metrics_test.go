package projector

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/metric"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/stream"
)

// TestMetrics compares the text of all metrics of a projector with the one in
// testdata, which shows people what there is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	now := start
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	var visible metric.Latency
	visible.Since(ago(40*time.Millisecond), now)
	visible.Since(ago(4*time.Second), now)
	m := metrics{
		Stats: Stats{Projected: 1, Moves: 2, NotificationsSent: 3, Quarantined: 4, ExternalEdits: 5, Retrying: 37, Retried: 38,
			Throttled: 23, Conflicts: 24, FromFuture: 26, NotificationsFailed: 27, NotificationsPending: 28, DamagedItems: 25, QuarantinedShare: 0.25,
			Backfill: backfill.Stats{
				Gaps: 6, OpenGaps: 7, Counts: backfill.Counts{Read: 8, Projected: 9, Notified: 10, Unnotified: 11},
			},
			Rebuild: rebuild.Stats{Open: 31, Counts: rebuild.Counts{Read: 32, Conversations: 33, Changed: 34, Failed: 35, Units: 36}}},
		Visible: visible.Histogram(), Failing: 29 * time.Second,
		Stream: stream.Stats{
			Failing: 30 * time.Second, Leases: 6, Leads: true, Workers: 7, InFlight: 8, InFlightBytes: 9,
			Records: 12, Reads: 13, Empty: 14, Listings: 15, Saves: 16,
			Acquired: 17, Transferred: 18, Received: 19, Lost: 20, Expired: 21, DataLosses: 22,
		},
		lag: lagOf([]stream.ShardProgress{
			{AtTip: true, Read: ago(30 * time.Hour), ReadAt: ago(time.Second), CheckpointAt: ago(30 * time.Hour)},
			{Read: ago(time.Hour), ReadAt: ago(2 * time.Second), CheckpointAt: ago(4 * time.Hour)},
			{AtTip: true, Read: ago(2 * time.Minute), InFlight: 8, InFlightSince: ago(90 * time.Second), CheckpointAt: ago(2 * time.Minute)},
			{CheckpointAt: ago(11 * time.Second), ReadAt: ago(7 * time.Second)},
			{Read: now.Add(time.Second), ReadAt: now}, // the stream's clock is ahead
			{Begun: ago(8 * time.Second)}, // not read yet
		}, now),
	}
	c := metric.Struct(func() metrics { return m })
	problems, err := testutil.CollectAndLint(c)
	if len(problems) > 0 || err != nil {
		t.Errorf("against convention: %v (%v)", problems, err)
	}
	want, err := os.Open("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if err := testutil.CollectAndCompare(c, want); err != nil {
		t.Error(err)
	}
}

func TestLagAtTheTip(t *testing.T) {
	t.Parallel()
	now := start
	for name, shards := range map[string][]stream.ShardProgress{
		"no shard":               nil,
		"an idle one":            {{AtTip: true, Read: now.Add(-30 * time.Hour), ReadAt: now, CheckpointAt: now.Add(-30 * time.Hour)}},
		"one not read yet":       {{}},
		"a clock that is behind": {{Read: now.Add(time.Second), ReadAt: now, CheckpointAt: now.Add(time.Second)}},
	} {
		if l := lagOf(shards, now); l.Longest != 0 || l.BehindOver[1] != 0 || l.UntilLoss < backend.StreamRetention.Seconds() {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

// TestTimeUntilLoss is that of the oldest record at any checkpoint, and never less than
// none.
func TestTimeUntilLoss(t *testing.T) {
	t.Parallel()
	shard := func(age time.Duration) stream.ShardProgress {
		return stream.ShardProgress{CheckpointAt: start.Add(-age), Read: start, ReadAt: start}
	}
	for _, c := range []struct {
		ages []time.Duration
		want time.Duration
	}{
		{[]time.Duration{time.Hour}, 23 * time.Hour},
		{[]time.Duration{time.Hour, 4 * time.Hour, 2 * time.Hour}, 20 * time.Hour},
		{[]time.Duration{24 * time.Hour}, 0},
		{[]time.Duration{30 * time.Hour}, 0},
	} {
		var shards []stream.ShardProgress
		for _, age := range c.ages {
			shards = append(shards, shard(age))
		}
		if got := lagOf(shards, start).UntilLoss; got != c.want.Seconds() {
			t.Errorf("ages %v: %v seconds, want %v", c.ages, got, c.want)
		}
	}
}

func TestMetricsOfAProjector(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.post(conversationOf(1, 3, 2)...)
		r.run()
		r.settled()
		r.end()
		const want = `
# HELP postroom_projector_messages_total Messages whose conversation was brought to them or further.
# TYPE postroom_projector_messages_total counter
postroom_projector_messages_total 2
# HELP postroom_projector_notifications_sent_total Notifications accepted by the queue.
# TYPE postroom_projector_notifications_sent_total counter
postroom_projector_notifications_sent_total 4
`
		err := testutil.CollectAndCompare(r.p.Collector(), strings.NewReader(want),
			"postroom_projector_messages_total", "postroom_projector_notifications_sent_total")
		if err != nil {
			t.Error(err)
		}
	})
}

// Once the stream is switched off its shards have ended, and nobody holds one. That is
// how alarms know.
func TestNoLeasesOnceTheStreamIsSwitchedOff(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		r.post(conversationOf(1, 2, 2)...)
		r.settled()
		if n := r.p.StreamStats().Leases; n == 0 {
			t.Fatal("no shard is held")
		}
		r.store.SwitchOff("t")
		time.Sleep(2 * time.Minute)
		if n := r.p.StreamStats().Leases; n != 0 {
			t.Errorf("%d shards are held of a stream that is switched off", n)
		}
		r.end()
	})
}
