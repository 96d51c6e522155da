package quarantine

import (
	"context"
	"maps"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
)

// Waiting is a message that is quarantined until somebody names the members of
// its conversation.
type Waiting struct {
	Message postroom.Message
	// Silent says that nobody is owed a notification of it.
	Silent bool

	keys  []backend.Key // of its parts
	first backend.Item  // the first of them
}

// ID tells one record from another.
func (w *Waiting) ID() string { return w.keys[0].SK }

// WaitingOf returns the messages of a conversation that wait.
func (q *Quarantine) WaitingOf(ctx context.Context, group string) ([]*Waiting, error) {
	var found []*Waiting
	var parts []backend.Item // of one record, the first one first
	flush := func() error {
		w, err := decodeWaiting(parts)
		if w != nil {
			found = append(found, w)
		}
		parts = nil
		return err
	}
	for it, err := range q.table.Query(ctx, backend.Query{PK: partition(group), Consistent: true}) {
		if err != nil {
			return nil, err
		}
		if isFirstPart(backend.KeyOf(it)) {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		parts = append(parts, it)
	}
	return found, flush()
}

// decodeWaiting reads a record from its parts; nil: it is not whole, or does not
// wait. The error is that of a format that is not known.
func decodeWaiting(parts []backend.Item) (*Waiting, error) {
	if len(parts) == 0 || !isFirstPart(backend.KeyOf(parts[0])) {
		return nil, nil
	}
	first := item.Decode(parts[0], format)
	if first.Err() != nil || !first.Bool(attrWaiting) {
		return nil, first.Err()
	}
	w := &Waiting{Silent: first.Bool(attrSilent), first: parts[0]}
	var image []byte
	for _, it := range parts {
		image = append(image, item.Decode(it, format).Bytes(attrImage)...)
		w.keys = append(w.keys, backend.KeyOf(it))
	}
	if len(parts) != int(first.Int(attrParts)) {
		return nil, first.Err()
	}
	it, err := decompress(image)
	if err == nil {
		w.Message, err = postroom.MessageFromItem(it)
	}
	if err != nil {
		return nil, nil // it is damaged, which is why it is here
	}
	return w, nil
}

// Keep says of a message that waited why it stays in quarantine for good. The
// error is a *BreakerError, or the backend's.
func (q *Quarantine) Keep(ctx context.Context, w *Waiting, reason error) error {
	it := maps.Clone(w.first)
	it[attrReason] = item.String(incident.Brief(reason))
	it[attrWaiting] = item.Bool(false)
	key := backend.Key{PK: w.Message.GroupUUID, SK: w.Message.Key()}
	return q.breaker.guard(key, reason, func() error { return q.table.Put(ctx, it, backend.Condition{}) })
}

// Remove takes a message that waited out of quarantine.
func (q *Quarantine) Remove(ctx context.Context, w *Waiting) error {
	return q.table.Delete(ctx, w.keys)
}
