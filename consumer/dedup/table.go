package dedup

import (
	"context"
	"errors"
	"time"

	"github.com/postroom/postroom/backend"
)

// TableOptions of [NewTable]. Zero means the default.
type TableOptions struct {
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

// Table is a [Store] in a table, shared by all processes that use it. It is safe
// for concurrent use. Each id is one item, written by conditional puts alone; what
// they cost, and what clocks have to do with it, stands in the documentation of
// the package.
//
// Times are kept in whole seconds, rounded up. The items stay until the table's
// time to live removes them, by the attribute [ExpiresAt]; since that is late, or
// never on a table without it, expiry is looked at here as well.
type Table struct {
	table backend.Table
	now   func() time.Time
}

var _ Store = (*Table)(nil)

// NewTable makes a store in a table whose keys are the strings PK and SK, such as
// Postroom's control table. All of its items have a PK that begins with "dedup#".
// Consumers that do different things with the same ids need different ids here,
// such as with the name of their queue before them.
func NewTable(t backend.Table, o TableOptions) *Table {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Table{table: t, now: o.Now}
}

// maxRaces is how often others may be faster in one call, until it is tried again
// after a pause.
const maxRaces = 5

var errRaced = errors.New("others were faster each time")

// Claim implements [Store].
func (t *Table) Claim(ctx context.Context, id, owner string, lease time.Duration) (Claim, error) {
	now := t.now()
	next := entry{owner: owner, mark: marked, expires: expiry(now, lease)}
	held, taken, err := t.take(ctx, id, next, backend.Condition{Absent: true})
	switch {
	case err != nil:
		return Claim{}, err
	case taken:
		return Claim{State: Claimed, Left: next.expires.Sub(now)}, nil
	}
	return held.claim(now), nil
}

// Record implements [Store].
func (t *Table) Record(ctx context.Context, id, owner string, ttl time.Duration) error {
	next := entry{owner: owner, mark: done, expires: expiry(t.now(), ttl)}
	held, taken, err := t.take(ctx, id, next, claimOf(owner))
	if err == nil && !taken && held.owner != owner {
		return ErrLost
	}
	return err
}

// Release implements [Store].
func (t *Table) Release(ctx context.Context, id, owner string) error {
	next := entry{owner: owner, mark: released, expires: expiry(t.now(), 0)}
	_, err := t.table.Put(ctx, next.encode(id), claimOf(owner))
	if backend.KindOf(err) == backend.KindConditionFailed {
		return nil
	}
	return err
}

// take puts next if the condition holds, and if not, then in place of what was
// found, if that yields. Otherwise it returns what was found.
func (t *Table) take(ctx context.Context, id string, next entry, c backend.Condition) (held entry, taken bool, err error) {
	for range maxRaces {
		_, err := t.table.Put(ctx, next.encode(id), c)
		if err == nil {
			return next, true, nil
		}
		var refused *backend.Error
		if !errors.As(err, &refused) || refused.Kind != backend.KindConditionFailed {
			return entry{}, false, err
		}
		if held, err = decode(refused.Item); err != nil {
			return entry{}, false, err
		}
		if !held.yields(next.owner, t.now()) {
			return held, false, nil
		}
		c = held.unchanged()
	}
	return entry{}, false, &backend.Error{Op: "claim " + id, Kind: backend.KindConflict, Err: errRaced}
}

// expiry is a time after now, in whole seconds.
func expiry(now time.Time, d time.Duration) time.Time {
	return time.Unix(now.Add(d+time.Second-1).Unix(), 0)
}
