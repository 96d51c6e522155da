package projector

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/metric"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/internal/tracing"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/replay"
	"github.com/postroom/postroom/stream"
)

// Projector is the daemon. Run may be called once; the other methods at any
// time, concurrently.
type Projector struct {
	config Config
	tuning tuning
	log    *slog.Logger
	tracer trace.Tracer

	reader     *stream.Reader
	lanes      *lanes
	limiter    *limiter
	projection projection.Projection
	cache      *projection.Cache[*projection.Conversation]
	notifier   *notifier
	clocks     *clocks
	quarantine *quarantine.Quarantine
	retries    *quarantine.Retries
	backfill   *backfill.Backfill
	rebuild    *rebuild.Rebuilder
	replays    replay.Config

	incidents  *incident.Log
	processing retry.Loop

	projected, moves, externalEdits atomic.Int64
	visible                         metric.Latency
	editLog                         rate.Sometimes // of external edits: a migration makes millions
}

// New makes a projector. It makes no call.
func New(c Config, o Options) *Projector { return newTuned(c, o, tuning{}) }

func newTuned(c Config, o Options, t tuning) *Projector {
	t.setDefaults()
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	if o.Worker == "" {
		o.Worker = stream.WorkerName()
	}
	limiter := newLimiter(t.Movers)
	table := limiter.Table(c.Table)
	incidents := incident.NewLog(o.Logger)
	p := &Projector{
		config: c, tuning: t, log: o.Logger, tracer: tracing.Tracer(o.TracerProvider),
		lanes:      newLanes(max(1, t.Movers/2)),
		limiter:    limiter,
		projection: projection.New(table).By(o.Worker),
		cache:      projection.NewCache[*projection.Conversation](),
		quarantine: quarantine.New(c.Control, t.MaxQuarantined, o.Logger),
		clocks:     &clocks{now: t.Now, log: o.Logger},
		incidents:  incidents,
		processing: retry.Loop{Policy: policy(), Operation: incidents.Operation("projecting")},
		editLog:    rate.Sometimes{First: 10, Interval: time.Minute},
	}
	p.notifier = newNotifier(c, incidents.Operation("sending notifications"), func(ctx context.Context, m *message, reason error) error {
		return p.quarantineMessage(ctx, m, reason, 1)
	})
	p.backfill = backfill.New(backfill.Config{
		Log: table, Control: c.Control, Submit: p.submit, Quarantine: p.quarantine, Incidents: incidents, Logger: o.Logger,
	}, t.Backfill)
	p.retries = quarantine.NewRetries(quarantine.RetriesConfig{
		Log: table, Quarantine: p.quarantine, Submit: p.submitRetry, Incidents: incidents, Logger: o.Logger,
	})
	p.rebuild = rebuild.New(rebuild.Config{
		Log: table, Index: c.Index, Control: c.Control, Worker: o.Worker, Now: t.Now, Incidents: incidents, Logger: o.Logger,
	})
	p.replays = replay.Config{
		Worker: o.Worker, Log: table, Control: c.Control, Stream: c.Stream, Submit: p.submitReplayed,
		Quarantine: p.quarantine, Incidents: incidents, Logger: o.Logger,
	}
	options := stream.Options{
		Worker: o.Worker, Destination: c.destination(), LeaseDuration: o.LeaseDuration, Now: t.Now, Logger: o.Logger, OnLead: p.lead,
	}
	if o.OnDataLoss == Backfill {
		options.OnDataLoss = p.recordGap
	}
	p.reader = stream.NewReader(c.Stream, c.Control, p.handle, options)
	return p
}

// policy repeats what a daemon has to get done, until the breaker trips.
func policy() retry.Policy {
	return retry.Policy{
		Min: 20 * time.Millisecond, Max: 2 * time.Second, Patience: retry.Forever,
		Final: func(err error) bool {
			var tripped *quarantine.BreakerError
			return errors.As(err, &tripped)
		},
	}
}

// Run projects until ctx is done, finishes what is in flight within a second and
// returns nil. Several projectors share a table's shards. Run returns an error
// when the other projectors of the table send to another queue
// (*stream.DestinationError), when the stream has lost records and Options.OnDataLoss
// is Halt
// (*stream.DataLossError), when so many records cannot be projected that
// something else must be wrong (*quarantine.BreakerError), or when something
// fails that no retry fixes.
func (p *Projector) Run(ctx context.Context) error { return p.run(ctx, p.reader.Run) }

// run processes what read hands over, until that returns.
func (p *Projector) run(ctx context.Context, read func(context.Context) error) error {
	ctx, halt := context.WithCancel(ctx)
	defer halt()
	// Work outlives ctx: the reader waits for what it has handed over.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	p.quarantine.OnTrip(func(err *quarantine.BreakerError) {
		p.log.Error("the projector stops: too many records cannot be projected", "error", err)
		stop()
		halt()
	})
	var workers sync.WaitGroup
	for range p.tuning.Movers {
		workers.Go(func() { p.processLanes(work) })
	}
	for range p.tuning.Senders {
		workers.Go(func() { p.notifier.run(work) })
	}
	err := read(ctx)
	stop()
	p.lanes.close()
	p.notifier.ready.close()
	workers.Wait()
	p.incidents.Close()
	if _, tripped := p.quarantine.Breaker(); tripped != nil {
		return tripped
	}
	return err
}

// IdleSince says since when everything there is to read is read, projected and
// notified; false while that is not so. On the leader that includes what is to be
// backfilled from the log, to be tried again, or to be rebuilt.
func (p *Projector) IdleSince() (time.Time, bool) {
	leads := p.reader.Stats().Leads
	since, ok := p.reader.IdleSince()
	for _, part := range []func(bool) (time.Time, bool){p.backfill.IdleSince, p.retries.IdleSince, p.rebuild.IdleSince} {
		idle, all := part(leads)
		if !all || !ok {
			return time.Time{}, false
		}
		if idle.After(since) {
			since = idle
		}
	}
	return since, ok
}

// recordGap keeps a loss of the stream; it is the reader's to call before it reads
// on.
func (p *Projector) recordGap(ctx context.Context, loss *stream.DataLossError) error {
	reason := loss.Reason
	if loss.Err != nil {
		reason += ": " + incident.Brief(loss.Err)
	}
	return p.backfill.Record(ctx, backfill.Gap{
		StreamARN: loss.StreamARN, Shard: loss.Shard, Reason: reason, After: loss.After,
		From: loss.AfterTime, Until: loss.Until, Silent: loss.FirstStart,
	})
}

// submit takes over messages of the log.
func (p *Projector) submit(ctx context.Context, items []backfill.Item) error {
	if err := p.notifier.admit(ctx); err != nil {
		return err
	}
	messages := make([]*message, len(items))
	for i, it := range items {
		p.clocks.compare(it.Message, time.Time{})
		messages[i] = p.newMessage(it.Message, it.Record, func(m *message) {
			it.Done(backfill.Outcome{Projected: m.fresh, Silent: m.record.Silent, Quarantined: m.quarantined})
		})
	}
	p.lanes.add(messages)
	return nil
}
