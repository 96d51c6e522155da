package projector

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/stream"
)

// RunRetries works off the quarantined records that somebody has asked to be tried again
// ([quarantine.Ask]), until ctx is done, and reads no stream. It is for a table whose
// worker group has no worker: with one, [Projector.Run] on the leader does this, and both
// at once do no harm. Either of the two may be called, once. It returns an error if the
// worker group sends to another queue, and otherwise as Run does.
func (p *Projector) RunRetries(ctx context.Context) error {
	if err := p.config.checkDestination(ctx); err != nil {
		return err
	}
	return p.run(ctx, p.retries.Lead)
}

// checkDestination returns an error if the worker group sends to another queue.
func (c Config) checkDestination(ctx context.Context) error {
	s, err := stream.ReadStatus(ctx, c.Stream, c.Control, stream.DefaultGroup)
	if err != nil {
		return err
	}
	if own := c.destination(); s.Destination != "" && s.Destination != own {
		return fmt.Errorf("the projectors of the table send to %s, and this would send to %s: give the same queue", s.Destination, own)
	}
	return nil
}

// lead is what the leader of the worker group does beside reading.
func (p *Projector) lead(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.backfill.Lead(ctx) })
	g.Go(func() error { return p.retries.Lead(ctx) })
	g.Go(func() error { return p.rebuild.Lead(ctx) })
	return g.Wait()
}

// submitRetry takes over a message that was quarantined, behind those of the stream.
func (p *Projector) submitRetry(ctx context.Context, r quarantine.Retry) error {
	if err := p.notifier.admit(ctx); err != nil {
		return err
	}
	m := p.newMessage(r.Kept.Message, quarantine.Record{Origin: quarantine.Log, Silent: r.Kept.Silent}, func(*message) { r.Done() })
	m.retries = r.Kept
	p.lanes.add([]*message{m})
	return nil
}

// adoptRetried has the messages of a lane that are tried again stand for their records in
// quarantine. It does so once for each: a record may have been written and read since.
func (p *Projector) adoptRetried(ctx context.Context, l *lane) {
	for _, m := range l.held {
		if m.retries != nil && len(m.inQuarantine()) == 0 {
			m.adopt(p.copied(ctx, m.retries))
		}
	}
}

// copied is a record in quarantine that is removed there once its message is processed.
func (p *Projector) copied(ctx context.Context, k *quarantine.Kept) copied {
	return copied{k, func() error {
		return p.processing.Do(ctx, k.ID(), func(ctx context.Context) error { return p.quarantine.Remove(ctx, k) })
	}}
}

// stay says of the records of a message that was tried again why they stay.
func (p *Projector) stay(ctx context.Context, m *message, reason error, waiting bool) error {
	for _, c := range m.inQuarantine() {
		if err := p.quarantine.Again(ctx, c.Kept, reason, waiting); err != nil {
			return err
		}
	}
	p.log.Info("a record that was retried stays in quarantine", "reason", incident.Brief(reason),
		"message_group_uuid", m.GroupUUID, "key", m.Key())
	return nil
}
