package local

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
)

// maxOverdue is how long after its expiry an item is still removed: an older expiry
// is taken for a number that is not a time. Source: DynamoDB developer guide, time
// to live (five years).
const maxOverdue = 5 * 365 * 24 * time.Hour

// SetTimeToLive implements [backend.Backend]. It reads all items of the table once.
func (b *Backend) SetTimeToLive(ctx context.Context, table, attribute string) error {
	op := "SetTimeToLive " + table
	if err := checkTimeToLive(attribute); err != nil {
		return b.wrap(op, err)
	}
	return b.write(ctx, op, withTable(table, func(t *tx, d *tableDef) error {
		if d.spec.TimeToLive == attribute {
			return nil
		}
		if d.spec.TimeToLive != "" {
			return invalid("items of table %q expire by the attribute %s already", table, d.spec.TimeToLive)
		}
		if _, err := t.exec("UPDATE tables SET ttl = ? WHERE id = ?", attribute, d.id); err != nil {
			return err
		}
		// A cast keeps the whole part of a number, as [tableDef.expiry] does.
		_, err := t.exec(`UPDATE items SET expires_at =
(SELECT CAST(json_extract(value, '$.N') AS INTEGER) FROM json_each(items.item) WHERE key = ?) WHERE tbl = ?`, attribute, d.id)
		return err
	}))
}

func checkTimeToLive(attribute string) error {
	if attribute == "" || len(attribute) > maxAttributeBytes {
		return invalid("the time-to-live attribute has a name of %d bytes, want 1 to %d", len(attribute), maxAttributeBytes)
	}
	return nil
}

// expiry returns the second after which an item may be removed; NULL if the item has
// no number in the table's attribute. A number out of range becomes the nearest
// bound.
func (d *tableDef) expiry(item backend.Item) sql.NullInt64 {
	n := ""
	if d.spec.TimeToLive != "" {
		n = backend.Number(item, d.spec.TimeToLive)
	}
	whole, _, _ := strings.Cut(n, ".")
	at, _ := strconv.ParseInt(whole, 10, 64) // out of range it returns the nearest bound
	return sql.NullInt64{Int64: at, Valid: n != ""}
}

const selectExpired = `SELECT pk, sk FROM items
WHERE tbl = ? AND expires_at >= ? AND expires_at < ? ORDER BY expires_at LIMIT +?`

// expire removes expired items: more than were written, so that they do not pile up,
// but none that was written just now. It consumes no units.
func (e *edit) expire(written []step) error {
	if e.def.spec.TimeToLive == "" {
		return nil
	}
	scan := func(rows *sql.Rows, key *backend.Key) error { return rows.Scan(&key.PK, &key.SK) }
	keys, err := collect(e.tx, scan, selectExpired,
		e.def.id, e.now.Add(-maxOverdue).Unix(), e.now.Unix(), upkeepStep+len(written))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if slices.ContainsFunc(written, func(s step) bool { return s.key == key }) {
			continue
		}
		s, err := e.prepare(draft{key: key})
		if err != nil {
			return err
		}
		if _, err := e.apply(s); err != nil {
			return err
		}
	}
	return nil
}
