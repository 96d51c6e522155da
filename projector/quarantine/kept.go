package quarantine

import (
	"context"
	"maps"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
)

// Kept is a message in quarantine that may be processed after all: it waits for somebody to
// name the members of its conversation, or somebody has asked for it to be tried again.
type Kept struct {
	Message postroom.Message
	// Silent says that nobody is owed a notification of it.
	Silent bool

	keys  []backend.Key // of its parts
	first backend.Item  // the first of them
}

// ID tells one record from another.
func (w *Kept) ID() string { return w.keys[0].SK }

// WaitingOf returns the messages of a conversation that wait. Damaged items are left
// aside.
func (q *Quarantine) WaitingOf(ctx context.Context, group string) ([]*Kept, error) {
	var found []*Kept
	var parts []backend.Item // of one record, the first one first
	var damaged []*item.DamageError
	flush := func() error {
		w, damage, err := decodeWaiting(parts)
		if w != nil {
			found = append(found, w)
		}
		if damage != nil {
			damaged = append(damaged, damage)
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
		if len(parts) <= maxParts { // one too many says that the record is damaged
			parts = append(parts, it)
		}
	}
	err := flush()
	q.leaveAside(group, damaged...)
	return found, err
}

// decodeWaiting reads a record from its parts; nil: it is not whole, does not wait,
// or one of its items is damaged. The error is that of a format that is not known.
func decodeWaiting(items []backend.Item) (w *Kept, damage *item.DamageError, err error) {
	if len(items) == 0 || !isFirstPart(backend.KeyOf(items[0])) {
		return nil, nil, nil
	}
	first := item.Loose(items[0])
	w = &Kept{Silent: first.Bool(attrSilent), first: items[0]}
	var image []byte
	for _, it := range items {
		if damage, err := check(it); damage != nil || err != nil {
			return nil, damage, err
		}
		image = append(image, item.Loose(it).Bytes(attrImage)...)
		w.keys = append(w.keys, backend.KeyOf(it))
	}
	if !first.Bool(attrWaiting) || len(items) != parts(first) {
		return nil, nil, nil
	}
	it, err := decompress(image)
	if err == nil {
		w.Message, err = postroom.MessageFromItem(it)
	}
	if err != nil {
		return nil, nil, nil // the message is damaged, which is why it is here
	}
	return w, nil, nil
}

// Keep says of a message that waited why it stays in quarantine for good. The
// error is a *BreakerError, or the backend's.
func (q *Quarantine) Keep(ctx context.Context, k *Kept, reason error) error {
	key := backend.Key{PK: k.Message.GroupUUID, SK: k.Message.Key()}
	return q.breaker.guard(key, reason, func() error { return q.Again(ctx, k, reason, false) })
}

// Again says why a message that was tried again stays in quarantine, and whether it waits
// for its members; it counts the attempt. If the record is not as it was read, somebody has
// said so already, or has processed or dropped it, or has found that somebody is owed a
// notification: then nothing is written. Whoever asks for retries trips no breaker.
func (q *Quarantine) Again(ctx context.Context, k *Kept, reason error, waiting bool) error {
	first := item.Loose(k.first)
	attempts := first.Int(attrAttempts, 0)
	it := maps.Clone(k.first)
	it[attrReason] = item.String(incident.Brief(reason))
	it[attrWaiting] = item.Bool(waiting)
	it[attrAttempts] = item.Int(attempts + 1)
	it[attrQuarantinedAt] = item.Time(time.Now())
	err := q.table.Put(ctx, it, same(first.String(attrEventID), attempts, first.String(attrReason), k.Silent))
	if backend.KindOf(err) == backend.KindConditionFailed {
		return nil
	}
	return err
}

// Remove takes a message that was processed out of quarantine. One that was processed
// silently stays if somebody is owed a notification by now: another has put its record
// since, who found that, and relies on the record.
func (q *Quarantine) Remove(ctx context.Context, k *Kept) error {
	if !k.Silent {
		return q.table.Delete(ctx, k.keys)
	}
	_, err := remove(ctx, q.table, k.keys, backend.Condition{Equals: backend.Item{attrSilent: item.Bool(true)}})
	return err
}
