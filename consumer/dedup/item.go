package dedup

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// ExpiresAt is the attribute by which a table may remove the items of a [Table],
// a number of seconds since 1970: see [backend.TableSpec].TimeToLive.
const ExpiresAt = "expires_at"

const (
	attrOwner = "owner"
	attrState = "state"

	pkPrefix = "dedup#"
	itemSK   = "ID"
)

func (e entry) encode(id string) backend.Item {
	return backend.Item{
		backend.AttrPK: text(pkPrefix + id), backend.AttrSK: text(itemSK),
		attrOwner: text(e.owner), attrState: text(string(e.mark)), ExpiresAt: seconds(e.expires),
	}
}

// unchanged is the condition that the entry is still this one.
func (e entry) unchanged() backend.Condition {
	if e.mark == "" {
		return backend.Condition{Absent: true}
	}
	return backend.Condition{Equals: backend.Item{
		attrOwner: text(e.owner), attrState: text(string(e.mark)), ExpiresAt: seconds(e.expires),
	}}
}

// claimOf is the condition that owner has the claim, whenever it expires.
func claimOf(owner string) backend.Condition {
	return backend.Condition{Equals: backend.Item{attrOwner: text(owner), attrState: text(string(marked))}}
}

// decode reads an item; nil is the zero entry.
func decode(item backend.Item) (entry, error) {
	if item == nil {
		return entry{}, nil
	}
	e := entry{owner: backend.Text(item, attrOwner), mark: mark(backend.Text(item, attrState))}
	if e.mark != marked && e.mark != done && e.mark != released {
		return entry{}, misread(item, attrState, string(e.mark))
	}
	s := backend.Number(item, ExpiresAt)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return entry{}, misread(item, ExpiresAt, s)
	}
	e.expires = time.Unix(n, 0)
	return e, nil
}

func misread(item backend.Item, name, value string) error {
	key := backend.KeyOf(item)
	return &backend.Error{Op: "read the deduplication store", Kind: backend.KindInvalid, Err: fmt.Errorf(
		"item %q, %q: %s is %q, which this version does not understand; delete the item to have the id handled again",
		key.PK, key.SK, name, value)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func seconds(t time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.Unix(), 10)}
}
