package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
	"github.com/postroom/postroom/stream"
)

// Config is what a projector works on. All of it is required.
type Config struct {
	Table   backend.Table // of the messages, and of the rows
	Control backend.Table // of leases, checkpoints and records set aside
	Stream  backend.Stream
	Queue   backend.Queue
	// StandardQueue says that the queue is no FIFO queue and refuses
	// deduplication ids. See postroom.IsFIFO.
	StandardQueue bool
	// TableName is the table as notifications name their source.
	TableName string
	// Index says that the table has the index of the group rows. All entries of
	// a conversation meet on one of its keys, which bounds how often it moves.
	Index bool
}

// Options tune a projector. The zero value of each field means its default.
type Options struct {
	Worker        string        // see stream.Options
	LeaseDuration time.Duration // see stream.Options
	// Movers is how many conversations are worked on at once. Default 32.
	Movers int
	// Senders is how many batches of notifications are sent at once. Default 8.
	Senders int
	// MaxSetAside is the share of the last 1,000 records, of those of the last
	// ten minutes, that may be set aside before Run gives up with a
	// [CircuitError]; 50 of them always may. What waits for the members of its
	// conversation does not count. Default 0.5; 1 never gives up.
	MaxSetAside float64
	// MemberWait is how long a message waits for the one that names the members
	// of its conversation before it is set aside. Default 30 s.
	MemberWait time.Duration
	// OnDataLoss says what follows when records are lost to the stream. Default
	// Recover.
	OnDataLoss DataLossPolicy
	// RecoveryUnits is how many read units a second a recovery from the log may
	// take, one for the look at each conversation included. Default 500.
	RecoveryUnits int
	// RecoverySegments is how many parts of the log it reads side by side.
	// Default 4. A recovery that was begun keeps the number it has.
	RecoverySegments int
	// RecoveryWindow is the most messages of the log that are on their way at
	// once, beside those of the stream; a large one counts once for each 16 KiB.
	// Default 2,000.
	RecoveryWindow int
	Now            func() time.Time // see stream.Options
	Logger         *slog.Logger     // Default: none.
}

// Stats counts what a projector did since it was made.
type Stats struct {
	Projected         int64 // messages of the stream whose conversation is at them or further
	Moves             int64 // of conversations; fewer where messages were folded
	NotificationsSent int64 // accepted by the queue
	SetAside          int64 // records
	Foreign           int64 // messages changed or removed in the table by others
	Conflicts         int64 // calls of the table that met somebody else's transaction
	Throttled         int64 // calls of the table that it throttled, or left undone in part
	// CircuitShare is the share of the last records that was set aside; see
	// Options.MaxSetAside.
	CircuitShare float64

	Gaps     int64 // losses of the stream that were recorded
	OpenGaps int   // that are not recovered yet, as the leader saw last
	// Recovered counts what this projector did with messages of the log.
	Recovered RecoveryCounts
}

// Projector is the daemon. Run may be called once; the other methods at any
// time, concurrently.
type Projector struct {
	opts   Options
	index  bool
	log    *slog.Logger
	table  *governed
	mover  mover
	aside  aside
	known  *known
	lanes  *lanes
	notify *notifier
	reader *stream.Reader
	lost   *recovery

	circuit *circuit

	troubles   *trouble.Log
	projecting *trouble.Work

	projected, moves, setAside, foreign, gaps atomic.Int64
}

// New makes a projector. It makes no call.
func New(c Config, o Options) *Projector {
	o.Movers = orDefault(o.Movers, 32)
	o.Senders = orDefault(o.Senders, 8)
	o.MaxSetAside = orDefault(o.MaxSetAside, 0.5)
	o.MemberWait = orDefault(o.MemberWait, 30*time.Second)
	o.RecoveryUnits = orDefault(o.RecoveryUnits, 500)
	o.RecoverySegments = orDefault(o.RecoverySegments, 4)
	o.RecoveryWindow = orDefault(o.RecoveryWindow, 2_000)
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = orDefault(o.Logger, slog.New(slog.DiscardHandler))
	troubles := trouble.NewLog(o.Logger, retryBase, retryCap)
	table := governedTable(c.Table, o.Movers)
	p := &Projector{
		opts:  o,
		index: c.Index,
		log:   o.Logger,
		table: table,
		mover: mover{retrying{table}},
		aside: aside{retrying{c.Control}},
		known: newKnown(),
		lanes: newLanes(max(1, o.Movers/2)),

		circuit: newCircuit(o.MaxSetAside),

		troubles:   troubles,
		projecting: troubles.Work("projecting"),
	}
	p.notify = newNotifier(c.Queue, !c.StandardQueue, c.TableName, troubles.Work("sending notifications"))
	p.notify.refuse = func(ctx context.Context, e *entry, reason error) error { return p.refuse(ctx, e, reason, 1) }
	p.lost = newRecovery(p, c.Control, o, troubles.Work("recovering from the log"))
	options := stream.Options{
		Worker: o.Worker, LeaseDuration: o.LeaseDuration, Now: o.Now, Logger: o.Logger, OnLead: p.lost.lead,
	}
	if o.OnDataLoss == Recover {
		options.OnDataLoss = p.lost.record
	}
	p.reader = stream.NewReader(c.Stream, c.Control, p, options)
	return p
}

func orDefault[T comparable](v, byDefault T) T {
	var zero T
	if v == zero {
		return byDefault
	}
	return v
}

