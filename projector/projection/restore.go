package projection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// maxPasses bounds how often a restore looks at a conversation that others move.
const maxPasses = 10

// ErrOpeningLost means that the message by which a conversation was opened is gone, or
// cannot be read any more, while other messages are there: nobody knows who the members
// are.
var ErrOpeningLost = errors.New("the message that opened the conversation, and names its members, is gone or unreadable")

// ErrBusy means that others have moved a conversation whenever it was to be restored.
var ErrBusy = errors.New("it was moved by others all the while")

// Restore makes the head and the rows of a conversation what its log says, whatever has
// become of them, beside others that move it. Elsewhere are keys at which rows of it may
// be and should not: those of a member at another place, and those of others. Restore
// looks itself at the place that the last move left.
//
//   - A head that is behind is moved on as ever. One that no move can have left there
//     (it is missing or unreadable, or its message is not in the log) is put at the
//     newest message, forward or back, on the condition that it is still what it was.
//   - Rows that are missing, or are not what they should be, are put at the head's key.
//   - Only then are the others deleted. Unlike those that a move leaves, they need not be
//     before the head, and a live move could be about to put its rows there. So each
//     deletion, too, is made on the condition that the head is what it was.
//
// A crash leaves a conversation that Restore, once more, makes right. A conversation
// without any message loses its head and the rows elsewhere, and one that nobody has
// opened the latter, with [ErrNoMembers]. The error is that, [ErrOpeningLost], [ErrBusy],
// or the backend's. Now is when the head is moved, if it is. Nobody is notified.
func (p Projection) Restore(ctx context.Context, group string, elsewhere []backend.Key, now time.Time) error {
	elsewhere = slices.Clone(elsewhere)
	for pass := 1; ; pass++ {
		again, err := p.restore(ctx, group, &elsewhere, now)
		overtaken := backend.KindOf(err) == backend.KindConditionFailed
		switch {
		case err != nil && !overtaken:
			return fmt.Errorf("restoring conversation %s: %w", group, err)
		case err == nil && !again:
			return nil
		case pass == maxPasses:
			return fmt.Errorf("restoring conversation %s: %w", group, ErrBusy)
		}
	}
}

// restore is one pass of a restore. It reports whether it has moved the head: then
// another pass has to look at the rows, and at what was posted meanwhile.
func (p Projection) restore(ctx context.Context, group string, elsewhere *[]backend.Key, now time.Time) (again bool, err error) {
	s, err := p.survey(ctx, group)
	if err != nil {
		return false, err
	}
	switch {
	case s.Members == nil && s.raw != nil && !s.empty:
		return false, ErrOpeningLost
	case s.Members == nil:
		return false, p.removeRows(ctx, s, *elsewhere)
	case s.sound && s.head.Last.Compare(s.newest.Position()) == 0:
		return p.restoreInPlace(ctx, s, *elsewhere, now)
	case s.sound:
		return true, p.catchUp(ctx, s, now)
	}
	if s.head != nil { // where its rows may be
		*elsewhere = append(*elsewhere, RowKeys(s.head.at.all(), s.Members, s.head.Row(group))...)
		*elsewhere = append(*elsewhere, RowKeys(s.head.at.all(), s.Members, s.head.Old)...)
	}
	return true, p.putHead(ctx, s, now)
}

// catchUp moves a conversation that is behind to its newest message. The move before is
// completed first, and by what is there: the rows that it left can be the only ones.
func (p Projection) catchUp(ctx context.Context, s *survey, now time.Time) error {
	left, err := p.table.GetAll(ctx, s.misplaced(RowKeys(s.head.at.all(), s.Members, s.head.Old)))
	if err != nil {
		return err
	}
	if s.head.open || len(left) > 0 {
		if err := p.restoreRows(ctx, s, nil); err != nil {
			return err
		}
	}
	return p.Move(ctx, &s.Conversation, *s.newest, now)
}

// restoreInPlace restores the rows of a conversation that is where it should be, brings
// them into the views that the table has by now, and says in the head that all of it is
// done.
func (p Projection) restoreInPlace(ctx context.Context, s *survey, elsewhere []backend.Key, now time.Time) (again bool, err error) {
	if err := p.restoreRows(ctx, s, elsewhere); err != nil {
		return false, err
	}
	switch {
	case s.table.generation > s.head.at.generation:
		open, err := p.adopt(ctx, s, now)
		return open || len(elsewhere) > 0, err // which may be in views that are no more
	case s.head.open:
		return false, p.close(ctx, &s.Conversation)
	}
	return false, nil
}

