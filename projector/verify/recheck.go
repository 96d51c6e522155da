package verify

import (
	"context"
	"maps"
	"slices"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/projection"
)

// recheck reports what differs still.
func (v *verifier) recheck(ctx context.Context) error {
	if len(v.conversations)+len(v.rows) == 0 {
		return nil
	}
	if err := retry.Sleep(ctx, recheckAfter, nil); err != nil {
		return err
	}
	for _, group := range slices.Sorted(maps.Keys(v.conversations)) {
		if err := v.recheckConversation(ctx, v.conversations[group]); err != nil {
			return err
		}
	}
	return v.recheckRows(ctx)
}

// recheckConversation reports what still differs of a conversation, unless that
// may be the work of a live projector.
func (v *verifier) recheckConversation(ctx context.Context, before *finding) error {
	group := before.conversation.group
	now, err := v.inspect(ctx, group)
	if err != nil || len(now.differences) == 0 {
		return err
	}
	at, err := v.headNow(ctx, now)
	if err != nil {
		return err
	}
	for _, d := range now.differences {
		switch d.Kind {
		case NotShown, Stranded:
			v.report.Skipped += int64(now.notShown)
		case UUIDTwice, Unreadable, OpeningLost, Orphan:
		case HeadMissing, HeadBehind:
			// It has come to what there was at the first look, or further. What
			// was posted since may wait a while yet.
			if at.Compare(before.conversation.newest) >= 0 {
				continue
			}
		default:
			if at != before.head() {
				continue
			}
		}
		v.found(d)
	}
	return nil
}

// recheckRows reports the rows that are still where none should be. One that the
// last move left may be about to be deleted, and is given another while.
func (v *verifier) recheckRows(ctx context.Context) error {
	v.settled = true
	left, err := v.dropRowsInPlace(ctx)
	if err != nil {
		return err
	}
	if left {
		if err := retry.Sleep(ctx, recheckAfter, nil); err != nil {
			return err
		}
		if _, err := v.dropRowsInPlace(ctx); err != nil {
			return err
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(v.rows), backend.Key.Compare) {
		if err := v.foundRow(ctx, key, v.rows[key]); err != nil {
			return err
		}
	}
	return nil
}

// foundRow reports a row that is where none should be.
func (v *verifier) foundRow(ctx context.Context, key backend.Key, group string) error {
	c, err := v.conversation(ctx, group)
	if err != nil {
		return err
	}
	d := Difference{Kind: Orphan, GroupUUID: group, UserUUID: userOf(key), PK: key.PK, SK: key.SK}
	switch {
	case c.has(d.UserUUID):
		d.Kind, d.Detail = Doubled, "a member's row in a place where the conversation is not"
	case c.members != nil:
		d.Detail = "a row of a user who is not a member"
	case c.first != "":
		d.Detail = "a row of a conversation that nobody has opened"
	default:
		d.Detail = "a row of a conversation without messages"
	}
	v.found(d)
	return nil
}

// dropRowsInPlace forgets the rows that are gone or where the head says, and
// reports whether the last move left any of the others.
func (v *verifier) dropRowsInPlace(ctx context.Context) (left bool, err error) {
	v.cache = projection.NewCache[*conversation]()
	for _, key := range slices.SortedFunc(maps.Keys(v.rows), backend.Key.Compare) {
		c, err := v.conversation(ctx, v.rows[key])
		if err != nil {
			return false, err
		}
		item, err := v.table.Get(ctx, key)
		if err != nil {
			return false, err
		}
		switch {
		case item == nil, c.owns(key), c.openingLost(), c.dropping(key):
			delete(v.rows, key)
		case c.head != nil && c.head.Old == key.SK:
			left = true
		}
	}
	return left, nil
}
