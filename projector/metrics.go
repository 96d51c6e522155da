package projector

import (
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/metric"
	"github.com/postroom/postroom/stream"
)

// StreamStats returns what the projector's reader of the stream has done.
func (p *Projector) StreamStats() stream.Stats { return p.reader.Stats() }

// Progress returns the shards that this projector holds, in the order of their
// ids. It holds none before it has joined its worker group and after Run has returned.
func (p *Projector) Progress() []stream.ShardProgress { return p.reader.Progress() }

// Collector returns the projector's metrics. They tell of this projector and of
// the shards that it holds; sums, and the largest lag, over a worker group
// are those of all. No label names a shard: shards come and go every few hours.
func (p *Projector) Collector() prometheus.Collector {
	return metric.Collector(p.sight, metrics()...)
}

// sight is all that the metrics are made of.
type sight struct {
	Stats

	reader stream.Stats
	lag    lag
}

func (p *Projector) sight() sight {
	return sight{p.Stats(), p.StreamStats(), lagOf(p.Progress(), time.Now())}
}

func metrics() []metric.Metric[sight] {
	all := streamMetrics()
	all = append(all, lagMetrics()...)
	all = append(all, recoveryMetrics()...)
	return append(all,
		metric.Counter("postroom_projector_messages_total", "Messages whose conversation was brought to them or further.",
			func(s sight) int64 { return s.Projected }),
		metric.Counter("postroom_projector_moves_total", "Moves of a conversation in its members' lists. Messages over moves is how many were folded into one.",
			func(s sight) int64 { return s.Moves }),
		metric.Counter("postroom_projector_notifications_sent_total", "Notifications accepted by the queue.",
			func(s sight) int64 { return s.NotificationsSent }),
		metric.Counter("postroom_projector_set_aside_total", "Records that could not be processed and were set aside.",
			func(s sight) int64 { return s.SetAside }),
		metric.Counter("postroom_projector_foreign_total", "Messages that somebody else changed or removed in the table.",
			func(s sight) int64 { return s.Foreign }),
		metric.Counter("postroom_projector_throttled_total", "Calls of the table that it throttled, or left undone in part.",
			func(s sight) int64 { return s.Throttled }),
		metric.Counter("postroom_projector_conflicts_total", "Calls of the table that met somebody else's transaction.",
			func(s sight) int64 { return s.Conflicts }),
		metric.Gauge("postroom_projector_set_aside_ratio", "Share of the last records that were set aside. The projector stops before it exceeds what is allowed.",
			func(s sight) float64 { return s.CircuitShare }),
	)
}

// streamMetrics tell of the reader: what it reads, what that costs, and its
// part in the worker group.
func streamMetrics() []metric.Metric[sight] {
	return []metric.Metric[sight]{
		metric.Counter("postroom_stream_records_total", "Records of the stream taken over.",
			func(s sight) int64 { return s.reader.Records }),
		metric.Counter("postroom_stream_reads_total", "Reads of records, each a billed call.",
			func(s sight) int64 { return s.reader.Reads }),
		metric.Counter("postroom_stream_empty_reads_total", "Reads of records that brought none.",
			func(s sight) int64 { return s.reader.Empty }),
		metric.Counter("postroom_stream_listings_total", "Pages of the list of shards, and look-ups of children.",
			func(s sight) int64 { return s.reader.Listings }),
		metric.Counter("postroom_stream_lease_writes_total", "Checkpoints and other writes of leases.",
			func(s sight) int64 { return s.reader.Saves }),
		metric.Gauge("postroom_stream_in_flight_records", "Records taken over and not yet projected and told.",
			func(s sight) float64 { return float64(s.reader.InFlight) }),
		metric.Gauge("postroom_stream_in_flight_bytes", "Size of the records taken over and not yet projected and told.",
			func(s sight) float64 { return float64(s.reader.InFlightBytes) }),
		metric.Gauge("postroom_stream_leases", "Shards that this worker holds.",
			func(s sight) float64 { return float64(s.reader.Leases) }),
		metric.Counter("postroom_stream_leases_acquired_total", "Leases acquired: free ones and those of new shards.",
			func(s sight) int64 { return s.reader.Acquired }),
		metric.Counter("postroom_stream_leases_transferred_total", "Leases transferred to other workers.",
			func(s sight) int64 { return s.reader.Transferred }),
		metric.Counter("postroom_stream_leases_received_total", "Leases transferred to this worker.",
			func(s sight) int64 { return s.reader.Received }),
		metric.Counter("postroom_stream_leases_lost_total", "Leases lost to another worker.",
			func(s sight) int64 { return s.reader.Lost }),
		metric.Counter("postroom_stream_workers_expired_total", "Times that another worker expired the session of this one.",
			func(s sight) int64 { return s.reader.Expired }),
		metric.Counter("postroom_stream_data_losses_total", "Incidents in which records were trimmed before they were read.",
			func(s sight) int64 { return s.reader.DataLosses }),
		metric.Gauge("postroom_stream_workers", "Workers of the group, this one included; 0 before it has joined.",
			func(s sight) float64 { return float64(s.reader.Workers) }),
		metric.Gauge("postroom_stream_leader", "1 where this worker leads the group and lists the shards.",
			func(s sight) float64 {
				if s.reader.Leads {
					return 1
				}
				return 0
			}),
	}
}