// Run projects until ctx is done, finishes what is in hand within a second and
// returns nil. Several projectors share a table's shards. Run returns an error
// when records are lost to the stream and Options.OnDataLoss is Halt
// (*stream.DataLossError), when so many records cannot be projected that
// something else must be wrong (*CircuitError), or when something fails that no
// retry mends.
func (p *Projector) Run(ctx context.Context) error {
	if s := p.opts.MaxSetAside; s < 0 || s > 1 {
		return fmt.Errorf("projector.Options: MaxSetAside is %v, and must be between 0 and 1", s)
	}
	if err := p.opts.checkRecovery(); err != nil {
		return err
	}
	ctx, halt := context.WithCancel(ctx)
	defer halt()
	// Work outlives ctx: the reader waits for what it has handed over.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.circuit.opened = func(err *CircuitError) {
		p.log.Error("the projector stops: too many records cannot be projected", "error", err)
		stop()
		halt()
	}
	var workers sync.WaitGroup
	for range p.opts.Movers {
		workers.Go(func() { p.takeTurns(work) })
	}
	for range p.opts.Senders {
		workers.Go(func() { p.notify.run(work) })
	}
	err := p.reader.Run(ctx)
	stop()
	p.lanes.close()
	p.notify.close()
	workers.Wait()
	p.troubles.Close()
	if _, open := p.circuit.state(); open != nil {
		return open
	}
	return err
}

// IdleSince says since when everything there is to read is read, projected and
// told; false while that is not so. On the leader that includes what is to be
// recovered from the log.
func (p *Projector) IdleSince() (time.Time, bool) {
	recovered, ok := p.lost.idleSince(p.reader.Stats().Leads)
	if !ok {
		return time.Time{}, false
	}
	since, ok := p.reader.IdleSince()
	if recovered.After(since) {
		since = recovered
	}
	return since, ok
}

// Stats returns the counts so far.
func (p *Projector) Stats() Stats {
	open, recovered := p.lost.stats()
	share, _ := p.circuit.state()
	return Stats{
		Projected:         p.projected.Load(),
		Moves:             p.moves.Load(),
		NotificationsSent: p.notify.sent.Load(),
		SetAside:          p.setAside.Load(),
		Foreign:           p.foreign.Load(),
		Conflicts:         p.table.conflicts.Load(),
		Throttled:         p.table.throttled.Load(),
		CircuitShare:      share,
		Gaps:              p.gaps.Load(),
		OpenGaps:          open,
		Recovered:         recovered,
	}
}

// Handle takes over records of the stream; it is the reader's to call. Only new
// messages ask for anything: the projector's own writes come back in the same
// stream and are skipped by their keys.
func (p *Projector) Handle(ctx context.Context, records []*stream.Record) error {
	if err := p.notify.admit(ctx); err != nil {
		return err
	}
	var entries []*entry
	for _, r := range records {
		switch {
		case !strings.HasPrefix(r.Key.SK, postroom.MessagePrefix):
			r.Ack()
		case r.Event != backend.Insert:
			p.foreign.Add(1)
			p.log.Warn("a message was changed or removed in the table; nothing follows from it",
				"event", r.Event, "message_group_uuid", r.Key.PK, "key", r.Key.SK)
			r.Ack()
		default:
			m, err := decodeMessage(r)
			if err == nil {
				entries = append(entries, newEntry(m, r, r.Ack))
				continue
			}
			if err := p.insist(ctx, r.EventID, func() error { return p.keepBroken(ctx, r, err, 1, false) }); err != nil {
				return err
			}
			r.Ack()
		}
	}
	p.lanes.add(entries)
	return nil
}

func decodeMessage(r *stream.Record) (postroom.Message, error) {
	item, err := r.NewImage()
	if err != nil {
		return postroom.Message{}, err
	}
	return postroom.MessageFromItem(item)
}

// insist makes a call until it succeeds, however long that takes; the error is
// that of ctx, or a *CircuitError.
func (p *Projector) insist(ctx context.Context, who string, call func() error) error {
	for {
		err := call()
		if err == nil {
			p.projecting.Worked(who)
			return nil
		}
		if open := (*CircuitError)(nil); errors.As(err, &open) {
			return err
		}
		pause, _ := p.projecting.Failed(ctx, who, err)
		if err := trouble.Sleep(ctx, pause, nil); err != nil {
			return err
		}
	}
}

// refuse sets aside a message that does not get through, and lets it stay.
func (p *Projector) refuse(ctx context.Context, e *entry, reason error, attempts int) error {
	var err error
	if e.aside != nil {
		err = p.circuit.setAside(backend.Key{PK: e.message.GroupUUID, SK: e.message.Key()}, reason, func() error { return p.aside.keep(ctx, e.aside, reason) })
	} else {
		err = p.keepBroken(ctx, e.record, reason, attempts, e.quiet)
	}
	if err == nil {
		e.refused.Store(true)
	}
	return err
}

// keepBroken sets aside what may be set aside only while that is the exception.
func (p *Projector) keepBroken(ctx context.Context, r *stream.Record, reason error, attempts int, quiet bool) error {
	return p.circuit.setAside(r.Key, reason, func() error { return p.keepAside(ctx, r, reason, attempts, quiet) })
}

func (p *Projector) keepAside(ctx context.Context, r *stream.Record, reason error, attempts int, quiet bool) error {
	added, err := p.aside.put(ctx, r, reason, attempts, quiet)
	if err != nil || !added {
		return err
	}
	p.setAside.Add(1)
	p.log.Error("a record was set aside", "reason", trouble.Brief(reason), "message_group_uuid", r.Key.PK,
		"key", r.Key.SK, "shard", r.Shard, "sequence", r.Sequence, "event_id", r.EventID)
	return nil
}
