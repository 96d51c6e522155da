package projector

import (
	"context"
	"strings"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/stream"
)

// handle takes over records of the stream. Only new messages ask for anything:
// the projector's own writes come back in the same stream and are skipped by
// their keys.
func (p *Projector) handle(ctx context.Context, records []*stream.Record) error {
	if err := p.notifier.admit(ctx); err != nil {
		return err
	}
	var messages []*message
	for _, r := range records {
		switch {
		case !strings.HasPrefix(r.Key.SK, postroom.MessagePrefix):
			r.Ack()
		case r.Event == backend.Remove && postroom.IsCanary(r.Key.PK):
			r.Ack() // a canary removes its old messages itself
		case r.Event != backend.Insert:
			n := p.externalEdits.Add(1)
			p.editLog.Do(func() {
				p.log.Warn("somebody else changed or removed a message in the table; it is not projected anew",
					"event", r.Event, "message_group_uuid", r.Key.PK, "key", r.Key.SK, "so_far", n)
			})
			r.Ack()
		default:
			m, err := decode(r)
			if err == nil {
				p.clocks.compare(m, r.CreatedAt)
				messages = append(messages, p.newMessage(m, recordOf(r), func(*message) { r.Ack() }))
				continue
			}
			put := func(ctx context.Context) error { return p.quarantine.Put(ctx, recordOf(r), err, 1) }
			if err := p.processing.Do(ctx, r.EventID, put); err != nil {
				return err
			}
			r.Ack()
		}
	}
	p.lanes.add(messages)
	return nil
}

func decode(r *stream.Record) (postroom.Message, error) {
	item, err := r.NewImage()
	if err != nil {
		return postroom.Message{}, err
	}
	return postroom.MessageFromItem(item)
}

func recordOf(r *stream.Record) quarantine.Record {
	return quarantine.Record{
		Origin: quarantine.Stream, Key: r.Key, CreatedAt: r.CreatedAt,
		EventID: r.EventID, Shard: r.Shard, Sequence: r.Sequence, Image: r.NewImage,
	}
}