// recoveryMetrics tell of what was lost to the stream and comes from the log.
func recoveryMetrics() []metric.Metric[sight] {
	return []metric.Metric[sight]{
		metric.Counter("postroom_recovery_gaps_total", "Losses of the stream that this worker recorded.",
			func(s sight) int64 { return s.Gaps }),
		metric.Gauge("postroom_recovery_open_gaps", "Losses of the stream that are not recovered from the log yet, as the leader sees them; 0 elsewhere.",
			func(s sight) float64 {
				if !s.reader.Leads { // what it saw when it last did
					return 0
				}
				return float64(s.OpenGaps)
			}),
		metric.Counter("postroom_recovery_read_messages_total", "Messages of the log that a recovery is done with.",
			func(s sight) int64 { return s.Recovered.Read }),
		metric.Counter("postroom_recovery_projected_messages_total", "Messages of the log that had not been projected before a recovery.",
			func(s sight) int64 { return s.Recovered.Projected }),
		metric.Counter("postroom_recovery_notified_messages_total", "Messages of a lost range whose recipients a recovery notified.",
			func(s sight) int64 { return s.Recovered.Notified }),
		metric.Counter("postroom_recovery_unnotified_messages_total", "Messages that had not been projected before a recovery, of no lost range: nobody was notified.",
			func(s sight) int64 { return s.Recovered.Unnotified }),
	}
}

// lagSteps are the lags whose shards are counted.
var lagSteps = [...]time.Duration{time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 12 * time.Hour}

func lagMetrics() []metric.Metric[sight] {
	all := []metric.Metric[sight]{
		metric.Gauge("postroom_stream_lag_seconds", "Age of the oldest record that is not projected and told, of the shard that is furthest behind; 0 where all are at their tip.",
			func(s sight) float64 { return s.lag.longest.Seconds() }),
		metric.Gauge("postroom_stream_until_loss_seconds", "Time until the stream trims the oldest record that is not projected and told, at the earliest; +Inf where there is none.",
			func(s sight) float64 { return s.lag.untilLoss }),
		metric.Gauge("postroom_stream_oldest_waiting_seconds", "For how long the oldest record taken over has waited to be projected and told; 0 where none waits.",
			func(s sight) float64 { return s.lag.waiting.Seconds() }),
		metric.Gauge("postroom_stream_oldest_read_seconds", "Time since the last read that succeeded, of the shard where that was longest ago.",
			func(s sight) float64 { return s.lag.unread.Seconds() }),
	}
	for i, step := range lagSteps {
		all = append(all, metric.LabelledGauge("postroom_stream_shards_behind", "Shards that lag by more than so many seconds.",
			prometheus.Labels{"over": strconv.Itoa(int(step.Seconds()))},
			func(s sight) float64 { return float64(s.lag.behind[i]) }))
	}
	return all
}

// lag is how far the shards of a worker are behind.
type lag struct {
	longest   time.Duration
	behind    [len(lagSteps)]int
	untilLoss float64       // in seconds; +Inf: nothing is left to be done
	waiting   time.Duration // of the oldest record that waits
	unread    time.Duration // since the read that is longest ago
}

func lagOf(shards []stream.ShardProgress, now time.Time) lag {
	l := lag{untilLoss: math.Inf(1)}
	for _, sh := range shards {
		behind := shardLag(sh, now)
		l.longest = max(l.longest, behind)
		for i, step := range lagSteps {
			if behind > step {
				l.behind[i]++
			}
		}
		l.untilLoss = min(l.untilLoss, untilLoss(sh, now))
		l.waiting = max(l.waiting, since(sh.InFlightSince, now))
		l.unread = max(l.unread, since(sh.ReadAt, now))
	}
	return l
}

// shardLag is how old the oldest record is that is known to be unread, or to
// wait. What waits is older than its delivery; by how much is not kept.
func shardLag(sh stream.ShardProgress, now time.Time) time.Duration {
	waiting := since(sh.InFlightSince, now)
	if sh.AtTip {
		return waiting
	}
	if sh.Read.IsZero() { // since the shard was taken
		return max(waiting, since(sh.CheckpointAt, now))
	}
	return max(waiting, since(sh.Read, now))
}

// untilLoss is when the oldest record that is not done is trimmed, in seconds:
// at the earliest, since it is younger than the one at the checkpoint. A shard
// of which nothing is known yet is not judged.
func untilLoss(sh stream.ShardProgress, now time.Time) float64 {
	if sh.AtTip && sh.InFlight == 0 {
		return math.Inf(1)
	}
	oldest := sh.CheckpointAt
	if oldest.IsZero() {
		oldest = sh.Read
	}
	if oldest.IsZero() {
		return math.Inf(1)
	}
	return max(0, (backend.StreamRetention - since(oldest, now)).Seconds())
}

// since is the time since t; zero if t is, or has yet to come: the stream's
// clock is not ours.
func since(t, now time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t))
}
