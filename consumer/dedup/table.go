package dedup

import (
	"context"
	"errors"
	"time"

	"github.com/postroom/postroom/backend"
)

// Table is a [Store] in a table, shared by all processes that use the table. It is
// safe for concurrent use. Each id is one item, written by conditional puts alone.
// The documentation of the package says what they cost and how clocks matter.
//
// Times are whole seconds, rounded up. Items stay until the table's time to live
// removes them, by the attribute [ExpiresAt]; since that happens late, or never on
// a table without one, Table checks the expiry itself as well.
type Table struct {
	table backend.Table
	now   func() time.Time
}

var _ Store = (*Table)(nil)

// NewTable returns a store in a table whose keys are the strings PK and SK, such as
// Postroom's control table. All of its items have a PK that begins with "dedup#".
// Consumers that do different things with the same ids must tell them apart here,
// for example by putting the name of their queue in front.
func NewTable(t backend.Table) *Table { return &Table{table: t, now: time.Now} }

// maxRaces is how many races with other workers one call may lose before it is
// made again after a pause.
const maxRaces = 5

var errRaced = errors.New("other workers were faster each time")

// Claim implements [Store].
func (t *Table) Claim(ctx context.Context, id, owner string, lease time.Duration) (Claim, error) {
	now := t.now()
	next := entry{owner: owner, status: claimed, expires: expiry(now, lease)}
	found, replaced, err := t.replace(ctx, id, next, backend.Condition{Absent: true})
	switch {
	case err != nil:
		return Claim{}, err
	case replaced:
		return Claim{State: Claimed, Left: next.expires.Sub(now)}, nil
	}
	return found.claim(now), nil
}

// Look returns the state of an id, as a worker that has not claimed it would see it;
// the zero Claim if the id is free. It changes nothing, and costs a read unit.
func (t *Table) Look(ctx context.Context, id string) (Claim, error) {
	it, _, err := t.table.Get(ctx, backend.Key{PK: pkPrefix + id, SK: itemSK})
	if err != nil {
		return Claim{}, err
	}
	e, err := decode(it)
	now := t.now()
	if err != nil || it == nil || e.status == released || !now.Before(e.expires) {
		return Claim{}, err
	}
	return e.claim(now), nil
}

// Record implements [Store].
func (t *Table) Record(ctx context.Context, id, owner string, ttl time.Duration) error {
	next := entry{owner: owner, status: done, expires: expiry(t.now(), ttl)}
	found, replaced, err := t.replace(ctx, id, next, claimedBy(owner))
	if err == nil && !replaced && found.owner != owner {
		return ErrLost
	}
	return err
}

// Release implements [Store].
func (t *Table) Release(ctx context.Context, id, owner string) error {
	next := entry{owner: owner, status: released, expires: expiry(t.now(), 0)}
	_, err := t.table.Put(ctx, next.encode(id), claimedBy(owner))
	if backend.KindOf(err) == backend.KindConditionFailed {
		return nil
	}
	return err
}

// replace puts next if the condition holds. If not, it puts next in place of the
// entry that it finds, if that yields, and returns the entry otherwise.
func (t *Table) replace(ctx context.Context, id string, next entry, c backend.Condition) (found entry, replaced bool, err error) {
	for range maxRaces {
		_, err := t.table.Put(ctx, next.encode(id), c)
		if err == nil {
			return next, true, nil
		}
		refused, ok := errors.AsType[*backend.Error](err)
		if !ok || refused.Kind != backend.KindConditionFailed {
			return entry{}, false, err
		}
		if found, err = decode(refused.Item); err != nil {
			return entry{}, false, err
		}
		if !found.yields(next.owner, t.now()) {
			return found, false, nil
		}
		c = found.unchanged()
	}
	return entry{}, false, &backend.Error{Op: "claim " + id, Kind: backend.KindConflict, Err: errRaced}
}

// expiry returns the time after a duration, in whole seconds.
func expiry(now time.Time, d time.Duration) time.Time {
	return time.Unix(now.Add(d+time.Second-1).Unix(), 0)
}
