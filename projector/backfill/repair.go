package backfill

import (
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// Repair returns how to repair an item of the control table; nil: it is good, or not a
// gap or a scan. The error is that of a newer format. A gap is open then, unless it
// is known to be closed; where its range cannot be read nobody is notified.
func Repair(it backend.Item, now time.Time) (*item.Repair, error) {
	key := backend.KeyOf(it)
	switch {
	case key.PK == partition && strings.HasPrefix(key.SK, scanPrefix):
		_, err := decodeProgress(it)
		return item.Deletion(item.AsDamaged(err), err, "the log is scanned from its beginning where a gap is open")
	case key.PK == partition && strings.HasPrefix(key.SK, gapPrefix):
		g, err := decodeGap(it)
		damage := item.AsDamaged(err)
		if damage == nil {
			return nil, err
		}
		effect := "the log is scanned, and what is missing is projected"
		bounds := item.Loose(it)
		bounds.Time(attrFrom)
		until := bounds.Time(attrUntil)
		if bounds.Bool(attrSilent); bounds.Err() != nil || until.IsZero() {
			g.Silent = true
			effect += "; nobody is notified, since the range is not known"
		}
		g.revision++
		if g.Until.IsZero() {
			g.Until = now
		}
		if backend.Text(it, attrState) != stateDone {
			g.FinishedAt = time.Time{}
		}
		return &item.Repair{Damaged: damage, Put: g.encode(), Effect: effect}, nil
	}
	return nil, nil
}
