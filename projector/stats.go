package projector

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/internal/metric"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/stream"
)

// Stats counts what a projector did since it was made.
type Stats struct {
	// Projected counts messages of the stream.
	Projected         int64 `metric:"postroom_projector_messages_total" help:"Messages whose conversation was brought to them or further."`
	Moves             int64 `metric:"postroom_projector_moves_total" help:"Moves of a conversation in its members' lists. Messages over moves is how many were folded into one."`
	NotificationsSent int64 `metric:"postroom_projector_notifications_sent_total" help:"Notifications accepted by the queue."`
	// NotificationsFailed counts attempts, NotificationsPending notifications.
	NotificationsFailed  int64 `metric:"postroom_projector_notifications_failed_total" help:"Attempts to send a notification that the queue did not accept; they are repeated."`
	NotificationsPending int   `metric:"postroom_projector_notifications_pending" help:"Notifications that wait for the queue to accept them."`
	Quarantined          int64 `metric:"postroom_projector_quarantined_total" help:"Records that could not be processed and were quarantined."`
	// Retrying is of the batch that this projector works off.
	Retrying      int   `metric:"postroom_projector_retrying_records" help:"Quarantined records that this projector is to try again now and that are not done yet, of those that somebody has asked for at most 50 at once."`
	Retried       int64 `metric:"postroom_projector_retried_total" help:"Quarantined records that were tried again since somebody asked for it, whatever became of them."`
	ExternalEdits int64 `metric:"postroom_projector_external_edits_total" help:"Messages that somebody else changed or removed in the table."`
	FromFuture    int64 `metric:"postroom_projector_future_messages_total" help:"Messages whose time was more than a minute ahead of the stream's clock and of this machine's when they were read."`
	Conflicts     int64 `metric:"postroom_projector_conflicts_total" help:"Calls of the table that met somebody else's transaction."`
	Throttled     int64 `metric:"postroom_projector_throttled_total" help:"Calls of the table that it throttled, or left undone in part."`
	DamagedItems  int   `metric:"postroom_projector_damaged_items" help:"Items of the control table that cannot be read and are left aside, as far as this projector has come across them."`
	// QuarantinedShare is of the last records; see package quarantine.
	QuarantinedShare float64 `metric:"postroom_projector_quarantined_ratio" help:"Share of the last records that were quarantined. The projector stops before it exceeds what is allowed."`

	Backfill backfill.Stats
	Rebuild  rebuild.Stats
}

// Stats returns the counts so far.
func (p *Projector) Stats() Stats {
	share, _ := p.quarantine.Breaker()
	retrying, retried := p.retries.Progress()
	return Stats{
		Projected:            p.projected.Load(),
		Moves:                p.moves.Load(),
		NotificationsSent:    p.notifier.sent.Load(),
		NotificationsFailed:  p.notifier.failed.Load(),
		NotificationsPending: p.notifier.waiting(),
		Quarantined:          p.quarantine.Total(),
		Retrying:             retrying,
		Retried:              retried,
		ExternalEdits:        p.externalEdits.Load(),
		FromFuture:           p.clocks.total(),
		Conflicts:            p.limiter.conflicts.Load(),
		Throttled:            p.limiter.throttled.Load(),
		DamagedItems:         len(p.Damaged()),
		QuarantinedShare:     share,
		Backfill:             p.backfill.Stats(),
		Rebuild:              p.rebuild.Stats(),
	}
}

// Damaged returns the items of the control table that this projector has found to be
// damaged when it last read them. They are left aside, and named in the log once. As
// long as one of them blocks, something may be unread, or not projected.
func (p *Projector) Damaged() []*stream.DamageError {
	return slices.Concat(p.reader.Damaged(), p.backfill.Damaged(), p.quarantine.Damaged(), p.rebuild.Damaged())
}

// StreamStats returns what the projector's reader of the stream has done.
func (p *Projector) StreamStats() stream.Stats { return p.reader.Stats() }

// Progress returns the shards that this projector holds, in the order of their
// ids. It holds none before it has joined its worker group and after Run has
// returned.
func (p *Projector) Progress() []stream.ShardProgress { return p.reader.Progress() }

// Collector returns the projector's metrics. They are of this projector and of
// the shards that it holds; sums, and the largest lag, over a worker group are
// those of all. No label names a shard: shards come and go every few hours.
func (p *Projector) Collector() prometheus.Collector { return metric.Struct(p.metrics) }

// metrics is all that is collected.
type metrics struct {
	Stats
	lag

	Visible metric.Histogram `metric:"postroom_projector_visible_seconds" help:"Time from the posting of a message to its place in every member's list, where the projector read it from the stream."`
	Failing time.Duration    `metric:"postroom_projector_failing_seconds" help:"For how long the call has failed in a row that has done so for longest; 0 where none fails. The log says which."`

	Stream stream.Stats
}

func (p *Projector) metrics() metrics {
	now := time.Now()
	return metrics{p.Stats(), lagOf(p.Progress(), now), p.visible.Histogram(), p.incidents.Longest(now), p.StreamStats()}
}
