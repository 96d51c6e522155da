package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// maxSeen is how many users a [Filler] remembers before it writes their profiles.
const maxSeen = 1 << 14

// Filler fills a directory with the people of messages that are imported. Later names
// win, by the time of the message, which becomes the profile's UpdatedAt: so an import
// changes nothing that was changed after its messages were sent, and the same import
// changes nothing. It is not for concurrent use.
type Filler struct {
	d    *Directory
	seen map[string]sighting
	Filled
}

// Filled is what a [Filler] has done.
type Filled struct {
	Written int // profiles that were made or changed
	// Without counts the people who are without the handle that the messages have, since it
	// is another user's or cannot be one. Those who had a handle keep it.
	Without int
	Example error // of one of them
}

// sighting is what a user was called in a message.
type sighting struct {
	name, handle string
	at           time.Time
}

// Filler returns one that has seen nobody.
func (d *Directory) Filler() *Filler { return &Filler{d: d, seen: map[string]sighting{}} }

// See notes the names in a valid message: those of the sender, and of the members if the
// message has them. Once it holds 16,384 users, or more with the members of the last
// message, it writes their profiles; an error is that of the table.
func (f *Filler) See(ctx context.Context, m postroom.Message) error {
	f.see(postroom.Member{UserUUID: m.UserUUID, DisplayName: m.DisplayName, Handle: m.Handle}, m.CreatedAt)
	for _, p := range m.Members {
		f.see(p, m.CreatedAt)
	}
	if len(f.seen) < maxSeen {
		return nil
	}
	return f.Flush(ctx)
}

func (f *Filler) see(p postroom.Member, at time.Time) {
	if was, ok := f.seen[p.UserUUID]; !ok || at.After(was.at) {
		f.seen[p.UserUUID] = sighting{p.DisplayName, p.Handle, postroom.RoundTime(at)}
	}
}

// Flush writes the profiles of everybody who was seen since the last one. A profile that is
// damaged stays as it is. After an error it may be called again.
func (f *Filler) Flush(ctx context.Context) error {
	users := slices.Sorted(maps.Keys(f.seen)) // so that of two with one handle the same one has it each time
	for chunk := range slices.Chunk(users, backend.MaxBatchGet) {
		found, err := f.d.Get(ctx, chunk...)
		if err != nil && item.AsDamaged(err) == nil {
			return err
		}
		for _, user := range chunk {
			s := f.seen[user]
			if p, ok := found[user]; !ok || s.at.After(p.UpdatedAt) {
				if err := f.write(ctx, user, s); err != nil {
					return err
				}
			}
			delete(f.seen, user)
		}
	}
	return nil
}

// write writes one profile, without the handle if that cannot be had.
func (f *Filler) write(ctx context.Context, user string, s sighting) error {
	handle, folded, cannot := parseHandle(s.handle)
	p, err := f.named(ctx, user, s, handle, folded)
	if errors.Is(err, ErrTaken) {
		cannot = err
		p, err = f.named(ctx, user, s, "", "")
	}
	switch {
	case item.AsDamaged(err) != nil:
		return nil
	case err != nil:
		return err
	}
	if p.UpdatedAt.Equal(s.at) {
		f.Written++
	}
	if cannot != nil {
		f.Without++
		f.Example = cmp.Or(f.Example, fmt.Errorf("user %s: %w", user, cannot))
	}
	return nil
}

// named gives a user the names of a sighting, unless the profile is newer. Without a handle
// it leaves the one that the user has.
func (f *Filler) named(ctx context.Context, user string, s sighting, handle, folded string) (Profile, error) {
	name := s.name
	if CheckDisplayName(name) != nil {
		short, _, _ := strings.Cut(user, "-")
		name = cmp.Or(handle, short)
	}
	return f.d.write(ctx, user, s.at, func(was *stored) (Profile, error) {
		if was.damage != nil || was.item != nil && !s.at.After(was.UpdatedAt) {
			return was.Profile, was.damage
		}
		next := was.Profile
		next.UserUUID, next.DisplayName = user, name
		if handle != "" {
			next.Handle, next.folded = handle, folded
		}
		return next, nil
	})
}
