package directory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
)

// attempts is how often a change is decided anew because somebody else was faster. Only
// changes of the same user, and of the same handle, are in each other's way.
const attempts = 20

// Add makes the profile of a user who has none, and returns it as it is stored. One that
// says the same already is success, so that it may be called again after an error; another
// one is an error that is [ErrExists]. A handle of another user is [ErrTaken], and what
// cannot be is [ErrInvalid]. The times of p are not looked at.
func (d *Directory) Add(ctx context.Context, p Profile) (Profile, error) {
	if err := p.normal(); err != nil {
		return Profile{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return d.write(ctx, p.UserUUID, d.now(), func(was *stored) (Profile, error) {
		if was.item != nil && was.damage == nil && !p.saysSame(was.Profile) {
			return Profile{}, fmt.Errorf("user %s: %w", p.UserUUID, ErrExists)
		}
		return p, was.damage
	})
}

// Put makes or replaces the profile of a user, and returns it as it is stored. One that says
// the same is left as it is. An empty handle frees the one that the user had. A profile that
// is damaged is replaced. Errors are those of [Directory.Add] but for ErrExists.
func (d *Directory) Put(ctx context.Context, p Profile) (Profile, error) {
	if err := p.normal(); err != nil {
		return Profile{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return d.write(ctx, p.UserUUID, d.now(), func(*stored) (Profile, error) { return p, nil })
}

// Names are what a user is called. What is empty stays as it is.
type Names struct{ DisplayName, Handle string }

// Rename changes what a user is called, and returns the profile as it is stored. The handle
// that the user had is free with the same write. Errors are those of [Directory.Add], and
// [ErrNotFound] if the user has no profile.
func (d *Directory) Rename(ctx context.Context, userUUID string, n Names) (Profile, error) {
	if err := postroom.CheckUUID(userUUID); err != nil {
		return Profile{}, fmt.Errorf("%w: user %w", ErrInvalid, err)
	}
	var handle, folded string
	var err error
	if n.Handle != "" {
		handle, folded, err = parseHandle(n.Handle)
	}
	if err == nil && n.DisplayName != "" {
		err = CheckDisplayName(n.DisplayName)
	}
	if err != nil {
		return Profile{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return d.write(ctx, userUUID, d.now(), func(was *stored) (Profile, error) {
		if was.item == nil {
			return Profile{}, fmt.Errorf("user %s: %w", userUUID, ErrNotFound)
		}
		next := was.Profile
		next.DisplayName = cmp.Or(n.DisplayName, next.DisplayName)
		if handle != "" {
			next.Handle, next.folded = handle, folded
		}
		return next, was.damage
	})
}

// stored is a user's item as it was read.
type stored struct {
	Profile // zero if there is none, or it is damaged

	item   backend.Item // nil: there is none
	damage error
}

// unchanged is the condition that an item is still as it was read.
func unchanged(it backend.Item) backend.Condition {
	if it == nil {
		return backend.Condition{Absent: true}
	}
	return item.Same(it)
}

// write makes what edit makes of a profile, which may be called several times. The new
// profile is as of a time, and later than the one before.
func (d *Directory) write(
	ctx context.Context, user string, at time.Time, edit func(was *stored) (Profile, error),
) (Profile, error) {
	for attempt := 1; ; attempt++ {
		was, err := d.load(ctx, user)
		if err != nil {
			return Profile{}, err
		}
		next, err := edit(was)
		if err != nil {
			return Profile{}, err
		}
		next.CreatedAt, next.UpdatedAt = was.times(at)
		actions, err := d.actions(ctx, was, next)
		if err != nil {
			return Profile{}, err
		}
		if len(actions) == 0 {
			return was.Profile, nil
		}
		err = d.table.Transact(ctx, uuid.NewString(), actions)
		switch {
		case err == nil:
			return next, nil
		case backend.KindOf(err) != backend.KindConditionFailed, attempt == attempts:
			return Profile{}, err
		}
		// Somebody else was faster, or this was made and the answer lost: what is read
		// now says which.
		if err := retry.Sleep(ctx, d.table.Retry.Pause(attempt), nil); err != nil {
			return Profile{}, err
		}
	}
}

// load reads a profile.
func (d *Directory) load(ctx context.Context, user string) (*stored, error) {
	it, err := d.table.Get(ctx, keyOf(user))
	if err != nil || it == nil {
		return &stored{}, err
	}
	p, err := decode(it)
	switch {
	case item.AsDamaged(err) != nil:
		return &stored{item: it, damage: err}, nil
	case err != nil:
		return nil, err
	}
	return &stored{Profile: p, item: it}, nil
}

// times are those of the profile after this one.
func (s *stored) times(at time.Time) (created, updated time.Time) {
	at = postroom.RoundTime(at)
	if s.CreatedAt.IsZero() {
		return at, at
	}
	if least := s.UpdatedAt.Add(time.Microsecond); at.Before(least) {
		at = least
	}
	return s.CreatedAt, at
}

// actions is the transaction that makes next of what was read; empty: there is nothing to
// do. The profile's own action fails if anybody else has changed the profile meanwhile.
func (d *Directory) actions(ctx context.Context, was *stored, next Profile) ([]backend.Action, error) {
	var handles []backend.Action
	if next.folded != "" {
		o, err := d.owner(ctx, next.folded)
		if err != nil {
			return nil, err
		}
		// The item of a handle that the profile names already is nobody else's to take.
		if o.user != next.UserUUID || was.folded != next.folded {
			if handles, err = d.take(ctx, o, was, next); err != nil {
				return nil, err
			}
		}
	}
	if was.folded != "" && was.folded != next.folded {
		old, err := d.owner(ctx, was.folded)
		if err != nil {
			return nil, err
		}
		if old.user == next.UserUUID || old.damage != nil {
			handles = append(handles, backend.Action{Delete: keyOfHandle(was.folded), Condition: unchanged(old.item)})
		}
	}
	if was.damage == nil && len(handles) == 0 && next.saysSame(was.Profile) {
		return nil, nil
	}
	return append([]backend.Action{{Put: next.encode(), Condition: unchanged(was.item)}}, handles...), nil
}

// storedOwner is the item of a handle as it was read.
type storedOwner struct {
	owner // zero if there is none, or it is damaged

	item   backend.Item // nil: there is none
	damage error
}

// owner reads who has a handle.
func (d *Directory) owner(ctx context.Context, folded string) (storedOwner, error) {
	it, err := d.table.Get(ctx, keyOfHandle(folded))
	if err != nil || it == nil {
		return storedOwner{}, err
	}
	o, err := decodeOwner(it)
	switch {
	case item.AsDamaged(err) != nil:
		return storedOwner{item: it, damage: err}, nil
	case err != nil:
		return storedOwner{}, err
	}
	return storedOwner{owner: o, item: it}, nil
}

// take is the actions by which a user takes a handle, unless another user has it.
func (d *Directory) take(ctx context.Context, o storedOwner, was *stored, next Profile) ([]backend.Action, error) {
	put := backend.Action{Put: owner{next.folded, next.UserUUID}.encode(), Condition: unchanged(o.item)}
	switch {
	case o.damage != nil && was.folded != next.folded:
		return nil, fmt.Errorf("%w: whose profile has the handle %q can have it written anew", o.damage, next.Handle)
	case o.user == "", o.user == next.UserUUID:
		return []backend.Action{put}, nil
	}
	other, err := d.load(ctx, o.user)
	if err != nil {
		return nil, err
	}
	if other.damage != nil || other.folded == next.folded {
		return nil, fmt.Errorf("%q: %w: it is that of user %s", next.Handle, ErrTaken, o.user)
	}
	// It is left over, for as long as the other user's profile does not name it.
	return []backend.Action{put, {Check: keyOf(o.user), Condition: unchanged(other.item)}}, nil
}
