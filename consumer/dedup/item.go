package dedup

import (
	"fmt"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// ExpiresAt is the attribute by which a table's time to live may remove the items
// of a [Table]; it holds seconds since 1970. See [backend.TableSpec].TimeToLive.
const ExpiresAt = "expires_at"

const (
	format = 1 // of an item

	attrOwner = "owner"
	attrState = "state"

	pkPrefix = "dedup#"
	itemSK   = "ID"
)

func (e entry) encode(id string) backend.Item {
	it := item.New(backend.Key{PK: pkPrefix + id, SK: itemSK}, format)
	it[attrOwner], it[attrState] = item.String(e.owner), item.String(string(e.status))
	it[ExpiresAt] = item.Int(e.expires.Unix())
	return it
}

// unchanged is the condition that the entry is still this one.
func (e entry) unchanged() backend.Condition {
	if e.status == "" {
		return backend.Condition{Absent: true}
	}
	c := claimedBy(e.owner)
	c.Equals[attrState], c.Equals[ExpiresAt] = item.String(string(e.status)), item.Int(e.expires.Unix())
	return c
}

// claimedBy is the condition that owner has a claim, expired or not.
func claimedBy(owner string) backend.Condition {
	return backend.Condition{Equals: backend.Item{
		attrOwner: item.String(owner), attrState: item.String(string(claimed)),
	}}
}

// decode decodes an item; nil is the zero entry.
func decode(it backend.Item) (entry, error) {
	if it == nil {
		return entry{}, nil
	}
	d := item.Decode(it, format)
	e := entry{
		owner: d.String(attrOwner), status: status(d.String(attrState)), expires: time.Unix(d.Int(ExpiresAt, 0), 0),
	}
	if e.status != claimed && e.status != done && e.status != released {
		d.Fail(attrState, fmt.Errorf("unknown state %q", e.status))
	}
	if err := d.Err(); err != nil {
		return entry{}, fmt.Errorf("%w; if you delete the item, its id is handled again", err)
	}
	return e, nil
}

// Repair returns how to repair an item of the control table; nil: it is good, or not one
// of a [Table]'s. The error is that of a newer format.
func Repair(it backend.Item) (*item.Repair, error) {
	if !strings.HasPrefix(backend.KeyOf(it).PK, pkPrefix) {
		return nil, nil
	}
	_, err := decode(it)
	return item.Deletion(item.AsDamaged(err), err, "its notification, if it comes again, is handled again")
}
