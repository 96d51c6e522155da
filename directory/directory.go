package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
)

// Errors of a directory.
var (
	// ErrNotFound says that there is no such user, or that nobody has the handle.
	ErrNotFound = errors.New("not in the directory")
	// ErrTaken says that another user has the handle.
	ErrTaken = errors.New("the handle is taken")
	// ErrExists says that the user has a profile already, and another one.
	ErrExists = errors.New("there is another profile of this user")
	// ErrInvalid says that a profile, a handle or a uuid cannot be. The error says why.
	ErrInvalid = errors.New("invalid")
)

// DamageError is the error of a profile, or of a handle, that no directory can have written
// so. [Directory.Put] of the user writes both anew.
type DamageError = item.DamageError

// Directory is the profiles and the handles of one table. It may be used concurrently, by
// any number of processes: what is read is consistent, and what is written is written on
// the condition of what was read.
type Directory struct {
	table batch.Table
	now   func() time.Time // dates changes
}

// New returns the directory of a table. It makes no call.
func New(table backend.Table) *Directory { return &Directory{batch.NewTable(table), time.Now} }

// Get returns the profiles of users, by their uuids, those left out who have none. It reads
// a hundred at a time. A profile that is damaged is left out, and is a [DamageError] among
// the errors; with any other error there are none.
func (d *Directory) Get(ctx context.Context, userUUIDs ...string) (map[string]Profile, error) {
	keys := make([]backend.Key, len(userUUIDs))
	for i, user := range userUUIDs {
		if err := postroom.CheckUUID(user); err != nil {
			return nil, fmt.Errorf("%w: user %w", ErrInvalid, err)
		}
		keys[i] = keyOf(user)
	}
	slices.SortFunc(keys, backend.Key.Compare)
	items, err := d.table.GetAll(ctx, slices.Compact(keys))
	if err != nil {
		return nil, err
	}
	found := make(map[string]Profile, len(items))
	var damaged []error
	for _, key := range keys {
		if items[key] == nil {
			continue
		}
		switch p, err := decode(items[key]); {
		case item.AsDamaged(err) != nil:
			damaged = append(damaged, err)
		case err != nil:
			return nil, err
		default:
			found[p.UserUUID] = p
		}
		delete(items, key) // compacted keys are followed by what they left
	}
	return found, errors.Join(damaged...)
}

// ByHandle returns the profile of the user who has a handle, which is folded, or an error
// that is [ErrNotFound]. It reads two items, and again if the handle changes hands meanwhile.
func (d *Directory) ByHandle(ctx context.Context, handle string) (Profile, error) {
	_, folded, err := parseHandle(handle)
	if err != nil {
		return Profile{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for before := (owner{}); ; {
		o, err := d.owner(ctx, folded)
		if err != nil {
			return Profile{}, err
		}
		switch {
		case o.damage != nil:
			return Profile{}, o.damage
		case o.user == "", o.owner == before: // nobody has it, or the item is left over
			return Profile{}, fmt.Errorf("the handle %.100q: %w", handle, ErrNotFound)
		}
		before = o.owner
		it, err := d.table.Get(ctx, keyOf(before.user))
		if err != nil {
			return Profile{}, err
		}
		if it == nil {
			continue
		}
		if p, err := decode(it); err != nil || p.folded == folded {
			return p, err
		}
	}
}

// All returns every profile, in no particular order, from the one after a user on; after is
// empty for all. It scans the whole table, a page of at most 1 MB at a time. A
// [DamageError] stands for one profile, and the iteration goes on; any other error ends it.
func (d *Directory) All(ctx context.Context, after string) iter.Seq2[Profile, error] {
	return func(yield func(Profile, error) bool) {
		scan := backend.Scan{Consistent: true}
		if after != "" {
			if err := postroom.CheckUUID(after); err != nil {
				yield(Profile{}, fmt.Errorf("%w: user %w", ErrInvalid, err))
				return
			}
			scan.After = keyOf(after)
		}
		for it, err := range d.table.Scan(ctx, scan) {
			if err == nil && !isProfile(backend.KeyOf(it)) {
				continue
			}
			var p Profile
			if err == nil {
				p, err = decode(it)
			}
			if !yield(p, err) || err != nil && item.AsDamaged(err) == nil {
				return
			}
		}
	}
}
