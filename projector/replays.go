package projector

import (
	"context"
	"fmt"

	"github.com/postroom/postroom/projector/replay"
)

// RunReplay carries out a replay, alone or beside others that do. It reads the stream only
// if the replay does, as a worker of a group of its own. Seen, unless it is nil, is told
// each time how far the replay is; it must not block. RunReplay returns nil once the replay
// is done, or when ctx is; [replay.ErrStopped] when somebody stops it; an error if the
// worker group sends to another queue; and otherwise as Run does. Run or RunReplay may be
// called, once.
func (p *Projector) RunReplay(ctx context.Context, name string, seen func(replay.Replay)) error {
	if err := p.config.checkDestination(ctx); err != nil {
		return err
	}
	r, err := replay.Load(ctx, p.config.Control, name)
	if err != nil {
		return err
	}
	if r.Queue != p.config.QueueName {
		return fmt.Errorf("the replay %s sends to the queue %s, and this would send to %s: give the same queue", name, r.Queue, p.config.QueueName)
	}
	p.replays.Seen = seen
	return p.run(ctx, func(ctx context.Context) error { return replay.NewRunner(p.replays).Run(ctx, name) })
}

// submitReplayed takes over messages of a replay, behind those of the stream.
func (p *Projector) submitReplayed(ctx context.Context, items []replay.Item) error {
	if err := p.notifier.admit(ctx); err != nil {
		return err
	}
	messages := make([]*message, len(items))
	for i, it := range items {
		messages[i] = newMessage(it.Message, it.Record, func(m *message) {
			o := replay.Outcome{Projected: m.fresh, Quarantined: m.quarantined}
			if m.replay != nil {
				o.Notified = m.recipients
			}
			it.Done(o)
		})
		messages[i].replay = it.Notify
	}
	p.lanes.add(messages)
	return nil
}