// adopt brings the rows of a conversation, all of which are in their places, into the views
// that the table has by now. The transaction says so in the head, which counts as moved:
// whatever others have planned from the head as it was then fails. The rows that do not fit
// into it are put by the next pass; those in views that are no more are deleted with the
// views.
func (p Projection) adopt(ctx context.Context, s *survey, now time.Time) (open bool, err error) {
	added := slices.DeleteFunc(slices.Clone(s.table.all()), func(v postroom.View) bool {
		return slices.Contains(s.head.at.all(), v)
	})
	to := *s.head
	to.at, to.Old = s.table, ""
	if to.MovedAt = now; !now.After(s.head.MovedAt.Add(time.Microsecond)) {
		to.MovedAt = s.head.MovedAt.Add(time.Microsecond)
	}
	return p.replaceHead(ctx, s, to, puts(s.last, s.Members, added))
}

// putHead puts the head at the newest message in place of what is there.
func (p Projection) putHead(ctx context.Context, s *survey, now time.Time) error {
	at := s.placement().later(s.table)
	to := Head{Last: s.newest.Position(), OpenedBy: s.opener, MovedAt: now, at: at, more: moreOf(s.raw)}
	_, err := p.replaceHead(ctx, s, to, puts(*s.newest, s.Members, at.all()))
	return err
}

// replaceHead puts a head in place of what was read, and with it the first rows. The head is
// open where there are more: they are missing, and put by the next pass.
func (p Projection) replaceHead(ctx context.Context, s *survey, to Head, rows []backend.Action) (open bool, err error) {
	to.open, to.MovedBy = len(rows) > chunkRows, p.by
	head := backend.Action{Put: to.encode(s.Group), Condition: s.asRead()}
	return to.open, p.transact(ctx, append([]backend.Action{head}, rows[:min(chunkRows, len(rows))]...))
}

// restoreRows puts the rows that are missing or wrong, as they are after the message at
// which the head is, and then deletes those that should not be there.
func (p Projection) restoreRows(ctx context.Context, s *survey, elsewhere []backend.Key) error {
	at, err := p.table.GetAll(ctx, RowKeys(s.head.at.all(), s.Members, s.head.Row(s.Group)))
	if err != nil {
		return err
	}
	var wrong []backend.Action
	for _, v := range s.head.at.all() {
		for _, want := range v.Groups(s.last, s.Members) {
			it := v.Item(want)
			if got, err := v.GroupFromItem(at[backend.KeyOf(it)]); err != nil || got != want {
				wrong = append(wrong, backend.Action{Put: it})
			}
		}
	}
	for _, chunk := range fenced(check(s.Group, s.asRead()), wrong) {
		if err := p.transact(ctx, chunk); err != nil {
			return err
		}
	}
	elsewhere = append(slices.Clone(elsewhere), RowKeys(s.head.at.all(), s.Members, s.head.Old)...)
	return p.deleteRows(ctx, s, elsewhere)
}

// deleteRows deletes the rows at those of the keys that are not the members', while the
// head is as it was read.
func (p Projection) deleteRows(ctx context.Context, s *survey, keys []backend.Key) error {
	there, err := p.table.GetAll(ctx, s.misplaced(keys))
	if err != nil {
		return err
	}
	var deletes []backend.Action
	for _, key := range slices.SortedFunc(maps.Keys(there), backend.Key.Compare) {
		deletes = append(deletes, backend.Action{Delete: key})
	}
	for _, chunk := range fenced(check(s.Group, s.asRead()), deletes) {
		if err := p.transact(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// removeRows deletes the rows of a conversation that has no members, and then its head
// if it has no message either.
func (p Projection) removeRows(ctx context.Context, s *survey, keys []backend.Key) error {
	s.head = nil // no row is live
	if err := p.deleteRows(ctx, s, keys); err != nil {
		return err
	}
	switch {
	case !s.empty:
		return ErrNoMembers
	case s.raw == nil:
		return nil
	}
	head := backend.Action{Delete: backend.KeyOf(s.raw), Condition: s.asRead()}
	return p.transact(ctx, []backend.Action{head})
}

// isRow reports whether a key is that of a row of the conversation, somebody's.
func isRow(key backend.Key, group string) bool {
	_, of, err := postroom.ParseRowKey(key.SK)
	_, _, ok := postroom.ParseInboxKey(key.PK)
	return err == nil && of == group && ok
}
