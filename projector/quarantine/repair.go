package quarantine

import (
	"strings"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// Repair returns how to repair an item of the control table; nil: it is good, or not
// part of a quarantined record. The error is that of a newer format. Nothing is lost
// with an item that is deleted: the message is in the log.
func Repair(it backend.Item) (*item.Repair, error) {
	damage, err := check(it)
	if isBatch(backend.KeyOf(it)) {
		return item.Deletion(damage, err, "the records stay in quarantine: `postroom quarantine retry` asks for them again")
	}
	return item.Deletion(damage, err, "its message, if it was one, is in the log: `postroom verify` tells whether it is missing from the lists")
}

// check decodes one part of a record, as far as it can be checked alone.
func check(it backend.Item) (*item.DamageError, error) {
	key := backend.KeyOf(it)
	if isBatch(key) {
		_, err := decodeBatch(it)
		if damage := item.AsDamaged(err); damage != nil {
			return damage, nil
		}
		return nil, err
	}
	if !strings.HasPrefix(key.PK, keyPrefix) {
		return nil, nil
	}
	d := item.Decode(it, format)
	d.Bytes(attrImage)
	if isFirstPart(key) {
		for _, name := range []string{
			attrReason, attrShard, attrSequence, attrEventID, attrRecordPK, attrRecordSK,
		} {
			d.String(name)
		}
		origin := Origin(d.String(attrOrigin))
		d.Check(attrOrigin, origin == Stream || origin == Log, "it is neither the stream nor the log")
		d.Bool(attrWaiting)
		d.Bool(attrSilent)
		d.Int(attrAttempts, 0)
		d.OptionalTime(attrQuarantinedAt)
		parts(d)
	}
	return d.Damage()
}
