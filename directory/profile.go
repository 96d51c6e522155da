package directory

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// The newest formats that this program knows, of a profile and of a handle.
const (
	format       = 1
	handleFormat = 1
)

const (
	userPrefix   = "usr#"
	profileKey   = "PROFILE"
	handlePrefix = "handle#"
	handleKey    = "HANDLE"

	attrName    = "display_name"
	attrHandle  = "handle"
	attrFolded  = "handle_folded"
	attrDID     = "did"
	attrCreated = "created_at"
	attrUpdated = "updated_at"
)

// Profile is who a user is.
type Profile struct {
	UserUUID    string
	DisplayName string // see [CheckDisplayName]
	// Handle is as it was written, without an @; empty: the user has none. See
	// [CheckHandle].
	Handle string
	// ForeignDID is the DID by which another system knows the user, whose uuid is then
	// that of [ParseDID]; empty: the user is one of ours.
	ForeignDID string
	// CreatedAt and UpdatedAt are when the profile was made and last changed, in UTC and
	// microseconds. The directory sets them, and UpdatedAt grows with every change.
	CreatedAt, UpdatedAt time.Time

	folded string // of the handle
}

// DID returns the user's DID: the foreign one, or else that of [UserDID].
func (p Profile) DID() string {
	if p.ForeignDID != "" {
		return p.ForeignDID
	}
	return UserDID(p.UserUUID)
}

// normal checks what a caller may say, and brings the handle into the form that is stored.
func (p *Profile) normal() (err error) {
	if err := postroom.CheckUUID(p.UserUUID); err != nil {
		return fmt.Errorf("user %w", err)
	}
	if err := CheckDisplayName(p.DisplayName); err != nil {
		return err
	}
	if err := p.checkForeign(); err != nil {
		return err
	}
	p.folded = ""
	if p.Handle != "" {
		p.Handle, p.folded, err = parseHandle(p.Handle)
	}
	return err
}

// checkForeign checks that a foreign DID is the user's.
func (p *Profile) checkForeign() error {
	if p.ForeignDID == "" {
		return nil
	}
	switch user, err := ParseDID(p.ForeignDID); {
	case err != nil:
		return err
	case strings.HasPrefix(p.ForeignDID, ownDID):
		return fmt.Errorf("DID %.100q is not foreign", p.ForeignDID)
	case user != p.UserUUID:
		return fmt.Errorf("DID %.100q is that of user %s, not of %s", p.ForeignDID, user, p.UserUUID)
	}
	return nil
}

// saysSame reports whether two profiles say the same of a user, whenever they were written.
func (p Profile) saysSame(q Profile) bool {
	return p.UserUUID == q.UserUUID && p.DisplayName == q.DisplayName && p.Handle == q.Handle && p.ForeignDID == q.ForeignDID
}

func keyOf(userUUID string) backend.Key {
	return backend.Key{PK: userPrefix + userUUID, SK: profileKey}
}

func keyOfHandle(folded string) backend.Key {
	return backend.Key{PK: handlePrefix + folded, SK: handleKey}
}

func isProfile(key backend.Key) bool {
	return key.SK == profileKey && strings.HasPrefix(key.PK, userPrefix)
}

func (p Profile) encode() backend.Item {
	it := item.New(keyOf(p.UserUUID), format)
	it[attrName], it[attrCreated], it[attrUpdated] = item.String(p.DisplayName), item.Time(p.CreatedAt), item.Time(p.UpdatedAt)
	if p.Handle != "" {
		it[attrHandle], it[attrFolded] = item.String(p.Handle), item.String(p.folded)
	}
	if p.ForeignDID != "" {
		it[attrDID] = item.String(p.ForeignDID)
	}
	return it
}

// decode decodes a profile. It does not fold the handle: a program that was built with
// another version of Unicode may know letters that this one does not.
func decode(it backend.Item) (Profile, error) {
	d := item.Decode(it, format)
	pk := backend.KeyOf(it).PK
	user := strings.TrimPrefix(pk, userPrefix)
	p := Profile{
		UserUUID: user, DisplayName: d.String(attrName), CreatedAt: d.Time(attrCreated), UpdatedAt: d.Time(attrUpdated),
	}
	if it[attrHandle] != nil || it[attrFolded] != nil {
		p.Handle, p.folded = d.String(attrHandle), d.String(attrFolded)
		d.Check(attrHandle, canBeHandle(p.Handle), "it cannot be a handle")
		d.Check(attrFolded, canBeHandle(p.folded), "it cannot be a folded handle")
	}
	if it[attrDID] != nil {
		p.ForeignDID = d.String(attrDID)
		d.Check(attrDID, p.ForeignDID != "", "it is empty")
	}
	d.Check(backend.AttrPK, pk == keyOf(user).PK && postroom.CheckUUID(user) == nil, "it is not that of a user")
	d.Check(backend.AttrSK, backend.KeyOf(it).SK == profileKey, "it is not that of a profile")
	if err := CheckDisplayName(p.DisplayName); err != nil {
		d.Fail(attrName, err)
	}
	if err := p.checkForeign(); err != nil {
		d.Fail(attrDID, err)
	}
	d.Check(attrCreated, !p.CreatedAt.IsZero(), "it is empty")
	d.Check(attrUpdated, !p.UpdatedAt.Before(p.CreatedAt), "it is before the profile was made")
	return p, d.Err()
}

// canBeHandle checks what does not depend on the version of Unicode.
func canBeHandle(s string) bool { return checkLength(s) == nil && !strings.ContainsAny(s, "@#/ ") }

// owner is the item of a handle, which says whose it is.
type owner struct{ folded, user string }

func (o owner) encode() backend.Item {
	it := item.New(keyOfHandle(o.folded), handleFormat)
	it[postroom.AttrUserUUID] = item.String(o.user)
	return it
}

func decodeOwner(it backend.Item) (owner, error) {
	d := item.Decode(it, handleFormat)
	key := backend.KeyOf(it)
	o := owner{strings.TrimPrefix(key.PK, handlePrefix), d.String(postroom.AttrUserUUID)}
	d.Check(backend.AttrPK, key == keyOfHandle(o.folded) && canBeHandle(o.folded), "it is not that of a handle")
	d.Check(postroom.AttrUserUUID, utf8.ValidString(o.user) && postroom.CheckUUID(o.user) == nil, "it is not a uuid")
	return o, d.Err()
}
